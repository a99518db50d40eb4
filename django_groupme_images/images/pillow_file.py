"""A view of the caller's file that Pillow can read, seek, and close."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from .streams import BUFFER_SIZE, ContentReadError, UploadBody

__all__ = ["pillow_file"]


@contextmanager
def pillow_file(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """
    Yield a view of a seekable binary file. Closing the view leaves the file open.

    The view raises ``ContentReadError`` for exceptions of ``file.read()``, so that the block can
    distinguish them from those of decoders. If the block does not catch it, the original exception
    is raised instead.
    """
    try:
        yield io.BufferedReader(_PillowFile(file), BUFFER_SIZE)
    except ContentReadError as error:
        raise error.reason from None


class _PillowFile(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._body = UploadBody(file)

    def readable(self) -> bool:
        return True

    seekable = readable

    def readinto(self, buffer: Any) -> int:
        self.seek(0, io.SEEK_CUR)
        # UploadBody.read() raises an error at the end of a file, where offsets in it may lead.
        remaining = len(self._body) - self._body.tell()
        data = self._body.read(len(buffer)) if remaining > 0 else b""
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            # The file's own position may differ, because the caller also moves it, for example
            # before a validator reads the frames of a GIF.
            offset, whence = self._body.tell() + offset, io.SEEK_SET
        return self._body.seek(offset, whence)
