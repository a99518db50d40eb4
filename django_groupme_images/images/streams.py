"""File-like objects on top of other files: parts of a file as one file, and upload bodies."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import IO, Any

__all__ = [
    "BUFFER_SIZE",
    "CHUNK_SIZE",
    "MAX_SIZE_IN_MEMORY",
    "ContentReadError",
    "Part",
    "SplicedFile",
    "UploadBody",
    "as_seekable",
    "content_length",
    "join_parts",
]

#: Bytes that a buffered reader requests at a time. Most headers of images are shorter. Python's
#: default is 128 KiB since version 3.14, which would have to be downloaded to read the dimensions.
BUFFER_SIZE = 8 * 1024

# Bytes of a body that are sent at a time. With urllib3's default of 16 KiB, its own overhead takes
# much of the time.
CHUNK_SIZE = 512 * 1024

#: Temporary files up to this size in bytes stay in memory.
MAX_SIZE_IN_MEMORY = 1024 * 1024

#: A range of positions in the original file, or bytes that replace a part of it.
Part = range | bytes


class SplicedFile(io.RawIOBase):
    """A read-only file that consists of parts of another file and of bytes between them."""

    def __init__(self, file: IO[bytes], parts: list[Part]) -> None:
        self._file = file
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # Fill the buffer, because a caller may send each result, and many parts are tiny.
        filled = 0
        while filled < len(buffer) and (data := self._read_part(len(buffer) - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
            self._position += len(data)
        return filled

    def _read_part(self, max_size: int) -> bytes:
        """Return bytes of the part at the current position, or ``b""`` after the last part."""
        index = bisect_right(self._ends, self._position)
        if index == len(self._ends):
            return b""
        data = self._parts[index][self._position - self._ends[index] :][:max_size]
        if isinstance(data, range):
            self._file.seek(data.start)
            return self._file.read(len(data))
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, self._ends[-1])
        self._position = max(0, start + offset)
        if self._position == 0:
            # Also rewind the original file: a failed upload must leave it at its beginning.
            self._file.seek(0)
        return self._position


def join_parts(parts: Iterable[Part]) -> list[Part]:
    """Return the parts without empty ones, and with adjacent ranges of the file joined."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else b""
        if isinstance(part, range) and isinstance(last, range) and last.stop == part.start:
            joined[-1] = range(last.start, part.stop)
        elif part:
            joined.append(part)
    return joined


class ContentReadError(Exception):
    """
    Wrapper of an exception that reading the content has raised.

    urllib3 would retry the upload after some of these exceptions, but does not do so after a
    ``ContentReadError``. Callers catch it and raise ``reason``.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self._reason = reason
        self._traceback = reason.__traceback__

    @property
    def reason(self) -> Exception:
        """The original exception, with its original traceback."""
        return self._reason.with_traceback(self._traceback)


class UploadBody:
    """
    Body of an upload request: exactly ``len(body)`` bytes from the beginning of a file.

    The size is fixed when the body is created. Otherwise, the new bytes of a file that grows during
    the upload would become part of the next request on the connection, and the service would wait
    for the missing bytes of a file that shrinks.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0, io.SEEK_END)
        self._size = file.tell()
        self.seek(0)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        # requests streams a body only if it is iterable. It then calls read().
        return iter(lambda: self.read(CHUNK_SIZE), b"")

    def read(self, amount: int = -1) -> bytes:
        left = self._size - self._position  # file.tell() would be one more system call.
        wanted = left if amount < 0 else min(amount, left)
        try:
            chunk = self._file.read(wanted)
            if not isinstance(chunk, bytes):
                raise TypeError("Cannot upload text. Open the file in binary mode.")
            if wanted and not chunk:
                raise EOFError(f"the file ended {left:,} bytes early while it was uploaded")
        except Exception as error:  # noqa: BLE001  # Callers raise its reason.
            raise ContentReadError(error) from None
        self._position += len(chunk)
        return chunk

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        self._position = self._file.tell()
        return self._position


@contextmanager
def as_seekable(content: IO[bytes]) -> Iterator[IO[bytes]]:
    """
    Yield the content, or a temporary copy if the content cannot seek or its size is unknown.

    The content stays open. If the block raises an exception, seekable content is at its beginning
    afterwards. A ``ContentReadError`` is replaced with the original exception.
    """
    try:
        UploadBody(content)
    except (AttributeError, OSError, ValueError):
        with tempfile.SpooledTemporaryFile(MAX_SIZE_IN_MEMORY) as copy:
            _copy(content, copy)
            yield copy
        return
    try:
        yield content
    except BaseException as error:
        with suppress(Exception):
            content.seek(0)
        if isinstance(error, ContentReadError):
            raise error.reason from None
        raise


def _copy(content: IO[bytes], copy: IO[bytes]) -> None:
    # Some of Django's files can be read only with chunks(). A file that wraps an unbuffered pipe
    # can be read only with read(), because chunks() seeks to the beginning and raises OSError.
    try:
        copy.writelines(content.chunks())  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        if copy.tell():
            raise
        shutil.copyfileobj(content, copy)


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the size in bytes of a response's decoded body, or ``None`` if it is unknown."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return None  # Content-Length is the size of the encoded body.
    length = headers.get("Content-Length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None
