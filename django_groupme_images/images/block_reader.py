"""Random access to a file that is read in blocks."""

from __future__ import annotations

import io
import re
import zlib
from typing import IO

__all__ = ["BLOCK_SIZE", "JPEG_MARKER", "BlockReader"]

# Bytes that are read at a time. The largest segment of a JPEG, 65,537 bytes, fits into a block.
BLOCK_SIZE = 128 * 1024

# In the data of a JPEG's scan, FF may be followed by zero or by the code of a restart marker (D0
# to D7). No JPEG uses other codes below C0, so they are damaged data and not markers.
JPEG_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

# Table for bytes.translate() that simplifies the search for a marker: FF stays, the second byte
# of a marker becomes 1, and any other byte becomes 0.
_BYTE_CLASSES = bytes(
    255 if code == 255 else bool(JPEG_MARKER.match(b"\xff%c" % code)) for code in range(256)
)
_MARKER_CLASSES = b"\xff\1"


class BlockReader:
    """
    Reader that keeps the current block of a file, so that many small reads cost few system calls.

    ``block`` is the current block, and ``size`` is the size of the file in bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._block_start, self.block = 0, b""
        self._block_classes: bytes | None = None
        file.seek(0, io.SEEK_END)
        self.size = file.tell()

    def read(self, start: int, count: int) -> bytes:
        """
        Return ``count`` bytes from the position ``start``, or fewer at the end of the file.

        To limit the memory, ``count`` should not be larger than ``BLOCK_SIZE``.
        """
        index = self.load(start, count)
        return self.block[index : index + count]

    def load(self, start: int, count: int) -> int:
        """
        Make ``block`` contain ``count`` bytes from the position ``start``.

        Return the index in ``block`` of the first of them. At the end of the file, there are fewer.
        """
        index = start - self._block_start
        if index < 0 or index + count > len(self.block):
            self._file.seek(start)
            self._block_start, self.block, self._block_classes = start, b"", None
            while len(self.block) < count and (data := self._file.read(BLOCK_SIZE)):
                self.block += data
            return 0
        return index

    def find(self, pattern: re.Pattern[bytes], start: int) -> int | None:
        """
        Return the position of the first match at or after ``start``, or ``None``.

        ``pattern`` may match at most two bytes.
        """
        while True:
            index = self.load(start, 2)
            if (found := self._search_block(pattern, index)) >= 0:
                return start - index + found
            if len(self.block) - index < 2:
                return None
            start += len(self.block) - index - 1

    def end_without(self, codes: bytes, start: int, stop: int) -> int:
        """Return the position after the last byte before ``stop`` that is not one of the codes."""
        while stop > start:
            block_start = max(start, stop - BLOCK_SIZE)
            if block := self.read(block_start, stop - block_start).rstrip(codes):
                return block_start + len(block)
            stop = block_start
        return start

    def checksum(self, start: int, stop: int) -> int:
        """Return the CRC-32 of the bytes from ``start`` up to, but not including, ``stop``."""
        checksum = 0
        for position in range(start, stop, BLOCK_SIZE):
            data = self.read(position, min(BLOCK_SIZE, stop - position))
            checksum = zlib.crc32(data, checksum)
        return checksum

    def _search_block(self, pattern: re.Pattern[bytes], index: int) -> int:
        """Return the index in ``block`` of the first match, or -1."""
        if pattern is JPEG_MARKER and (classes := self._classes_if_dense()):
            return classes.find(_MARKER_CLASSES, index)
        match = pattern.search(self.block, index)
        return match.start() if match else -1

    def _classes_if_dense(self) -> bytes:
        # A search with the regular expression stops at each FF, which is slow if a malicious file
        # contains almost nothing else.
        if self._block_classes is None:
            is_dense = self.block.count(b"\xff") > len(self.block) // 4
            self._block_classes = self.block.translate(_BYTE_CLASSES) if is_dense else b""
        return self._block_classes
