"""
Completeness of a JPEG without an EOI marker.

A decoder reads zeros after the end of a file. The image data is complete if appending other data
results in the same pixels.
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from typing import IO

from django_groupme_images.images.bands import pixel_digest
from django_groupme_images.images.block_reader import BLOCK_SIZE, BlockReader
from django_groupme_images.images.formats.jpeg import JPEG_END
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.streams import BUFFER_SIZE, Part, SplicedFile

from .jpeg_copies import JpegCopy, copies_of_last_scan
from .jpeg_scans import JpegScans, read_scans

__all__ = ["end_of_complete_jpeg", "has_eoi"]

# The maximum number of scans of a JPEG that has as many pixels as are allowed.
_MAX_SCANS_OF_LARGEST = 10

# The first byte and the first restart marker of each continuation. The bytes differ in their first
# bits, because in some files, a single bit means that the rest of a block is empty.
_CONTINUATIONS = [(0xFE, 0), (0x5A, 4), (0xB3, 2)]


def end_of_complete_jpeg(file: IO[bytes], max_pixels: int) -> int | None:
    """
    Return the position where the data of the last scan ends, or ``None`` if it is truncated.

    The file has no EOI marker there, but may have zeros or other bytes. ``None`` is also returned
    if a scan is missing, if there are more than ``max_pixels`` pixels or 100 scans, if these take
    too long to decode, or if the JPEG is not Huffman-coded with 8 bits for each color. Exceptions
    of the file's own methods are not caught, except for ``OSError``.
    """
    reader = BlockReader(file)
    try:
        jpeg = read_scans(reader)
    except MalformedImage:
        return None
    pixels = jpeg.frame.width * jpeg.frame.height
    is_slow = pixels * len(jpeg.scans) > max_pixels * _MAX_SCANS_OF_LARGEST
    if pixels > max_pixels or is_slow or not jpeg.has_all_coefficients():
        return None
    try:
        return _find_end(reader, jpeg.scans[-1].data, _Decoder(file, jpeg))
    except (OSError, SyntaxError):  # Pillow raises both for invalid files.
        return None


def has_eoi(reader: BlockReader, start: int) -> bool:
    """Return whether there is an EOI marker at or after the position, also in damaged data."""
    positions = range(start, reader.size, BLOCK_SIZE - 1)
    return any(JPEG_END in reader.read(position, BLOCK_SIZE) for position in positions)


def _find_end(reader: BlockReader, data: range, decoder: _Decoder) -> int | None:
    """
    Return where the data ends, or ``None`` if it is truncated.

    Zeros and FF at its end are not part of it. As an exception, the data may end with a single
    zero, with FF 00, or with many zeros. A decoder has to need all of these zeros, because it may
    also need some of the zeros that replace a missing part of the file.
    """
    end = reader.end_without(b"\0\xff", data.start, data.stop)
    if decoder.is_complete(end):
        return end
    tail = reader.read(end, min(3, data.stop - end))
    if tail[:2] == b"\xff\0" and decoder.is_complete(end + 2):
        return end + 2
    if tail[:1] == b"\0" and decoder.is_complete(end + 1) and decoder.reads_bit(end):
        return end + 1
    end = reader.end_without(b"\xff", data.start, data.stop)
    if len(tail) > 2 and not decoder.is_complete(end - 1) and decoder.is_complete(end):
        return end
    return None


class _Decoder:
    """Decoder of copies of a JPEG, with other data at the end of its last scan."""

    def __init__(self, file: IO[bytes], jpeg: JpegScans) -> None:
        self._file = file
        self._copies = copies_of_last_scan(jpeg)
        self._start = jpeg.scans[-1].data.start

    def is_complete(self, end: int) -> bool:
        """Return whether the pixels do not depend on the data that follows the position."""
        return all(self._has_same_pixels(copy, end, _endings()) for copy in self._copies)

    def reads_bit(self, position: int) -> bool:
        """Return whether the last bit of the byte at the position affects the pixels."""
        endings = [b"\0" + JPEG_END, b"\1" + JPEG_END]
        return not all(self._has_same_pixels(copy, position, endings) for copy in self._copies)

    def _has_same_pixels(self, copy: JpegCopy, end: int, endings: list[bytes]) -> bool:
        """Return whether the pixels are the same with each of the endings."""
        data = range(self._start, end)
        digests = (self._digest(copy, [*copy.parts, data, ending]) for ending in endings)
        expected = next(digests)
        return all(digest == expected for digest in digests)

    def _digest(self, copy: JpegCopy, parts: list[Part]) -> bytes:
        from PIL.JpegImagePlugin import JpegImageFile

        view = io.BufferedReader(SplicedFile(self._file, parts), BUFFER_SIZE)
        with JpegImageFile(view) as image:
            image.draft(copy.mode, copy.size)
            image.load()
            return pixel_digest(image)


@cache
def _endings() -> list[bytes]:
    """
    Return different continuations of the data of a scan, which end with an EOI.

    The first one is an EOI alone, after which decoders read zeros. The others contain data with all
    restart markers, because a decoder that expects a marker reads only the data that follows it. A
    decoder also skips the data after the next two markers, so each continuation begins with a
    different marker.
    """
    endings = [JPEG_END]
    for first_byte, first_marker in _CONTINUATIONS:
        ending = b""
        for number in range(first_marker, first_marker + 8):
            ending += _data(first_byte, number) + b"\xff%c" % (0xD0 + number % 8)
        endings.append(ending + _data(first_byte, 0) + JPEG_END)
    return endings


def _data(first_byte: int, number: int) -> bytes:
    """Return pseudorandom bytes that are the same in each run, after ``first_byte``."""
    digest = hashlib.blake2b(bytes([number])).digest()
    return bytes([first_byte]) + digest.replace(b"\xff", b"\x7f")
