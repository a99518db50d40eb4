"""TIFF: a file as Pillow may open it, and where the data of its pixels ends."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .source import Source
from .splicing import Part
from .structure import Broken

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["end_of_pixels", "parts_of_tiff"]

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MOST_ENTRIES = 1_000  # programs write about 20
# The memory that Pillow may need for the values of the directory, in bytes. It is enough for
# the offsets and lengths of 20,000 strips.
_MOST_BYTES = 40_000 * 32
# How much of it one value needs, by the number of its type. A number becomes an object.
_COSTS = {1: 1, 2: 1, 6: 1, 7: 1, 5: 256, 10: 256} | dict.fromkeys((3, 4, 8, 9, 11, 12, 13), 32)
# The tags of the offsets and the lengths of strips and of tiles.
_PLACES = [(273, 279), (324, 325)]


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
    """Return where the pixels of a TIFF, or of a file that is not compressed, end at least."""
    ends = [0]
    tags = getattr(image, "tag_v2", {})
    for offsets, lengths in _PLACES:
        ends += map(sum, zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False))
    for codec, box, offset, args in image.tile:
        if codec == "raw" and box and isinstance(args, tuple) and len(args) > 1:
            ends.append(
                offset + args[1] * (box[3] - box[1] - 1)
            )  # the last row may have no padding
    return max(ends)
