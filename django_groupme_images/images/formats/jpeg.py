"""The segments of a JPEG."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from django_groupme_images.images.block_reader import JPEG_MARKER, BlockReader

from .exif import EXIF_SIGNATURE
from .malformed import MAX_PARTS, MalformedImage, limited

__all__ = [
    "APP0",
    "APP1",
    "EOI",
    "JPEG_END",
    "NOT_IN_SCAN",
    "PROGRESSIVE_CODES",
    "SEQUENTIAL_CODES",
    "SOF_CODES",
    "SOS",
    "is_exif_segment",
    "jpeg_segment",
    "jpeg_segments",
]

# Codes of JPEG segments. The data of a scan follows its SOS segment.
SOS, APP0, APP1 = 0xDA, 0xE0, 0xE1
_SOI, EOI = 0xD8, 0xD9
# Codes of the segments with the size of the image. DHT, JPG, and DAC segments have the other codes
# in this range.
SOF_CODES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# In a sequential frame, a scan contains all coefficients of its components. In a progressive frame,
# it contains only some of them, or some of their bits.
SEQUENTIAL_CODES = frozenset({0xC0, 0xC1, 0xC9})
PROGRESSIVE_CODES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})

JPEG_END = b"\xff\xd9"

# In the data of a scan, FF is followed by zero, by FF, or by the code of a marker.
NOT_IN_SCAN = re.compile(rb"\xff[\x01-\xbf]")

# Bytes between the segments of a JPEG, where some cameras write padding.
_MAX_PADDING = 1_000_000


def jpeg_segments(reader: BlockReader, *, head_only: bool = False) -> Iterator[tuple[int, range]]:
    """
    Yield the code and the position of each segment of a JPEG's first image, except the SOI.

    The position of an SOS segment includes the data of its scan. With ``head_only``, the first one
    is the last item, and extends to the end of the file, which is not read. As in libjpeg, bytes
    between segments are skipped, and a scan ends at any marker. Raise ``MalformedImage`` if there
    is no scan, or if there are too many segments.
    """
    return limited(_jpeg_segments(reader, head_only=head_only), MAX_PARTS)


def _jpeg_segments(reader: BlockReader, *, head_only: bool) -> Iterator[tuple[int, range]]:
    end, padding, has_scan = 2, 0, False
    while True:
        start, head = end, reader.read(end, 4)
        if not JPEG_MARKER.match(head):
            if (found := reader.find(JPEG_MARKER, end)) is None:
                break
            start, head = found, reader.read(found, 4)
            padding += 0 if has_scan else start - end
            if padding > _MAX_PADDING:
                raise MalformedImage("the JPEG has too much data between its segments")
        code = head[1]
        end = start + 2 + max(int.from_bytes(head[2:], "big"), 2)
        if code == EOI:
            yield code, range(start, start + 2)
        if code in (_SOI, EOI) or (end > reader.size and not has_scan):
            break
        if code == SOS:
            if head_only:
                yield code, range(start, reader.size)
                return
            has_scan = True
            end = reader.find(JPEG_MARKER, end) or reader.size
        yield code, range(start, min(end, reader.size))
    if not has_scan:
        raise MalformedImage("the JPEG is damaged or truncated before its image data")


def jpeg_segment(code: int, content: bytes) -> bytes:
    """Return a segment of a JPEG with this code and content."""
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def is_exif_segment(reader: BlockReader, code: int, segment: range) -> bool:
    """Return whether a segment of a JPEG with this code contains EXIF."""
    size = len(EXIF_SIGNATURE)
    return code == APP1 and reader.read(segment.start + 4, size) == EXIF_SIGNATURE
