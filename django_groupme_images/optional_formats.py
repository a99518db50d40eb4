"""Formats that a project has to allow: whether a file is whole, and is safe for Pillow to open."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from .source import Source
from .splicing import Part
from .structure import Broken

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["check_riff", "end_of_pixels", "parts_of_tiff"]

# Chunks of a WebP: two for each of its frames, or fewer.
_MOST_RIFF_CHUNKS = 20_000
_RIFF_METADATA, _MOST_RIFF_METADATA = (b"ICCP", b"EXIF", b"XMP "), 2 * 1024 * 1024

# The byte order of a TIFF, by its first bytes
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MOST_ENTRIES = 1_000  # programs write about 20
# The memory that Pillow may need for the values of the directory, in bytes. It is enough for
# the offsets and lengths of 20,000 strips.
_MOST_BYTES = 40_000 * 32
# How much of it one value needs, by the number of its type. A number becomes an object.
_COSTS = {1: 1, 2: 1, 6: 1, 7: 1, 5: 256, 10: 256} | dict.fromkeys((3, 4, 8, 9, 11, 12, 13), 32)
# The tags of the offsets and the lengths of strips and of tiles.
_PLACES = [(273, 279), (324, 325)]


def check_riff(file: IO[bytes]) -> None:
    """Raise ``Broken`` if this WebP is cut off, or has excessive chunks, which Pillow copies."""
    source = Source(file)
    start, stop = 12, 8 + int.from_bytes(source.read(4, 4), "little")
    if stop > source.size:
        raise Broken("it is a WebP that is cut off")
    for _ in range(_MOST_RIFF_CHUNKS):
        if start >= stop:
            return
        kind, length = struct.unpack("<4sL", source.read(start, 8).ljust(8, b"\0"))
        start += 8 + length + length % 2
        if kind in _RIFF_METADATA and length > _MOST_RIFF_METADATA:
            raise Broken("it has too much metadata")
    raise Broken("it is a WebP of too many chunks")


def parts_of_tiff(source: Source) -> list[Part]:
    """
    Return the file without the excessive values of its first directory.

    Raises ``Broken`` if it has no such directory, which includes a BigTIFF.
    """
    try:
        order = _ORDERS[source.read(0, 4)]
        (start,) = struct.unpack(order + "L", source.read(4, 4))
        (amount,) = struct.unpack(order + "H", source.read(start, 2))
    except (KeyError, struct.error):
        raise Broken("it is a TIFF without a directory") from None
    start, length = start + 2, 12 * amount
    entries = bytearray(source.read(start, length)) if amount <= _MOST_ENTRIES else bytearray()
    if len(entries) != length:
        raise Broken("it is a TIFF with a directory that is cut off or too long")
    return [range(start), _affordable(entries, order), range(start + length, source.size)]


def _affordable(entries: bytearray, order: str) -> bytes:
    # Readers ignore a value of a type that does not exist. Its entry stays, so that nothing in
    # the file moves.
    left = _MOST_BYTES
    for at in range(0, len(entries), 12):
        kind, count = struct.unpack_from(order + "HL", entries, at + 2)
        cost = count * _COSTS.get(kind, 0)
        if cost > left:
            entries[at + 2 : at + 4] = bytes(2)
        else:
            left -= cost
    return bytes(entries)


def end_of_pixels(image: ImageFile) -> int:
    """Return the least number of bytes that a TIFF, or an uncompressed file, has to have."""
    ends = [0]
    tags = getattr(image, "tag_v2", {})
    for offsets, lengths in _PLACES:
        ends += map(sum, zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False))
    for codec, box, offset, args in image.tile:  # stretches of the file with some of the rows
        match args:
            case (_, int(stride), *_) if codec == "raw" and box:
                rows = box[3] - box[1] - 1  # because the last one may have no padding
                ends.append(offset + stride * rows)
    return max(ends)
