"""The storage: what is saved goes to GroupMe's image service, and its name is its URL there."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.core.files.storage import storages
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from . import conf
from .bodies import announced_size, rewindable
from .exceptions import InvalidPicture, PictureNotFound, UnexpectedResponse
from .fallback import FallbackStorage, of_either
from .files import GroupMeFile, require_read_mode
from .metadata import without_metadata
from .names import is_file_name, known_picture
from .pictures import Picture
from .signals import picture_uploaded

if TYPE_CHECKING:
    from .client import GroupMeClient

__all__ = ["ALIAS", "GroupMeStorage", "groupme_storage"]

logger = logging.getLogger(__name__)

#: The alias in ``STORAGES`` that a ``GroupMeImageField`` uses unless told otherwise.
ALIAS = "groupme"

_CLIENT_OPTIONS = (
    "upload_url",
    "cdn_url",
    "timeout",
    "max_upload_time",
    "max_retries",
    "max_retry_wait",
    "max_upload_size",
)


class GroupMeStorage(FallbackStorage):
    """
    Files saved here are uploaded to GroupMe's image service.

    The name that ``save()`` returns, and that a model stores, is the picture's URL.
    Every picture is public, and the service can neither delete, replace nor list them.

    The name of a file, ``photos/cat.png``, belongs to the storage that ``fallback`` names,
    which every method then asks. Any other name that is not the URL of a picture on
    ``cdn_url`` raises ``InvalidPicture``, but ``exists()`` says False of it, and ``delete()``
    ignores it. Methods that ask the service or the CDN raise ``ServiceError`` if it, or the
    network, fails.
    """

    # The last client, and the options it was made with.
    _made: tuple[dict[str, Any], GroupMeClient | None] = ({}, None)

    @property
    def client(self) -> GroupMeClient:
        """The client for the options as they are now. The first one imports requests."""
        values = self._client_options()
        made_with, client = self._made
        if client is None or values != made_with:
            client = self.new_client()
            self._made = values, client
        return client

    def new_client(self, **more: Any) -> GroupMeClient:
        """A client for the options as they are now, and for what only a client can be told."""
        from .client import GroupMeClient

        return GroupMeClient(self._token, **(self._client_options() | more))

    def picture(self, name: str) -> Picture:
        """The picture of this name, at no I/O. Raises ``InvalidPicture`` if it is none."""
        return Picture.parse(name, self.cdn_url)

    def upload(self, content: IO[bytes], client: GroupMeClient | None = None) -> Picture:
        """
        Upload the content now, whatever ``fallback`` and ``deferred`` say, and tell nobody.

        ``client`` may be one of :meth:`new_client`. Raises ``ServiceError``, and leaves the
        content open and at its beginning.
        """
        client = client or self.client
        if not self.options()["strip_metadata"].checked(self):
            return client.upload(content)
        with rewindable(content) as file:
            return client.upload(without_metadata(file))

    def save_from_url(self, url: str) -> str:
        """
        Let the service fetch the image at ``url``, and return the name it is stored under.

        This process never opens ``url``, so there is nothing to put into a fallback storage.
        Raises ``UploadRejected`` if the service cannot use it.
        """
        picture = self.client.upload_from_url(url)
        self.announce(picture, url)
        return picture.url

    def announce(self, picture: Picture, name: str) -> None:
        """Tell the receivers of ``picture_uploaded`` what became of the file of this name."""
        picture_uploaded.send_robust(type(self), storage=self, picture=picture, name=name)

    @of_either
    def url(self, name: str | None) -> str:
        """
        The URL of the original, at no I/O.

        A picture of the service has one here too, whatever ``cdn_url`` is; but this
        storage neither opens it nor asks for it.
        """
        picture = known_picture(name, self) or self.picture(name or "")
        return picture.url

    @of_either
    def exists(self, name: str) -> bool:
        """Whether the CDN has the picture; of a name that is no picture, at no I/O."""
        try:
            self.client.head(self.picture(name))
        except (InvalidPicture, PictureNotFound):
            return False
        return True

    @of_either
    def size(self, name: str) -> int:
        """The number of bytes of the original. Raises ``PictureNotFound``."""
        picture = self.picture(name)
        size = announced_size(self.client.head(picture))
        if size is None:
            raise UnexpectedResponse(f"the CDN did not say how large {picture.url} is")
        return size

    @of_either
    def get_modified_time(self, name: str) -> datetime:
        """
        When the picture was uploaded, as far as the CDN says: it never changes later.

        Aware if ``USE_TZ``. Raises ``PictureNotFound``, and ``NotImplementedError`` if
        the CDN sends no ``Last-Modified`` header (nobody has seen whether it does).
        """
        picture = self.picture(name)
        try:
            moment = parsedate_to_datetime(self.client.head(picture)["Last-Modified"])
            return datetime.fromtimestamp(moment.timestamp(), UTC if settings.USE_TZ else None)
        except (KeyError, ValueError, OverflowError):  # some dates are of no year, in some zone
            raise NotImplementedError(f"the CDN does not say how old {picture.url} is") from None

    @of_either
    def get_created_time(self, name: str) -> datetime:
        """The same as ``get_modified_time()``."""
        return self.get_modified_time(name)

    @of_either
    def delete(self, name: str) -> None:
        """
        Do what the option ``on_delete`` says: the service cannot delete a picture.

        Raises ``ValueError`` if there is no name, as Django's storages do.
        """
        if not name:
            raise ValueError("The name must be given to delete().")
        if self.options()["on_delete"].checked(self) == "raise":
            raise NotImplementedError(f"GroupMe's image service cannot delete {name}")
        logger.info("GroupMe's image service cannot delete pictures: %s stays public", name)

    def listdir(self, path: str) -> NoReturn:
        """Raise ``NotImplementedError``: the service has no call for it."""
        raise NotImplementedError("GroupMe's image service has no call that lists pictures")

    def path(self, name: str) -> str:
        """
        The path of a file that is in the fallback storage, where that is on a disk.

        Raises ``NotImplementedError`` for all else, a file that is not there, too: apps ask for
        the path of some made-up name to learn whether a storage is on this machine's disk.
        """
        fallback = self.fallback_storage if is_file_name(name) else None
        path = None if fallback is None else fallback.path(name)
        if path is not None and os.path.isfile(path):  # noqa: PTH113  # which takes any name
            return path
        raise NotImplementedError("a picture on GroupMe's image service has no local path")

    @of_either
    def get_accessed_time(self, name: str) -> NoReturn:
        """Raise ``NotImplementedError``: the CDN does not say."""
        raise NotImplementedError("GroupMe's CDN does not say when a picture was last looked at")

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # The service names every picture itself, so no name is ever taken or too long.
        return name

    open = of_either(FallbackStorage.open)

    def _open(self, name: str, mode: str = "rb") -> GroupMeFile:
        require_read_mode(mode)
        picture = self.picture(name)
        return GroupMeFile(
            picture.url,
            fetch=lambda: self.client.download(picture),
            size=partial(self.size, picture.url),
        )

    def _save(self, name: str, content: IO[bytes]) -> str:
        picture = self.upload(content)
        self.announce(picture, name)
        return picture.url

    def _client_options(self) -> dict[str, Any]:
        values = {name: self.options()[name].checked(self) for name in _CLIENT_OPTIONS}
        if isinstance(values["timeout"], list):
            values["timeout"] = tuple(values["timeout"])
        return values

    def _token(self) -> str | None:
        token = conf.resolved_token(self.options()["access_token"].checked(self))
        return token() if callable(token) else token


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
