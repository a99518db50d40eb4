"""Structure: where the parts of a JPEG or a PNG lie, found without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import IO, TypeVar

from .exif import EXIF
from .source import CHUNK, MARKER, Source

__all__ = [
    "APP0",
    "APP1",
    "PNG_SIGNATURE",
    "SOS",
    "Broken",
    "check_chunks",
    "check_segments",
    "chunks",
    "few",
    "follow",
    "segments",
]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SOS, APP0, APP1 = 0xDA, 0xE0, 0xE1  # codes of a JPEG's segments; SOS precedes a scan's data

_SOI, _EOI = 0xD8, 0xD9
# The limits below bound the time and the memory that a hostile file takes here, in Pillow,
# and in the decoders of the image service. Programs write files that stay far below them.

# Segments or chunks. A PNG of 100 MB has 13,000 chunks.
_MOST_PIECES = 50_000
# Bytes between the segments of a JPEG, where some cameras write padding.
_MOST_PADDING = 1_000_000
# Each scan of a JPEG makes a decoder draw the image again. Programs write about 10.
_MOST_SCANS = 1_000
# Cameras write one, a few write two.
_MOST_EXIFS = 100
_TOO_MUCH_EXIF = "it has too much EXIF"
# The PNG specification allows one color profile. Decoders unpack each that they find.
_MOSTCHUNKS = {
    b"eXIf": (_MOST_EXIFS, _TOO_MUCH_EXIF),
    b"iCCP": (1, "it has more than one color profile"),
}
_Piece = TypeVar("_Piece")


class Broken(Exception):  # never leaves this package
    """Says why a file's metadata cannot be told from its picture."""


def follow(file: IO[bytes]) -> None:
    """
    Raise ``Broken`` unless the metadata of this JPEG or PNG can be told from its picture.

    It cannot if the file is broken before its picture data, or in more pieces than any
    camera or program makes. ``file`` is read a chunk at a time, and is left anywhere.
    Raises what reading ``file`` raises, too.
    """
    source = Source(file)
    if source.read(0, len(PNG_SIGNATURE)) == PNG_SIGNATURE:
        for _ in _usual(chunks(source)):
            pass
    else:
        _follow_segments(source)


def check_segments(file: IO[bytes]) -> None:
    """
    Raise ``Broken`` unless the data of this JPEG has an end.

    Otherwise the same as ``follow()``.
    """
    source = Source(file)
    first_scan, last_code = _follow_segments(source)
    if last_code != _EOI and not _has_end(source, first_scan):
        raise Broken("it is a JPEG without an end")


def _follow_segments(source: Source) -> tuple[int, int]:
    first_scan = code = exifs = scans = 0
    for code, segment in segments(source):
        if code == APP1:
            exifs += source.read(segment.start + 4, len(EXIF)) == EXIF
        elif code == SOS:
            first_scan = first_scan or segment.start
            scans += 1
            if scans > _MOST_SCANS:
                raise Broken("it has too many scans")
    if exifs > _MOST_EXIFS:
        raise Broken(_TOO_MUCH_EXIF)
    return first_scan, code


def _has_end(source: Source, start: int) -> bool:
    # It can follow data that looks like another marker because it is damaged.
    pieces = (source.read(at, CHUNK) for at in range(start, source.size, CHUNK - 1))
    return any(b"\xff\xd9" in piece for piece in pieces)


def segments(source: Source) -> Iterator[tuple[int, range]]:
    """
    The segments of a JPEG's first picture by their code, each scan with its data, but not the SOI.

    As in libjpeg, what stands between two is skipped, and a scan ends at any marker.
    Raises ``Broken`` if they do not lead to a scan, or are too many.
    """
    return few(_segments(source), _MOST_PIECES)


def _segments(source: Source) -> Iterator[tuple[int, range]]:
    end, padding, scanned = 2, 0, False
    while True:
        start, head = end, source.read(end, 4)
        if not MARKER.match(head):
            if (found := source.find(MARKER, end)) is None:
                break
            start, head = found, source.read(found, 4)
            padding += 0 if scanned else start - end
            if padding > _MOST_PADDING:
                raise Broken("it has too much between its segments")
        code = head[1]
        end = start + 2 + max(int.from_bytes(head[2:], "big"), 2)
        if code == _EOI:
            yield code, range(start, start + 2)
        if code in (_SOI, _EOI) or (end > source.size and not scanned):
            break
        if code == SOS:
            scanned = True
            end = source.find(MARKER, end) or source.size
        yield code, range(start, min(end, source.size))
    if not scanned:
        raise Broken("it is a JPEG that is broken before its picture data")


def chunks(source: Source) -> Iterator[tuple[bytes, range]]:
    """
    The chunks of a PNG by their kind, up to its end, or to where it is broken.

    Raises ``Broken`` if they do not lead to its picture data, or are too many.
    """
    return few(_chunks(source), _MOST_PIECES)


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


def _usual(chunks: Iterable[tuple[bytes, range]]) -> Iterator[tuple[bytes, range]]:
    left = {kind: most for kind, (most, _) in _MOSTCHUNKS.items()}
    for kind, chunk in chunks:
        if kind in left:
            left[kind] -= 1
            if left[kind] < 0:
                raise Broken(_MOSTCHUNKS[kind][1])
        yield kind, chunk


def check_chunks(file: IO[bytes]) -> None:
    """
    Raise ``Broken`` unless all chunks of this PNG, up to its end, are as they were written.

    Each has a checksum. Otherwise the same as ``follow()``.
    """
    source = Source(file)
    for _, chunk in _usual(chunks(source)):
        checksum = source.checksum(chunk.start + 4, chunk.stop - 4)
        if source.read(chunk.stop - 4, 4) != checksum.to_bytes(4, "big"):
            raise Broken("it is a PNG that is damaged or cut off")
    length, kind = struct.unpack(">L4s", source.read(chunk.start, 8))
    if kind != b"IEND" or len(chunk) != 12 + length:
        raise Broken("it is a PNG that is cut off")


def few(pieces: Iterable[_Piece], most: int) -> Iterator[_Piece]:
    """Yield the pieces, and raise ``Broken`` if there are more of them."""
    for number, piece in enumerate(pieces):
        if number == most:
            raise Broken("it is in too many pieces")
        yield piece
