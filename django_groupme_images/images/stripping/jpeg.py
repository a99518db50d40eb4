"""The parts of a JPEG that are not metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.completeness.jpeg_scans import (
    Scan,
    has_all_coefficients,
    read_scan,
)
from django_groupme_images.images.formats.jpeg import (
    APP0,
    APP1,
    EOI,
    JPEG_END,
    NOT_IN_SCAN,
    PROGRESSIVE_CODES,
    SEQUENTIAL_CODES,
    SOF_CODES,
    SOS,
    jpeg_segment,
    jpeg_segments,
)
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.streams import Part, join_parts

from .display_metadata import kept_exif
from .jpeg_end import Frame, end_of_data

__all__ = ["jpeg_parts", "jpeg_parts_to_scale"]

_APP14 = 0xEE

_METADATA = re.compile(rb"\xff[\xe0-\xef\xfe]")  # APPn segments and comments
_EXIF = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)
_XMP = re.compile(rb"\xff\xe1..http://ns\.adobe\.com/xap/1\.0/\0", re.DOTALL)
# Of the APPn segments, only these affect colors. The others are metadata, or contain other images.
_JFIF = re.compile(rb"\xff\xe0..JFIF\0", re.DOTALL)
_PROFILE = re.compile(rb"\xff\xe2..ICC_PROFILE\0", re.DOTALL)
_ADOBE = re.compile(rb"\xff\xee..Adobe", re.DOTALL)
# Sizes in bytes: of what the patterns match, and of segments without a thumbnail or other data.
_HEAD_SIZE, _JFIF_SIZE, _ADOBE_SIZE = 33, 18, 16

# Each scan takes time whenever a JPEG without EOI is decoded. Programs write about 10.
_MAX_SCANS = 100

_SEARCHED_SIZE = 64 * 1024  # bytes before EOI


def jpeg_parts(file: IO[bytes], reader: BlockReader, max_pixels: int) -> list[Part]:
    """
    Return the parts of a JPEG that affect its pixels and colors, up to EOI.

    If only metadata contains the orientation or the color space, EXIF that contains only these
    values is added. The pixels are decoded only if the last scan is not followed by EOI, to find
    the end of its data. EOI is then added unless the data is truncated.

    Raise ``MalformedImage`` if there is no scan, if there are too many segments, or if the end of
    the data cannot be found, for example because there are more than ``max_pixels`` pixels.
    """
    image = _Jpeg(reader)
    parts = [*image.head(), *join_parts(image.scans())]
    scan = image.last_scan
    if image.is_scan_followed_by_end and not _is_doubtful(reader, scan):
        return [*parts, range(scan.start, scan.stop + len(JPEG_END))]
    try:
        end = image.end_of_data(file, parts, max_pixels)
    except MalformedImage:
        if not image.is_scan_followed_by_end:
            raise
        end = None
    has_end = image.has_end or (end is not None and image.has_all_coefficients())
    return [*parts, range(scan.start, end or scan.stop), JPEG_END if has_end else b""]


def jpeg_parts_to_scale(reader: BlockReader) -> list[Part]:
    """
    Return the parts of a JPEG without the metadata before its first scan.

    EXIF is added as described for :func:`jpeg_parts`. The rest of the file is not searched for
    metadata, because this would take longer than reading the head. Raise ``MalformedImage`` in the
    same cases.
    """
    image = _Jpeg(reader, head_only=True)
    return join_parts([*image.head(), image.last_scan])


def _is_doubtful(reader: BlockReader, scan: range) -> bool:
    """Return whether a scan may include data after the image, and so the EOI after it as well."""
    start = max(scan.start, scan.stop - _SEARCHED_SIZE)
    return bool(NOT_IN_SCAN.search(reader.read(start, scan.stop - start)))


class _Jpeg:
    """A JPEG whose segments are read in order: first :meth:`head`, then :meth:`scans`."""

    # The first EXIF and XMP, each with the signature of its segment.
    _exif = _xmp = b""
    # The JFIF segment without its thumbnail, and whether there is a color profile.
    _jfif: Part = b""
    _has_profile = False
    #: The beginning of the frame header, and whether the first scan is also the last.
    frame = b""
    has_one_scan = False
    #: Whether there is EOI, and whether it is directly after the last scan.
    has_end = is_scan_followed_by_end = False

    def __init__(self, reader: BlockReader, *, head_only: bool = False) -> None:
        self._reader = reader
        self._segments = jpeg_segments(reader, head_only=head_only)
        self.last_scan = range(0)
        self._scans: list[Scan] = []
        self._scan_count = 0

    def head(self) -> list[Part]:
        """Return the parts to keep before the first scan, with new EXIF if it is necessary."""
        others = join_parts(self._others_in_head())
        exif = kept_exif(self._exif, self._xmp, has_profile=self._has_profile)
        return [range(2), self._jfif, exif and jpeg_segment(APP1, exif), *others]

    def _others_in_head(self) -> Iterator[Part]:
        """Yield the parts to keep before the first scan, except JFIF and EXIF."""
        code, segment = next(self._segments)
        while code != SOS:
            head = self._reader.read(segment.start, min(len(segment), _HEAD_SIZE))
            if _METADATA.match(head):
                yield self._kept_metadata(head, segment)
            else:
                self.frame = head if code in SOF_CODES else self.frame
                yield segment
            code, segment = next(self._segments)
        self._add_scan(segment)
        is_sequential = self._frame_code in SEQUENTIAL_CODES
        self.has_one_scan = is_sequential and self.has_all_coefficients()

    @property
    def _frame_code(self) -> int:
        return self.frame[1] if self.frame else 0

    def _add_scan(self, scan: range) -> None:
        self.last_scan = scan
        self._scan_count += 1
        if self._scan_count <= _MAX_SCANS:
            with suppress(MalformedImage):  # Such a scan has no coefficients.
                self._scans.append(read_scan(self._reader, scan))

    def has_all_coefficients(self) -> bool:
        """Return whether the scans up to now contain each bit of each coefficient."""
        is_progressive = self._frame_code in PROGRESSIVE_CODES
        return has_all_coefficients(self.frame[10::3], self._scans, is_progressive=is_progressive)

    def end_of_data(self, file: IO[bytes], parts: list[Part], max_pixels: int) -> int | None:
        """Return the end of the last scan's data, which follows these parts, or ``None``."""
        if self._scan_count > _MAX_SCANS:
            raise MalformedImage("the JPEG has no end marker, and has too many scans")
        scan, frame = self.last_scan, Frame(self.frame)
        return end_of_data(
            file, parts, scan, frame, has_one_scan=self.has_one_scan, max_pixels=max_pixels
        )

    def _kept_metadata(self, head: bytes, segment: range) -> Part:
        if _JFIF.match(head):
            # Remove the thumbnail, because it may show parts that were cropped from the image.
            is_plain = len(segment) <= _JFIF_SIZE
            self._jfif = self._jfif or (
                segment if is_plain else jpeg_segment(APP0, head[4:16] + bytes(2))
            )
        elif _PROFILE.match(head):
            self._has_profile = True
            return segment
        elif _ADOBE.match(head):
            is_plain = len(segment) <= _ADOBE_SIZE
            return segment if is_plain else jpeg_segment(_APP14, head[4:_ADOBE_SIZE])
        elif _EXIF.match(head):
            self._exif = self._exif or self._reader.read(segment.start + 4, len(segment) - 4)
        elif _XMP.match(head):
            self._xmp = self._xmp or self._reader.read(segment.start + 4, len(segment) - 4)
        return b""

    def scans(self) -> Iterator[Part]:
        """Yield the parts to keep after the header and before the last scan."""
        between: list[Part] = []
        for code, segment in self._segments:
            if code == EOI:
                self.has_end = True
                self.is_scan_followed_by_end = segment.start == self.last_scan.stop
            elif self.has_one_scan or _METADATA.match(b"\xff%c" % code):
                continue
            elif code == SOS:
                yield self.last_scan
                yield from between
                between = []
                self._add_scan(segment)
            else:
                between.append(segment)
