"""``GroupMeFile``, an image on the CDN as a file that is downloaded while it is read."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from django.core.files import File

from django_groupme_images.exceptions import UnexpectedResponse
from django_groupme_images.images.streams import BUFFER_SIZE, content_length
from django_groupme_images.pictures import Picture

if TYPE_CHECKING:
    from django_groupme_images.client.client import Download

__all__ = ["GroupMeFile", "RemoteImage", "require_read_mode"]

# Downloaded bytes that are kept in memory; a larger image is kept in a temporary file.
_MAX_BYTES_IN_MEMORY = 1024 * 1024

# XML, which includes SVG, can contain scripts. A browser would run them on the site that serves
# the file.
_IMAGE_TYPE = r"image/(?!.*xml)[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"


class GroupMeFile(File):  # type: ignore[type-arg]  # File is generic only in the stubs.
    """
    The original of an image on the CDN, as a read-only file.

    The first read sends the request. The file is seekable, and can be reopened after ``close()``.
    Bytes that have been read are not downloaded again. Reading raises ``PictureNotFound`` or
    ``ServiceError``. After an error, every read raises it again until ``seek()`` or ``open()`` is
    called, which start a new download.

    ``fetch`` starts a download, and ``head`` returns the CDN's headers for the image.
    """

    def __init__(
        self,
        picture: Picture,
        fetch: Callable[[], Download],
        head: Callable[[], Mapping[str, str]],
    ) -> None:
        self._picture = picture
        self._fetch = fetch
        self._head = head
        self.mode = "rb"
        super().__init__(None, picture.url)
        self._new_reader()

    @cached_property
    def size(self) -> int:
        """
        The size in bytes. Reading it sends a request, unless the download has begun.

        Raise ``PictureNotFound`` or ``ServiceError``.
        """
        size = self._reader.size
        if size is None:
            size = content_length(self._headers)
        if size is None:
            raise UnexpectedResponse(f"The CDN returned no Content-Length for {self.name}")
        return size

    @cached_property
    def content_type(self) -> str:
        """
        The MIME type, for example ``"image/jpeg"``.

        Reading it performs no I/O if the URL contains the format. Otherwise, the type is that of
        the CDN's response. Reading it then sends a request, unless the download has begun, and
        raises ``PictureNotFound`` or ``ServiceError``. The value is ``"application/octet-stream"``
        if the type is not that of an image, or if images of this type can contain scripts.
        """
        if image_format := self._picture.format:
            return _image_type(f"image/{image_format}")
        headers = self._reader.headers or self._headers
        return _image_type(headers.get("Content-Type", ""))

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return self._head()

    def open(self, mode: str | None = None) -> GroupMeFile:  # type: ignore[override]
        """
        Seek to the beginning, and reopen the file if it is closed.

        Raise ``io.UnsupportedOperation``, a ``ValueError``, unless ``mode`` is for reading bytes.
        """
        require_read_mode(mode or self.mode)
        if self.closed:
            self._new_reader()
        else:
            self.seek(0)
        return self

    def _new_reader(self) -> None:
        self._reader = _Reader(self._fetch)
        self.file = io.BufferedReader(self._reader, BUFFER_SIZE)


class RemoteImage(File):  # type: ignore[type-arg]
    """
    An image that the service fetches from the URL ``source`` when it is saved.

    It has no content in this process, so only a ``GroupMeStorage`` can save it.
    """

    def __init__(self, source: str) -> None:
        super().__init__(io.BytesIO(), "image")
        self.source = source

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        raise ValueError(
            f"{self.source} has no content in this process, because the image service fetches it. "
            "Save it to a GroupMeStorage."
        )


class _Reader(io.RawIOBase):
    """A seekable download, which keeps the downloaded bytes in a temporary file."""

    # The size in bytes, if the response contains it, or if the download has ended.
    size: int | None = None
    # The headers of the response, if the download has begun.
    headers: Mapping[str, str] | None = None

    def __init__(self, fetch: Callable[[], Download]) -> None:
        self._fetch = fetch
        self._position = 0
        self._downloaded = 0  # bytes
        self._error: BaseException | None = None
        self._buffer = _new_temporary_file()

    @cached_property
    def _download(self) -> Download:
        download = self._fetch()
        self.size, self.headers = download.size, download.headers
        return download

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # The BufferedReader loses bytes when a read fails. Reading on would skip them.
        if self._error is not None:
            raise self._error
        self._download_up_to(self._position + len(buffer))
        self._buffer.seek(self._position)
        data = self._buffer.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._error = None  # because the position is known again
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        self._position = max(0, offset + (self._end() if start is None else start))
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        # A download keeps the connections of its thread open.
        if download := vars(self).pop("_download", None):
            download.close()
        self._error = None  # because its traceback refers to this reader
        self._buffer.close()
        super().close()

    def _end(self) -> int:
        if self._download.size is not None:
            return self._download.size
        self._download_up_to(sys.maxsize)
        return self._downloaded

    def _download_up_to(self, position: int) -> None:
        """Download until the buffer contains the bytes before ``position``, or all bytes."""
        if self._downloaded >= position:
            return
        download = self._download
        try:
            while self._downloaded < position:
                data = download.read(min(position - self._downloaded, _MAX_BYTES_IN_MEMORY))
                if not data:
                    self.size = self._downloaded
                    return
                self._buffer.seek(self._downloaded)
                self._buffer.write(data)
                self._downloaded += len(data)
        except BaseException as error:
            self._error = error
            self._downloaded = 0
            del self._download
            download.close()
            # The error keeps this reader, and so its buffer, until garbage collection.
            self._buffer.close()
            self._buffer = _new_temporary_file()
            raise


def _new_temporary_file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(_MAX_BYTES_IN_MEMORY)


def _image_type(media_type: str) -> str:
    """Return an image's MIME type without parameters, or the generic type for any other."""
    essence = media_type.partition(";")[0].strip().lower()
    if not re.fullmatch(_IMAGE_TYPE, essence):
        return "application/octet-stream"
    return "image/jpeg" if essence == "image/jpg" else essence


def require_read_mode(mode: str) -> None:
    """Raise ``io.UnsupportedOperation``, a ``ValueError``, unless the mode is for reading bytes."""
    if mode not in ("rb", "r"):
        raise io.UnsupportedOperation(
            f"Cannot open an image in mode {mode!r}, because uploaded images are read-only. "
            "Use 'rb', or save() a new image."
        )
