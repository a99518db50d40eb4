"""A picture on the CDN as a file: fetched when, and as far as, it is read."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from django.core.files import File

if TYPE_CHECKING:
    from .client import Download

__all__ = ["GroupMeFile", "RemoteImage", "require_read_mode"]

# What has been read of a picture stays in memory up to this many bytes.
_SPOOLED_IN_MEMORY = 1024 * 1024


class GroupMeFile(File):  # type: ignore[type-arg]  # generic in the stubs alone
    """
    The original of a picture, read-only. Making one costs no request; the first read does.

    It can seek, can be opened again after ``close()``, and what has been read once is
    not fetched again. Reading raises ``PictureNotFound`` or ``ServiceError``, and does so until
    ``seek()`` or ``open()``, which begin anew.
    """

    def __init__(self, name: str, fetch: Callable[[], Download], size: Callable[[], int]) -> None:
        self._fetch = fetch
        self._ask_size = size
        self.mode = "rb"
        super().__init__(None, name)
        self._read_anew()

    @cached_property
    def size(self) -> int:
        """The number of bytes. Costs a request, unless the file is being read already."""
        return self._reader.fetched_size or self._ask_size()

    def open(self, mode: str | None = None) -> GroupMeFile:  # type: ignore[override]
        """Go back to the beginning, after ``close()`` too. For reading only."""
        require_read_mode(mode or self.mode)
        if self.closed:
            self._read_anew()
        else:
            self.seek(0)
        return self

    def _read_anew(self) -> None:
        self._reader = _Reader(self._fetch)
        self.file = io.BufferedReader(self._reader)


class RemoteImage(File):  # type: ignore[type-arg]
    """
    An image that the service is to fetch from ``source``, a URL, when it is saved.

    It has no content here, so only a ``GroupMeStorage`` can save it.
    """

    def __init__(self, source: str) -> None:
        super().__init__(io.BytesIO(), "image")
        self.source = source

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        raise ValueError(f"{self.source} has not been fetched; only a GroupMeStorage can save it")


class _Reader(io.RawIOBase):
    """A download that can seek, because what has come is kept."""

    def __init__(self, fetch: Callable[[], Download]) -> None:
        self._fetch = fetch
        self._position = 0
        self._seen = 0
        self._failure: BaseException | None = None
        self._kept = _new_temporary_file()

    @cached_property
    def _download(self) -> Download:
        return self._fetch()

    @property
    def fetched_size(self) -> int | None:
        """The size of the download, or ``None`` if it has not begun or does not say."""
        return self._download.size if "_download" in vars(self) else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # The buffer above has lost what it had read by then: reading on would leave a hole.
        if self._failure is not None:
            raise self._failure
        self._fetch_up_to(self._position + len(buffer))
        self._kept.seek(self._position)
        data = self._kept.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._failure = None  # whoever says from where on may read again
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        self._position = max(0, offset + (self._end() if start is None else start))
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed and "_download" in vars(self):
            self._download.close()
        self._failure = None  # whose frames hold this
        self._kept.close()
        super().close()

    def _end(self) -> int:
        if self._download.size is not None:
            return self._download.size
        self._fetch_up_to(sys.maxsize)
        return self._seen

    def _fetch_up_to(self, position: int) -> None:
        if self._seen >= position:
            return
        download = self._download
        try:
            while self._seen < position:
                data = download.read(min(position - self._seen, _SPOOLED_IN_MEMORY))
                if not data:
                    return
                self._kept.seek(self._seen)
                self._kept.write(data)
                self._seen += len(data)
        except BaseException as error:
            self._failure = error
            self._seen = 0
            del self._download
            download.close()
            self._kept.close()  # because the failure keeps this reader until garbage collection
            self._kept = _new_temporary_file()
            raise


def _new_temporary_file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY)


def require_read_mode(mode: str) -> None:
    """Raise ``io.UnsupportedOperation``, a ``ValueError``, unless the mode is for reading bytes."""
    if mode not in ("rb", "r"):
        raise io.UnsupportedOperation(
            f"a picture cannot be opened with mode {mode!r}: the service never changes one; "
            "open it with 'rb', and save() a new picture to replace it"
        )
