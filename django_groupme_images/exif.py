"""EXIF: the orientation in it, read without unpacking anything else."""

from __future__ import annotations

import re
import struct

__all__ = ["EXIF", "is_plausible", "orientation", "oriented"]

EXIF = b"Exif\0\0"

_ORDERS = {b"II": "<", b"MM": ">"}
_ORIENTATION = 0x0112
# The size in bytes of a value, by the number of its type, and the letter of an integer's.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_INTEGERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}


def orientation(exif: bytes) -> int:
    """Return how the image is to be turned (2 to 8), or 1 if it is upright or unknown."""
    tiff = _tiff(exif)
    order, entries = _first_directory(tiff)
    for at in range(entries.start, min(entries.stop, len(tiff) - 11), 12):
        tag, kind, count, value = struct.unpack_from(order + "HHL4s", tiff, at)
        if tag == _ORIENTATION:  # readers use the first
            found = 0
            if count == 1 and kind in _INTEGERS:
                (found,) = struct.unpack_from(order + _INTEGERS[kind], value)
            return found if found in range(1, 9) else 1
    return 1


def oriented(orientation: int) -> bytes:
    """Return an EXIF that has an orientation, and nothing else."""
    entry = struct.pack(">HHLHH", _ORIENTATION, 3, 1, orientation, 0)
    return EXIF + b"MM\0*" + struct.pack(">LH", 8, 1) + entry + bytes(4)


def is_plausible(exif: bytes) -> bool:
    """
    Return whether the first directory is whole, and its values fit into the EXIF side by side.

    If they overlap, a decoder that copies each of them needs thousands of times the memory.
    """
    tiff = _tiff(exif)
    order, entries = _first_directory(tiff)
    if not entries or entries.stop > len(tiff):
        return False
    size = 0
    for at in entries:
        kind, count = struct.unpack_from(order + "HL", tiff, at + 2)
        size += count * _SIZES.get(kind, 0)
    return size <= len(tiff)


def _tiff(exif: bytes) -> bytes:
    return re.sub(rb"\A(?:Exif\0\0){1,2}", b"", exif)  # some writers repeat it


def _first_directory(tiff: bytes) -> tuple[str, range]:
    """The byte order, and where the entries are, some of them perhaps past the end."""
    try:
        order = _ORDERS[tiff[:2]]
        (start,) = struct.unpack_from(order + "L", tiff, 4)
        (amount,) = struct.unpack_from(order + "H", tiff, start)
    except (KeyError, struct.error):
        return "<", range(0)
    return order, range(start + 2, start + 2 + 12 * amount, 12)
