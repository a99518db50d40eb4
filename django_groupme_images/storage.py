"""The storage: what is saved goes to GroupMe's image service, and its name is its URL there."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf
from .bodies import announced_size, rewindable
from .exceptions import InvalidPicture, PictureNotFound, UnexpectedResponse
from .files import GroupMeFile, require_read_mode
from .metadata import without_metadata
from .options import ConfiguredStorage
from .pictures import CDN_URL, Picture

if TYPE_CHECKING:
    from django.db.models.fields.files import FieldFile

    from .client import GroupMeClient

__all__ = ["ALIAS", "GroupMeStorage", "groupme_storage", "is_saved", "known_picture", "picture_of"]

logger = logging.getLogger(__name__)

#: The alias in ``STORAGES`` that a ``GroupMeImageField`` uses unless told otherwise.
ALIAS = "groupme"

_CLIENT_OPTIONS = (
    "upload_url",
    "cdn_url",
    "timeout",
    "max_retries",
    "max_retry_wait",
    "max_upload_size",
)


class GroupMeStorage(ConfiguredStorage):
    """
    Files saved here are uploaded to GroupMe's image service.

    The name that ``save()`` returns, and that a model stores, is the picture's URL.
    Every picture is public, and the service can neither delete, replace nor list them.

    A name that is not the URL of a picture on ``cdn_url`` raises ``InvalidPicture``, but
    ``exists()`` says False of it, and ``delete()`` ignores it. Methods that ask the
    service or the CDN raise ``ServiceError`` if it, or the network, fails.
    """

    # The last client, and the options it was made with.
    _made: tuple[dict[str, Any], GroupMeClient | None] = ({}, None)

    @property
    def client(self) -> GroupMeClient:
        """The client for the options as they are now. The first one imports requests."""
        from .client import GroupMeClient

        values = {name: self.options()[name].checked(self) for name in _CLIENT_OPTIONS}
        if isinstance(values["timeout"], list):
            values["timeout"] = tuple(values["timeout"])
        made_with, client = self._made
        if client is None or values != made_with:
            client = GroupMeClient(self._token, **values)
            self._made = values, client
        return client

    def picture(self, name: str) -> Picture:
        """The picture of this name, at no I/O. Raises ``InvalidPicture`` if it is none."""
        return Picture.parse(name, self.cdn_url)

    def save_from_url(self, url: str) -> str:
        """
        Let the service fetch the image at ``url``, and return the name it is stored under.

        This process never opens ``url``. Raises ``UploadRejected`` if the service
        cannot use it.
        """
        return self.client.upload_from_url(url).url

    def url(self, name: str | None) -> str:
        """
        The URL of the original, at no I/O.

        A picture of the service has one here too, whatever ``cdn_url`` is; but this
        storage neither opens it nor asks for it.
        """
        picture = known_picture(name, self) or self.picture(name or "")
        return picture.url

    def exists(self, name: str) -> bool:
        """Whether the CDN has the picture; of a name that is no picture, at no I/O."""
        try:
            self.client.head(self.picture(name))
        except (InvalidPicture, PictureNotFound):
            return False
        return True

    def size(self, name: str) -> int:
        """The number of bytes of the original. Raises ``PictureNotFound``."""
        picture = self.picture(name)
        size = announced_size(self.client.head(picture))
        if size is None:
            raise UnexpectedResponse(f"the CDN did not say how large {picture.url} is")
        return size

    def get_modified_time(self, name: str) -> datetime:
        """
        When the picture was uploaded, as far as the CDN says: it never changes later.

        Aware if ``USE_TZ``. Raises ``PictureNotFound``, and ``NotImplementedError`` if
        the CDN sends no ``Last-Modified`` header (nobody has seen whether it does).
        """
        picture = self.picture(name)
        try:
            moment = parsedate_to_datetime(self.client.head(picture)["Last-Modified"])
        except (KeyError, ValueError):
            raise NotImplementedError(f"the CDN does not say how old {picture.url} is") from None
        return datetime.fromtimestamp(moment.timestamp(), UTC if settings.USE_TZ else None)

    get_created_time = get_modified_time

    def delete(self, name: str) -> None:
        """Do what the option ``on_delete`` says: the service cannot delete a picture."""
        if self.options()["on_delete"].checked(self) == "raise":
            raise NotImplementedError(f"GroupMe's image service cannot delete {name}")
        logger.info("GroupMe's image service cannot delete pictures: %s stays public", name)

    def listdir(self, path: str) -> NoReturn:
        raise NotImplementedError("GroupMe's image service has no call that lists pictures")

    def path(self, name: str) -> NoReturn:
        raise NotImplementedError("a picture on GroupMe's image service has no local path")

    def get_accessed_time(self, name: str) -> NoReturn:
        raise NotImplementedError("GroupMe's CDN does not say when a picture was last looked at")

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # The service names every picture itself, so no name is ever taken or too long.
        return name

    def _open(self, name: str, mode: str = "rb") -> GroupMeFile:
        require_read_mode(mode)
        picture = self.picture(name)
        return GroupMeFile(
            picture.url,
            fetch=lambda: self.client.download(picture),
            size=partial(self.size, picture.url),
        )

    def _save(self, name: str, content: IO[bytes]) -> str:
        if not self.options()["strip_metadata"].checked(self):
            return self.client.upload(content).url
        with rewindable(content) as file:
            return self.client.upload(without_metadata(file)).url

    def _token(self) -> str | None:
        return conf.ask_token(self.options()["access_token"].checked(self))


def is_saved(file: File[bytes]) -> bool:
    """Whether this is a model field's file that is in its storage, and not only in memory."""
    return bool(getattr(file, "_committed", False))


def picture_of(file: FieldFile) -> Picture | None:
    """The picture that a model field's file is, or ``None``, at no I/O."""
    return known_picture(file.name, file.storage) if is_saved(file) else None


def known_picture(name: str | None, storage: Storage) -> Picture | None:
    """
    The picture on the storage's CDN, or on the service's, of this name, or ``None``.

    Data of production may be looked at with the settings of development. Any storage will
    do, so that a project's tests can put another one in the place of ``STORAGES["groupme"]``.
    """
    for cdn_url in (getattr(storage, "cdn_url", CDN_URL), CDN_URL):
        try:
            return Picture.parse(name or "", cdn_url)
        except InvalidPicture:
            continue
    return None


class _ProjectStorage(LazyObject):  # type: ignore[type-arg]
    def __bool__(self) -> bool:
        return True  # FileField asks, and that must not make the storage while models load

    def _setup(self) -> None:
        known = ALIAS in settings.STORAGES
        self._wrapped = storages[ALIAS] if known else GroupMeStorage()


#: The project's storage: ``STORAGES["groupme"]``, or one made from the settings alone.
groupme_storage: GroupMeStorage = _ProjectStorage()  # type: ignore[assignment]


@receiver(setting_changed)
def _forget_project_storage(*, setting: str, **kwargs: object) -> None:
    if setting == "STORAGES":
        groupme_storage._wrapped = empty
