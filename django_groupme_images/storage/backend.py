"""``GroupMeStorage``, which uploads files to GroupMe's image service and stores their URLs."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.functional import LazyObject, empty

from django_groupme_images.conf import resolved_token
from django_groupme_images.exceptions import (
    FallbackNotConfigured,
    InvalidPicture,
    PictureNotFound,
    ServiceError,
)
from django_groupme_images.images.rejections import check_size
from django_groupme_images.images.streams import UploadBody, as_seekable
from django_groupme_images.measurement import measured
from django_groupme_images.pictures import Picture

from .concurrent_uploads import ConcurrentUploads, UploadedContent, current_uploads
from .fallback import StorageWithFallback, falls_back, save_pending
from .file import GroupMeFile, require_read_mode
from .names import is_file_name, picture_from_name
from .reports import ReportingStorage
from .reuse import earlier_upload_name, iter_layers, new_contents, remote_image, reuse_upload

if TYPE_CHECKING:
    from django_groupme_images.client.client import GroupMeClient
    from django_groupme_images.images.preparation import PreparedImage

__all__ = ["ALIAS", "MAX_CONCURRENT_UPLOADS", "GroupMeStorage", "groupme_storage"]

logger = logging.getLogger(__name__)

#: The alias in ``STORAGES`` of the storage that a ``GroupMeImageField`` uses by default.
ALIAS = "groupme"

#: The number of images of a form or serializer that are prepared and uploaded at the same time.
MAX_CONCURRENT_UPLOADS = 3


class GroupMeStorage(StorageWithFallback, ReportingStorage):
    """
    A storage that uploads files to GroupMe's image service.

    The name that ``save()`` returns, and that a model stores, is the URL of the uploaded image.
    All images are public, and the service can neither delete, replace, nor list them.

    Stored names that are not URLs, such as ``photos/cat.png``, are files in the storage that the
    option ``fallback`` names. Without a fallback, such a name raises ``FallbackNotConfigured``, a
    ``FileNotFoundError``. URLs that are not those of an image on ``cdn_url`` raise
    ``InvalidPicture``. For a name that raises one of these exceptions, ``exists()`` returns
    ``False``, and ``delete()`` deletes nothing. Methods that make a request raise ``ServiceError``
    if it fails.
    """

    # Migrations and pickles contain this path.
    __module__ = "django_groupme_images.storage"

    # The last client, and the options that it was created with.
    _cached_client: tuple[dict[str, Any], GroupMeClient | None] = ({}, None)

    @property
    def client(self) -> GroupMeClient:
        """
        A client with the current values of the options.

        It is created when it is first used, and again after an option has changed. Raise
        ``ImproperlyConfigured`` if the value of an option is invalid.
        """
        values = self._client_options()
        cached_values, client = self._cached_client
        if client is None or values != cached_values:
            client = self.new_client()
            self._cached_client = values, client
        return client

    def new_client(self, **kwargs: Any) -> GroupMeClient:
        """
        Return a new client with the current values of the options.

        ``kwargs`` are additional arguments of ``GroupMeClient``, and override options.
        """
        from django_groupme_images.client.client import GroupMeClient  # It imports requests.

        return GroupMeClient(self._token, **(self._client_options() | kwargs))

    def picture(self, name: str) -> Picture:
        """
        Return the ``Picture`` of a stored name, without I/O.

        Raise ``InvalidPicture`` if the name is not the URL of an image on ``cdn_url``.
        """
        try:
            return Picture.parse(name, self.cdn_url)
        except InvalidPicture as error:
            if is_file_name(name) and self.fallback is None:
                raise FallbackNotConfigured(
                    f"{error}, and no fallback storage is configured"
                ) from None
            raise

    def save(self, name: str | None, content: IO[bytes], max_length: int | None = None) -> str:
        """
        Upload the content, and return its stored name: the URL of the uploaded image.

        If there is a fallback, and the upload fails temporarily or ``deferred`` is true, save the
        content to the fallback storage instead, under a name of at most ``max_length`` characters,
        and return that name. Content that a form has uploaded, and that has not been changed
        since, is not uploaded again.

        Raise ``ServiceError`` if the upload fails, ``FallbackFailed`` if the fallback storage could
        not save the content either, or ``TypeError`` if the content is a text file. The content
        stays open, and is then at its beginning.
        """
        if reused := reuse_upload(content, self):
            return reused
        if any(isinstance(layer, io.TextIOBase) for layer in iter_layers(content)):
            raise TypeError("Cannot upload text. Open the file in binary mode.")
        if remote := remote_image(content):
            return self.save_from_url(remote.source)
        if earlier_upload_name(content):
            # Storages move a temporary file, so its path may not exist anymore.
            content = File(content, getattr(content, "name", None))
        name = content.name if name is None else name
        return self.with_failure_reported(name, self._save_prepared, name, content, max_length)

    @contextmanager
    def concurrent_uploads(
        self, contents: Iterable[IO[bytes]], limit: int = MAX_CONCURRENT_UPLOADS
    ) -> Iterator[None]:
        """
        Upload several files at the same time, while the block saves them one after another.

        Within the block, call ``save()`` with each of the ``contents``, in this order. It has the
        same result and raises the same exceptions as outside the block. Uploads may begin before
        their ``save()``, but at most ``limit`` images are prepared and uploaded at a time. Only the
        requests are made in other threads: signals are sent, and a callable ``access_token`` is
        called, in the calling thread.

        The option ``max_upload_time``, in seconds, also limits the block as a whole. After an error
        that affects all uploads, such as an outage, uploads that have not begun fail with the
        same error, or their files are saved to the fallback storage. If the block raises an
        exception, the uploads that have begun are finished first. Subclasses that override
        ``save()`` or ``_save()`` upload one file at a time.
        """
        from django_groupme_images.client.transport import time_limit

        new = new_contents(contents)
        uploads = ConcurrentUploads(
            self,
            new,
            limit=limit if len(new) > 1 and self._can_upload_concurrently() else 1,
            prepare=self._prepared,
            client=self.client,
            can_postpone=self.fallback_storage is not None,
            report=self.report_uploaded,
        )
        with time_limit(self.options()["max_upload_time"].validated(self)), uploads.run():
            yield

    def _can_upload_concurrently(self) -> bool:
        """Return whether the content of ``save()`` is what will be uploaded, and immediately."""
        from django_groupme_images.client.session import transport_overrides

        methods = (type(self).save, type(self)._save)
        is_overridden = methods != (GroupMeStorage.save, GroupMeStorage._save)
        is_deferred = self.options()["deferred"].validated(self)
        # In tests that replace the network, uploads are made in the order of the files.
        return not (is_overridden or is_deferred or transport_overrides)

    def _prepared_to_save(self, content: IO[bytes]) -> AbstractContextManager[PreparedImage]:
        uploads = current_uploads(content)
        if uploads is None or uploads.storage is not self:
            return self._prepared(content)
        return uploads.prepared(content)

    @contextmanager
    def _prepared(self, content: IO[bytes]) -> Iterator[PreparedImage]:
        """Yield the image to upload. If the block raises an exception, rewind the content."""
        from django_groupme_images.images.preparation import prepared_image  # Its import is slow.

        self.validate_image_options()
        options = self.image_options
        with as_seekable(content) as file:
            check_size(len(UploadBody(file)), options.max_upload_size)
            with prepared_image(file, options) as image:
                yield image

    def _save_prepared(self, name: str, content: IO[bytes], max_length: int | None) -> str:
        with self._prepared_to_save(content) as image:
            if (fallback := self.fallback_storage) is None:
                return self._save_to_groupme(name, image.file, max_length)
            return self._save_or_postpone(fallback, name, image, max_length)

    def _save_or_postpone(
        self, fallback: Storage, name: str, image: PreparedImage, max_length: int | None
    ) -> str:
        """Upload the image, or save it to the fallback storage, and return its stored name."""
        pending_name = image.rename(name)
        if self.options()["deferred"].validated(self):
            check_size(len(UploadBody(image.file)), self.image_options.max_upload_size)
            return save_pending(fallback, pending_name, image.file, max_length)
        try:
            return self._save_to_groupme(name, image.file, max_length)
        except ServiceError as error:
            if not error.retryable:
                raise
            # The traceback would keep a socket open, in a cycle with this frame.
            upload_error = error.with_traceback(None)
        saved_name = save_pending(fallback, pending_name, image.file, max_length, upload_error)
        self.report_postponed(name, saved_name, upload_error)
        return saved_name

    def _save_to_groupme(self, name: str | None, content: IO[bytes], max_length: int | None) -> str:
        return cast("str", super().save(name, content, max_length))

    def _save(self, name: str, content: IO[bytes]) -> str:
        if isinstance(content, UploadedContent):
            picture, measurement = content.upload()
        else:
            picture, measurement = measured(self.client.upload, content)
        self.report_uploaded(name, picture, measurement)
        return picture.url

    def upload(self, content: IO[bytes], client: GroupMeClient | None = None) -> Picture:
        """
        Upload the content immediately, without the fallback storage and without sending a signal.

        ``client`` is a client from :meth:`new_client`, or ``None`` for :attr:`client`. Raise
        ``ServiceError`` if the upload fails. The content stays open, and is then at its beginning.
        """
        with self._prepared(content) as image:
            return (client or self.client).upload(image.file)

    def save_from_url(self, url: str) -> str:
        """
        Upload the image at ``url``, which the service fetches, and return its stored name.

        This process never opens ``url``, so the fallback storage is not used. Raise
        ``UploadRejected`` if the service rejects the URL or the image.
        """
        picture, measurement = self.with_failure_reported(
            url, measured, self.client.upload_from_url, url
        )
        self.report_uploaded(url, picture, measurement)
        return picture.url

    @falls_back
    def url(self, name: str | None) -> str:
        """
        Return the URL of the original, without I/O.

        URLs on GroupMe's own CDN are returned even if ``cdn_url`` is another one, but the other
        methods of this storage do not accept them.
        """
        picture = picture_from_name(name, self) or self.picture(name or "")
        return picture.url

    @falls_back
    def exists(self, name: str) -> bool:
        """
        Return whether the CDN has the image.

        Perform no I/O if the name is not the URL of an image.
        """
        try:
            self.client.head(self.picture(name))
        except (InvalidPicture, PictureNotFound):
            return False
        return True

    @falls_back
    def size(self, name: str) -> int:
        """Return the size of the original in bytes. Raise ``PictureNotFound`` if it is missing."""
        with self._open(name) as file:
            return file.size

    @falls_back
    def get_modified_time(self, name: str) -> datetime:
        """
        Return the time of the upload, from the CDN's ``Last-Modified`` header.

        Images do not change after the upload. The time is timezone-aware if ``USE_TZ`` is true.
        Raise ``PictureNotFound`` if the CDN does not have the image, and ``NotImplementedError`` if
        it does not send the header. Whether GroupMe's CDN sends the header is unknown.
        """
        picture = self.picture(name)
        try:
            moment = parsedate_to_datetime(self.client.head(picture)["Last-Modified"])
            return datetime.fromtimestamp(moment.timestamp(), UTC if settings.USE_TZ else None)
        except (KeyError, ValueError, OverflowError):  # The year of a date may be out of range.
            raise NotImplementedError(
                f"The CDN returned no valid Last-Modified header for {picture.url}"
            ) from None

    @falls_back
    def get_created_time(self, name: str) -> datetime:
        """Return the same as ``get_modified_time()``."""
        return self.get_modified_time(name)

    @falls_back
    def delete(self, name: str) -> None:
        """
        Log that the image stays public, because the service cannot delete it.

        Raise ``NotImplementedError`` instead if the option ``on_delete`` is ``"raise"``, and
        ``ValueError`` if there is no name, as Django's storages do.
        """
        if not name:
            raise ValueError("The name must be given to delete().")
        if self.options()["on_delete"].validated(self) == "raise":
            raise NotImplementedError(f"GroupMe's image service cannot delete {name}")
        logger.info("GroupMe's image service cannot delete images: %s stays public", name)

    def listdir(self, path: str) -> NoReturn:
        """Raise ``NotImplementedError``, because the service cannot list images."""
        raise NotImplementedError("GroupMe's image service cannot list images")

    def path(self, name: str) -> str:
        """
        Return the path of a pending file, if the fallback storage is in the local file system.

        Raise ``NotImplementedError`` for any other name, including the name of a file that does not
        exist, because apps call this method with an arbitrary name to detect local storages.
        """
        fallback = self.fallback_storage if is_file_name(name) else None
        path = None if fallback is None else fallback.path(name)
        # Path.is_file() raises an error for some names, such as those that are too long.
        if path is not None and os.path.isfile(path):  # noqa: PTH113
            return path
        raise NotImplementedError("Images on GroupMe's image service have no local path")

    @falls_back
    def get_accessed_time(self, name: str) -> NoReturn:
        """Raise ``NotImplementedError``, because the CDN does not report it."""
        raise NotImplementedError("GroupMe's CDN does not report access times")

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        # The service chooses the names of images, so a name cannot be taken or too long.
        return name

    open = falls_back(StorageWithFallback.open)

    def _open(self, name: str, mode: str = "rb") -> GroupMeFile:
        require_read_mode(mode)
        picture = self.picture(name)
        return GroupMeFile(
            picture,
            fetch=lambda: self.client.download(picture),
            head=lambda: self.client.head(picture),
        )

    def _client_options(self) -> dict[str, Any]:
        options = self.options()  # A subclass may redefine an option.
        values = {
            name: options[name].validated(self)
            for name, option in GroupMeStorage.options().items()
            if option.is_for_client
        }
        if isinstance(values["timeout"], list):
            values["timeout"] = tuple(values["timeout"])
        return values

    def _token(self) -> str | None:
        token = resolved_token(self.options()["access_token"].validated(self))
        return token() if callable(token) else token


class _ProjectStorage(LazyObject):  # type: ignore[type-arg]
    def __bool__(self) -> bool:
        # FileField evaluates this when models are loaded, which must not create the storage.
        return True

    def _setup(self) -> None:
        is_configured = ALIAS in settings.STORAGES
        self._wrapped = storages[ALIAS] if is_configured else GroupMeStorage()


#: The storage ``STORAGES["groupme"]``, or a ``GroupMeStorage`` without options of its own.
groupme_storage: GroupMeStorage = _ProjectStorage()  # type: ignore[assignment]


@receiver(setting_changed)
def _reset_project_storage(*, setting: str, **kwargs: object) -> None:
    if setting == "STORAGES":
        groupme_storage._wrapped = empty
