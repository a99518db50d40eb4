"""A stream without random access."""

from __future__ import annotations

import io
from typing import Any


class UnseekableStream(io.RawIOBase):
    """A file object that can be read once, from beginning to end."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)
