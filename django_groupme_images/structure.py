"""Structure: where a JPEG's segments and a PNG's chunks lie, found without decoding it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, TypeVar

__all__ = [
    "EXIF",
    "PNG_SIGNATURE",
    "Broken",
    "Source",
    "check_chunks",
    "chunks",
    "follow",
    "is_exif",
    "segments",
]

EXIF = b"Exif\0\0"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Zeros and restarts (D0 to D7) after FF belong to the data of a scan, and other codes below
# C0 are used by no JPEG: there they are data that was damaged.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA

_CHUNK = 128 * 1024  # bytes looked at together: more than the longest segment, 65,537
# Each takes time and memory, and a hostile file is made of nothing else. A PNG of 100 MB has
# 13,000 chunks.
_MOST_PIECES = 50_000
# Pillow puts them together by copying what it has at each. Cameras write one, few write two.
_MOST_EXIFS = 100

_Piece = TypeVar("_Piece")


class Broken(Exception):  # never leaves this package
    """Says why a file's metadata cannot be told from its picture."""


class Source:
    """A file, looked at a chunk at a time, so that many small steps cost few reads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start, self._chunk = 0, b""
        file.seek(0, io.SEEK_END)
        self.size = file.tell()

    def read(self, start: int, amount: int) -> bytes:
        """So many bytes, at most a chunk; fewer at the end of the file."""
        self._look_at(start, amount)
        return self._chunk[start - self._start : start - self._start + amount]

    def find(self, pattern: re.Pattern[bytes], start: int) -> int | None:
        """Where the first match begins, of a pattern of two bytes."""
        while True:
            self._look_at(start, 2)
            if match := pattern.search(self._chunk, start - self._start):
                return self._start + match.start()
            if len(self._chunk) < 2:
                return None
            start = self._start + len(self._chunk) - 1

    def _look_at(self, start: int, amount: int) -> None:
        if self._start <= start and start + amount <= self._start + len(self._chunk):
            return
        self._file.seek(start)
        self._start, self._chunk = start, b""
        while len(self._chunk) < amount and (more := self._file.read(_CHUNK)):
            self._chunk += more


def follow(file: IO[bytes]) -> None:
    """
    Raise ``Broken`` unless the metadata of this JPEG or PNG can be told from its picture.

    It cannot if the file is broken before its picture data, or in more pieces than any
    camera or program makes. ``file`` is read a chunk at a time, and is left anywhere.
    Raises what reading ``file`` raises, too.
    """
    source = Source(file)
    if source.read(0, len(PNG_SIGNATURE)) == PNG_SIGNATURE:
        exifs = sum(kind == b"eXIf" for kind, _ in chunks(source))
    else:
        exifs = sum(is_exif(source.read(segment.start, 10)) for segment in segments(source))
    if exifs > _MOST_EXIFS:
        raise Broken("it has too much EXIF")


def is_exif(head: bytes) -> bool:
    """Whether a JPEG's segment that begins so holds EXIF."""
    return head[1] == 0xE1 and head[4:10] == EXIF


def segments(source: Source) -> Iterator[range]:
    """
    The segments of a JPEG's first picture, each scan with its data, but not the SOI.

    As in libjpeg, what stands between two is skipped, and a scan ends at any marker.
    Raises ``Broken`` if they do not lead to a scan, or are too many.
    """
    return _few(_segments(source))


def _segments(source: Source) -> Iterator[range]:
    end, scanned = 2, False
    while (start := source.find(_MARKER, end)) is not None:
        code, length = struct.unpack(">xBH", source.read(start, 4).ljust(4, b"\0"))
        end = start + 2 + max(length, 2)
        if code == _EOI:
            yield range(start, start + 2)
        if code in (_SOI, _EOI) or (end > source.size and not scanned):
            break
        if code == _SOS:
            scanned = True
            end = source.find(_MARKER, end) or source.size
        yield range(start, min(end, source.size))
    if not scanned:
        raise Broken("it is a JPEG that is broken before its picture data")


def chunks(source: Source) -> Iterator[tuple[bytes, range]]:
    """
    The chunks of a PNG by their kind, up to its end, or to where it is broken.

    Raises ``Broken`` if they do not lead to its picture data, or are too many.
    """
    return _few(_chunks(source))


def _chunks(source: Source) -> Iterator[tuple[bytes, range]]:
    end, kind, drawn = len(PNG_SIGNATURE), b"", False
    while kind != b"IEND":
        start = end
        length, kind = struct.unpack(">L4s", source.read(start, 8).ljust(8, b"\0"))
        end += 12 + length
        drawn = drawn or kind == b"IDAT"
        if not kind.isalpha() or (end > source.size and not drawn):
            break
        yield kind, range(start, min(end, source.size))
    if not drawn:
        raise Broken("it is a PNG that is broken before its picture data")


def check_chunks(file: IO[bytes]) -> None:
    """
    Raise ``Broken`` unless all chunks of this PNG, up to its end, are as they were written.

    Each has a checksum. ``file`` is read a chunk of ours at a time, not one of the PNG's.
    """
    kind = b""
    file.seek(len(PNG_SIGNATURE))
    while kind != b"IEND":
        length, kind = struct.unpack(">L4s", file.read(8).ljust(8, b"\0"))
        checksum = _checksum(file, length, zlib.crc32(kind))
        if not kind.isalpha() or file.read(4) != checksum.to_bytes(4, "big"):
            raise Broken("it is a PNG that is damaged or cut off")


def _checksum(file: IO[bytes], length: int, checksum: int) -> int:
    while length and (piece := file.read(min(length, _CHUNK))):
        checksum = zlib.crc32(piece, checksum)
        length -= len(piece)
    return checksum


def _few(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    for number, piece in enumerate(pieces):
        if number == _MOST_PIECES:
            raise Broken("it is in too many pieces")
        yield piece
