"""Bodies: a file as that of an upload, of a known size and rewindable; the size of an answer's."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from .exceptions import UploadRejected

__all__ = ["PIECE", "Body", "announced_size", "check_size", "rewindable"]

#: Bytes of a body that are sent at a time. With urllib3's 16 KiB, much of the time is its own.
PIECE = 512 * 1024

# A copy of content that cannot seek stays in memory up to this many bytes.
_SPOOLED_IN_MEMORY = 1024 * 1024


class Unreadable(Exception):  # never leaves this package
    """Carries what reading the content raised past urllib3, which would try again."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self._reason = reason
        self._traceback = reason.__traceback__

    @property
    def reason(self) -> Exception:
        """What was raised, with the frames it was raised from."""
        return self._reason.with_traceback(self._traceback)


class Body:
    """
    A file as the body of a request: exactly ``len(body)`` bytes from its beginning.

    A file that grows meanwhile would spill into the next request of the connection,
    and one that shrinks would leave the service waiting.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0, io.SEEK_END)
        self._size = file.tell()
        self.seek(0)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        # requests streams what can be iterated, and then reads it.
        return iter(lambda: self.read(PIECE), b"")

    def read(self, amount: int = -1) -> bytes:
        left = self._size - self._position  # to ask the file would be a call of the system
        wanted = left if amount < 0 else min(amount, left)
        try:
            chunk = self._file.read(wanted)
            if not isinstance(chunk, bytes):
                raise TypeError("an upload reads bytes: open the file in binary mode")
            if wanted and not chunk:
                raise EOFError(f"the file ended {left:,} bytes early while it was uploaded")
        except Exception as error:  # noqa: BLE001  # raised again by rewindable()
            raise Unreadable(error) from None
        self._position += len(chunk)
        return chunk

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        self._position = self._file.tell()
        return self._position


@contextmanager
def rewindable(content: IO[bytes]) -> Iterator[IO[bytes]]:
    """
    The content itself, or a temporary copy if it cannot seek or tell its size.

    The content stays open, and is at its beginning again if the block raises.
    """
    try:
        Body(content)
    except (AttributeError, OSError, ValueError):
        with tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY) as copy:
            _copy(content, copy)
            yield copy
        return
    try:
        yield content
    except BaseException as error:
        with suppress(Exception):
            content.seek(0)
        if isinstance(error, Unreadable):
            raise error.reason from None
        raise


def check_size(size: int, most: int | None) -> None:
    """Raise ``UploadRejected`` if there are no bytes, or more than are allowed."""
    if size == 0:
        raise UploadRejected("the file is empty")
    if most is not None and size > most:
        raise UploadRejected(f"the file has {size:,} bytes, more than the {most:,} allowed")


def announced_size(headers: Mapping[str, str]) -> int | None:
    """The size in bytes of an answer's body, or ``None`` if its headers do not say."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return None  # it is that of another body
    length = headers.get("Content-Length", "")
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def _copy(content: IO[bytes], copy: IO[bytes]) -> None:
    # Some of Django's files can only be read in chunks. A file that wraps an unbuffered pipe can
    # only be read: seeking to the beginning, as chunks() does first, raises OSError.
    try:
        copy.writelines(content.chunks())  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        if copy.tell():
            raise
        shutil.copyfileobj(content, copy)
