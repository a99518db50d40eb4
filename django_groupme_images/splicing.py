"""Splicing: stretches of a file, and bytes in the place of others, read as one file."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import IO, Any

__all__ = ["Part", "Spliced", "joined"]

Part = range | bytes  # a stretch of the original file, or bytes in the place of one


class Spliced(io.RawIOBase):
    """Parts of a file, and bytes between them, as one file that is read-only."""

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
        # All that fits: a caller that sends what it gets would send many tiny parts one by one.
        filled = 0
        while filled < len(buffer) and (data := self._some(len(buffer) - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
            self._position += len(data)
        return filled

    def _some(self, most: int) -> bytes:
        index = bisect_right(self._ends, self._position)
        if index == len(self._ends):
            return b""
        data = self._parts[index][self._position - self._ends[index] :][:most]
        if isinstance(data, range):
            self._file.seek(data.start)
            return self._file.read(len(data))
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, self._ends[-1])
        self._position = max(0, start + offset)
        if self._position == 0:
            self._file.seek(0)  # an upload that failed rewinds, and that is for the caller's file
        return self._position


def joined(parts: Iterable[Part]) -> list[Part]:
    """Return the parts without the empty ones, and adjacent stretches of the file as one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else b""
        if isinstance(part, range) and isinstance(last, range) and last.stop == part.start:
            joined[-1] = range(last.start, part.stop)
        elif part:
            joined.append(part)
    return joined
