"""Read and write the tags in EXIF metadata that affect how an image is displayed."""

from __future__ import annotations

import re
import struct

__all__ = [
    "EXIF_SIGNATURE",
    "adobe_color_space",
    "display_exif",
    "find_orientation",
    "has_valid_directory",
    "orientation",
]

# The signature at the beginning of EXIF in a JPEG. TIFF data follows.
EXIF_SIGNATURE = b"Exif\0\0"

_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
# The keys are the numbers of TIFF's types. The values are sizes in bytes, and formats of struct.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_INTEGER_FORMATS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L"}
_ASCII, _SHORT, _LONG = 2, 3, 4

_ORIENTATION, _EXIF_DIRECTORY = 0x0112, 0x8769
_COLOR_SPACE, _INTEROP_DIRECTORY = 0xA001, 0xA005
_INTEROP_INDEX, _R03 = 0x0001, b"R03\0"

# Values of ColorSpace. Some cameras write 2 for Adobe RGB, which the specification does not define.
_SRGB, _ADOBE_RGB, _UNCALIBRATED = 1, 2, 65_535


def orientation(exif: bytes) -> int:
    """Return the EXIF orientation (2 to 8), or 1 if it is upright, unknown, or invalid."""
    return find_orientation(exif) or 1


def find_orientation(exif: bytes) -> int | None:
    """Return the EXIF orientation (1 to 8), or ``None`` if it is unknown or invalid."""
    tiff = _strip_signature(exif)
    value = _integer(tiff, _first_directory(tiff), _ORIENTATION)
    return value if value in range(1, 9) else None


def adobe_color_space(exif: bytes) -> int:
    """
    Return the value of ColorSpace if the EXIF identifies the color space as Adobe RGB, or 0.

    That is 2, or, for files whose InteropIndex is R03, 65,535 (uncalibrated).
    """
    tiff = _strip_signature(exif)
    camera = _subdirectory(tiff, _first_directory(tiff), _EXIF_DIRECTORY)
    value = _integer(tiff, camera, _COLOR_SPACE)
    if value in (_SRGB, _ADOBE_RGB):
        return value if value == _ADOBE_RGB else 0
    interop = _subdirectory(tiff, camera, _INTEROP_DIRECTORY)
    index = _entry(tiff, interop, _INTEROP_INDEX)
    return _UNCALIBRATED if index == (_ASCII, len(_R03), _R03) else 0


def display_exif(orientation: int, color_space: int) -> bytes:
    """
    Return EXIF that contains only an orientation and a color space, or ``b""`` without either.

    ``color_space`` is a result of :func:`adobe_color_space`. An orientation of 1 is left out.
    """
    main = [_short(_ORIENTATION, orientation)] if orientation > 1 else []
    others = b""
    if color_space:
        # Each of the three directories contains the offset of the next.
        camera_at = 8 + _directory_size(len(main) + 1)
        interop_at = camera_at + _directory_size(2)
        main.append(_offset(_EXIF_DIRECTORY, camera_at))
        others = _directory(
            _short(_COLOR_SPACE, color_space), _offset(_INTEROP_DIRECTORY, interop_at)
        )
        others += _directory(struct.pack(">HHL4s", _INTEROP_INDEX, _ASCII, len(_R03), _R03))
    return EXIF_SIGNATURE + b"MM\0*\0\0\0\x08" + _directory(*main) + others if main else b""


def has_valid_directory(exif: bytes) -> bool:
    """
    Return whether the first directory is complete, and whether its values can be without overlaps.

    A decoder that copies overlapping values may need thousands of times the memory of the EXIF.
    """
    tiff = _strip_signature(exif)
    byte_order, entries = _first_directory(tiff)
    if not entries or entries.stop > len(tiff):
        return False
    size = 0
    for offset in entries:
        value_type, count = struct.unpack_from(byte_order + "HL", tiff, offset + 2)
        size += count * _SIZES.get(value_type, 0)
    return size <= len(tiff)


def _strip_signature(exif: bytes) -> bytes:
    return re.sub(rb"\A(?:Exif\0\0){1,2}", b"", exif)  # Some programs write it twice.


# A directory: the byte order for struct, and the offsets of its entries. If it is truncated, some
# of the offsets are after the end of the data.
_Directory = tuple[str, range]


def _first_directory(tiff: bytes) -> _Directory:
    byte_order = _BYTE_ORDERS.get(tiff[:2], "")
    if not byte_order or len(tiff) < 8:
        return "<", range(0)
    return _directory_at(tiff, byte_order, *struct.unpack_from(byte_order + "L", tiff, 4))


def _subdirectory(tiff: bytes, directory: _Directory, tag: int) -> _Directory:
    """Return the directory whose offset is the value of a tag, or an empty one."""
    start = _integer(tiff, directory, tag)
    return _directory_at(tiff, directory[0], len(tiff) if start is None else start)


def _directory_at(tiff: bytes, byte_order: str, start: int) -> _Directory:
    try:
        (count,) = struct.unpack_from(byte_order + "H", tiff, start)
    except struct.error:
        return byte_order, range(0)
    return byte_order, range(start + 2, start + 2 + 12 * count, 12)


def _integer(tiff: bytes, directory: _Directory, tag: int) -> int | None:
    """Return the value of a tag, or ``None`` unless it is one integer."""
    value_type, count, data = _entry(tiff, directory, tag)
    if count != 1 or value_type not in _INTEGER_FORMATS:
        return None
    value: int
    (value,) = struct.unpack_from(directory[0] + _INTEGER_FORMATS[value_type], data)
    return value


def _entry(tiff: bytes, directory: _Directory, tag: int) -> tuple[int, int, bytes]:
    """Return the type, the count, and the 4 bytes of data of a tag, or zeros without it."""
    byte_order, offsets = directory
    for offset in range(offsets.start, min(offsets.stop, len(tiff) - 11), 12):
        found, *entry = struct.unpack_from(byte_order + "HHL4s", tiff, offset)
        if found == tag:  # Other programs also use the first one.
            return entry[0], entry[1], entry[2]
    return 0, 0, b""


def _directory_size(entries: int) -> int:
    return 2 + 12 * entries + 4


def _directory(*entries: bytes) -> bytes:
    return struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)


def _short(tag: int, value: int) -> bytes:
    return struct.pack(">HHLHH", tag, _SHORT, 1, value, 0)


def _offset(tag: int, value: int) -> bytes:
    return struct.pack(">HHLL", tag, _LONG, 1, value)
