"""Source: a file that is read a chunk at a time, to look at any of its bytes."""

from __future__ import annotations

import io
import re
import zlib
from typing import IO

__all__ = ["CHUNK", "MARKER", "Source"]

CHUNK = 128 * 1024  # bytes that are read together: more than a segment of a JPEG, 65,537

# Of a JPEG. Zeros and restarts (D0 to D7) after FF belong to the data of a scan, and other
# codes below C0 are used by no JPEG: there they are data that was damaged.
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

# The same for find(): FF stays itself, the second byte of a marker becomes 1, others become 0.
_CLASSES = bytes(
    255 if code == 255 else bool(MARKER.match(b"\xff%c" % code)) for code in range(256)
)
_CLASSES_OF_MARKER = b"\xff\1"


class Source:
    """A file, read a chunk at a time, so that many small steps cost few reads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start, self.chunk = 0, b""
        self._classes: bytes | None = None
        file.seek(0, io.SEEK_END)
        self.size = file.tell()

    def read(self, start: int, amount: int) -> bytes:
        """Return so many bytes, at most a chunk; fewer at the end of the file."""
        at = self.index(start, amount)
        return self.chunk[at : at + amount]

    def index(self, start: int, amount: int) -> int:
        """Read so many bytes into ``chunk`` unless they are there; return the first one's index."""
        at = start - self._start
        if at < 0 or at + amount > len(self.chunk):
            self._file.seek(start)
            self._start, self.chunk, self._classes = start, b"", None
            while len(self.chunk) < amount and (more := self._file.read(CHUNK)):
                self.chunk += more
            return 0
        return at

    def find(self, pattern: re.Pattern[bytes], start: int) -> int | None:
        """Return where the first match begins, of a pattern of at most two bytes."""
        while True:
            at = self.index(start, 2)
            if (found := self._search(pattern, at)) >= 0:
                return start - at + found
            if len(self.chunk) - at < 2:
                return None
            start += len(self.chunk) - at - 1

    def _search(self, pattern: re.Pattern[bytes], at: int) -> int:
        if pattern is MARKER and (classes := self._classes_if_dense()):
            return classes.find(_CLASSES_OF_MARKER, at)
        match = pattern.search(self.chunk, at)
        return match.start() if match else -1

    def _classes_if_dense(self) -> bytes:
        # The pattern is tried at each FF, which is slow where a hostile file has nothing else.
        if self._classes is None:
            dense = self.chunk.count(b"\xff") > len(self.chunk) // 4
            self._classes = self.chunk.translate(_CLASSES) if dense else b""
        return self._classes

    def checksum(self, start: int, stop: int) -> int:
        """Return the CRC-32 of the bytes from ``start`` up to ``stop``."""
        checksum = 0
        for at in range(start, stop, CHUNK):
            checksum = zlib.crc32(self.read(at, min(CHUNK, stop - at)), checksum)
        return checksum
