"""The frame, the scans, and the tables of a JPEG."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.jpeg import (
    PROGRESSIVE_CODES,
    SOF_CODES,
    SOS,
    jpeg_segments,
)
from django_groupme_images.images.formats.malformed import MalformedImage

__all__ = [
    "DQT",
    "Component",
    "Frame",
    "JpegScans",
    "Scan",
    "has_all_coefficients",
    "read_scan",
    "read_scans",
]

DQT = 0xDB
_DHT, _DRI = 0xC4, 0xDD
# Baseline, extended sequential, and progressive. Other frames are not Huffman-coded.
_SUPPORTED_FRAMES = (0xC0, 0xC1, 0xC2)

# Gray, YCbCr or RGB, and CMYK or YCCK
_COMPONENT_COUNTS = (1, 3, 4)

# Programs write about 10 scans, with up to 10 tables for each.
_MAX_SCANS, _MAX_PARTS = 100, 1_000

_COEFFICIENTS = range(64)


@dataclass(frozen=True)
class Component:
    """
    A component of a frame, such as the luminance.

    ``table`` is the number of its quantization table.
    """

    id: int
    horizontal_sampling: int
    vertical_sampling: int
    table: int


@dataclass(frozen=True)
class Frame:
    """A frame. ``code`` is that of its segment, and the size is in pixels."""

    code: int
    width: int
    height: int
    components: list[Component]

    @property
    def is_progressive(self) -> bool:
        """Whether a scan contains only some coefficients of each block, or some of their bits."""
        return self.code in PROGRESSIVE_CODES


@dataclass(frozen=True)
class Scan:
    """
    A scan, which contains the coefficients from ``first`` to ``last`` of each block.

    ``tables`` are the Huffman tables by component ID. ``bits`` are the numbers of the lowest bits
    that are missing before the scan (in the upper four bits) and after it. ``data`` is the position
    of the data.
    """

    tables: dict[int, int]
    first: int
    last: int
    bits: int
    data: range


@dataclass(frozen=True)
class JpegScans:
    """
    The frame and the scans of a JPEG.

    ``steps`` are the quantization tables by number. ``parts`` are the scans, and the positions of
    other tables, in the order of the file.
    """

    frame: Frame
    steps: dict[int, bytes]
    parts: list[range | Scan]

    @property
    def scans(self) -> list[Scan]:
        """The scans in the order of the file."""
        return [part for part in self.parts if isinstance(part, Scan)]

    def has_all_coefficients(self) -> bool:
        """Return whether there is a scan for each bit of each coefficient."""
        ids = [component.id for component in self.frame.components]
        return has_all_coefficients(ids, self.scans, is_progressive=self.frame.is_progressive)


def has_all_coefficients(
    component_ids: Iterable[int], scans: Iterable[Scan], *, is_progressive: bool
) -> bool:
    """Return whether the scans contain each bit of each coefficient of these components."""
    missing_bits: dict[tuple[int, int], int] = {}
    for scan in scans:
        numbers = range(scan.first, scan.last + 1) if is_progressive else _COEFFICIENTS
        bits = scan.bits & 15 if is_progressive else 0
        missing_bits |= dict.fromkeys([(key, n) for key in scan.tables for n in numbers], bits)
    return all(missing_bits.get((key, n)) == 0 for key in component_ids for n in _COEFFICIENTS)


def read_scan(reader: BlockReader, segment: range) -> Scan:
    """Return the scan of an SOS segment. Raise ``MalformedImage`` if its header is invalid."""
    try:
        return _scan(_content(reader, segment), segment)
    except (ValueError, LookupError, struct.error):
        raise MalformedImage("the JPEG has an invalid scan") from None


def read_scans(reader: BlockReader) -> JpegScans:
    """
    Return the frame and the scans of a JPEG.

    Raise ``MalformedImage`` if a segment is invalid, if there are more than 100 scans, or if the
    JPEG is not Huffman-coded with 8 bits for each color.
    """
    frames: list[Frame] = []
    steps: dict[int, bytes] = {}
    parts: list[range | Scan] = []
    try:
        for code, segment in jpeg_segments(reader):
            if code in SOF_CODES:
                frames.append(_frame(code, _content(reader, segment)))
            elif code == DQT:
                steps |= _quantization_steps(_content(reader, segment))
            elif code == SOS:
                parts.append(read_scan(reader, segment))
            elif code in (_DHT, _DRI):
                parts.append(segment)
            if len(parts) > _MAX_PARTS:
                raise ValueError
        (frame,) = frames
    except (ValueError, LookupError, struct.error):
        raise MalformedImage("the structure of the JPEG is not supported") from None
    jpeg = JpegScans(frame, steps, parts)
    ids = {component.id for component in frame.components}
    if not all(scan.tables and scan.tables.keys() <= ids for scan in jpeg.scans):
        raise MalformedImage("the JPEG has a scan without a color component")
    if len(jpeg.scans) > _MAX_SCANS:
        raise MalformedImage("the JPEG has too many scans")
    return jpeg


def _content(reader: BlockReader, segment: range) -> bytes:
    """Return the content of a segment. Raise ``ValueError`` if it is truncated."""
    length = int.from_bytes(reader.read(segment.start + 2, 2), "big") - 2
    content = reader.read(segment.start + 4, max(length, 0))
    if len(content) != length:
        raise ValueError("a segment is truncated")
    return content


def _frame(code: int, content: bytes) -> Frame:
    precision, height, width, count = struct.unpack(">BHHB", content[:6])
    is_supported = code in _SUPPORTED_FRAMES and precision == 8 and count in _COMPONENT_COUNTS
    if not is_supported or len(content) != 6 + 3 * count:
        raise ValueError("the frame is not supported")
    fields = struct.iter_unpack("BBB", content[6:])
    components = [Component(key, rates >> 4, rates & 15, table) for key, rates, table in fields]
    if not all(part.horizontal_sampling and part.vertical_sampling for part in components):
        raise ValueError("a component has no samples")
    return Frame(code, width, height, components)


def _quantization_steps(content: bytes) -> dict[int, bytes]:
    """Return the values of quantization tables, which are at most 255, by number of the table."""
    steps = {}
    while content:
        is_large, number = divmod(content[0], 16)
        values = struct.unpack(">64H" if is_large else "64B", content[1 : 129 if is_large else 65])
        steps[number] = bytes(min(value, 255) for value in values)
        content = content[1 + 64 * (2 if is_large else 1) :]
    return steps


def _scan(content: bytes, segment: range) -> Scan:
    count = content[0]
    *fields, first, last, bits = struct.unpack(f"{2 * count + 3}B", content[1:])
    tables = dict(zip(fields[::2], fields[1::2], strict=True))
    data = range(segment.start + 4 + len(content), segment.stop)
    return Scan(tables, first, last, bits, data)
