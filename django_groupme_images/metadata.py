"""
Metadata: what a photograph tells about the person who took it, removed before the upload.

None of it is part of the picture, so nothing is encoded again: the file is read once to
find the parts that stay, and once more to send them.
"""

from __future__ import annotations

import logging
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from .exif import EXIF, orientation, oriented
from .source import Source
from .splicing import Part, Spliced, joined
from .structure import APP0, APP1, PNG_SIGNATURE, Broken, chunks, segments

__all__ = ["without_metadata"]

logger = logging.getLogger(__name__)

# In a PNG, EXIF has no limit: in so many bytes the orientation is looked for.
_MOST_EXIF = 128 * 1024

# Of APPn and comments, those that colours depend on; all others describe, or hold another picture.
_KEPT_SEGMENT = re.compile(
    rb"\xff(?:[^\xe0-\xef\xfe]|\xe0..JFIF\0|\xe2..ICC_PROFILE\0|\xee..Adobe)", re.DOTALL
)

# The ancillary chunks that pixels depend on, and those of the frames of an APNG. Apple's
# iDOT is not one: it holds offsets, which are wrong as soon as another chunk is gone.
_KEPT_CHUNKS = frozenset(
    b"tRNS gAMA cHRM sRGB iCCP sBIT bKGD hIST pHYs sPLT cICP mDCV cLLI acTL fcTL fdAT".split()
)


def without_metadata(file: IO[bytes]) -> IO[bytes]:
    """
    The photograph without EXIF, XMP, IPTC, comments and thumbnails, as a file to read.

    Every pixel, the colour profile and the EXIF orientation stay. What follows the end
    of the picture goes too: the second pictures of an MPO, the film of a motion photo.

    ``file`` is a binary file that can seek. It is at its beginning afterwards, and has to
    stay open for the returned one to be read. It is itself returned if there is nothing
    to remove, if it is a GIF, and, with a warning in the log, if it is no JPEG or PNG
    that can be followed to its picture data. Raises what reading ``file`` raises.
    """
    source = Source(file)
    whole: list[Part] = [range(source.size)]
    try:
        parts = joined(_parts_to_keep(source))
    except Broken as reason:
        name = f"{file.name!r:.100}" if getattr(file, "name", "") else "a file without a name"
        logger.warning("The metadata of %s could not be removed: %s", name, reason)
        parts = whole
    file.seek(0)
    return file if parts == whole else Spliced(file, parts)  # type: ignore[return-value]


def _parts_to_keep(source: Source) -> Iterator[Part]:
    beginning = source.read(0, len(PNG_SIGNATURE))
    if beginning == PNG_SIGNATURE:
        return _parts_of_png(source)
    if beginning[:2] == b"\xff\xd8":
        return _parts_of_jpeg(source)
    if beginning[:6] in (b"GIF87a", b"GIF89a"):
        return iter([range(source.size)])
    raise Broken("it is not a JPEG, PNG or GIF")


def _parts_of_jpeg(source: Source) -> Iterator[Part]:
    yield range(2)
    exif_seen = False
    for code, segment in segments(source):
        head = source.read(segment.start, min(len(segment), 16))
        if code == APP1 and head[4:10] == EXIF and not exif_seen:
            exif_seen = True  # readers use the first
            exif = _orientation_alone(source.read(segment.start + 4, len(segment) - 4))
            yield exif and _segment(APP1, exif)
        elif code == APP0 and head[4:9] == b"JFIF\0" and len(segment) > 18:
            yield _segment(APP0, head[4:] + bytes(2))  # its thumbnail may show what was cut off
        else:
            yield segment if _KEPT_SEGMENT.match(head) else b""


def _parts_of_png(source: Source) -> Iterator[Part]:
    yield range(len(PNG_SIGNATURE))
    exif_seen = False
    for kind, chunk in chunks(source):
        if kind == b"eXIf" and not exif_seen:
            exif_seen = True  # the only one that the PNG specification allows
            length = min(len(chunk) - 12, _MOST_EXIF)
            exif = _orientation_alone(source.read(chunk.start + 8, length))
            yield exif and _chunk(kind, exif.removeprefix(EXIF))
        else:
            # An upper-case letter marks a chunk that no decoder may pass over.
            yield chunk if kind[:1].isupper() or kind in _KEPT_CHUNKS else b""


def _orientation_alone(exif: bytes) -> bytes:
    """Return an EXIF with the orientation and nothing else, or nothing if it is upright."""
    turn = orientation(exif)
    return oriented(turn) if turn > 1 else b""


def _segment(code: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L4s", len(data), kind) + data + struct.pack(">L", zlib.crc32(kind + data))
