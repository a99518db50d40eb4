"""Size and coding of a JPEG or PNG, read from its header without decoding anything."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

from django_groupme_images.images.block_reader import BlockReader

from .jpeg import SEQUENTIAL_CODES, SOF_CODES, SOS, jpeg_segments
from .malformed import MalformedImage
from .png import png_chunks

__all__ = ["JpegHeader", "PngHeader", "read_header"]

# A decoder draws the whole JPEG again for each scan. Programs write about 10 scans.
_MAX_SCANS = 100


@dataclass(frozen=True)
class JpegHeader:
    """The width and height of a JPEG in pixels, its SOF code, and its number of components."""

    width: int
    height: int
    sof: int
    components: int

    @property
    def is_lossless(self) -> bool:
        """Whether the JPEG has a lossless coding, which is always decoded at its full size."""
        return self.sof & 3 == 3

    def largest_scale(self, width: int, height: int) -> int:
        """Return the largest divisor with which a decoder draws at least this size in pixels."""
        if self.is_lossless:
            return 1
        scales = (s for s in (8, 4, 2) if width * s <= self.width and height * s <= self.height)
        return next(scales, 1)

    def pixels(self, scale: int) -> int:
        """Return the number of pixels if the width and the height are divided by ``scale``."""
        return -(-self.width // scale) * -(-self.height // scale)

    def is_decoded_by_row(self, file: IO[bytes]) -> bool:
        """
        Return whether a decoder needs memory only for the pixels of the result.

        Otherwise, the JPEG has several scans, and the decoder keeps the coefficients of the whole
        image, even if it decodes at a reduced scale. Raise ``MalformedImage`` if there are more
        than 100 scans.
        """
        reader = BlockReader(file)
        if self.sof in SEQUENTIAL_CODES:
            *_, (_, scan) = jpeg_segments(reader, head_only=True)
            # A scan may also contain only some of the components.
            if reader.read(scan.start + 4, 1)[0] == self.components:
                return True
        if sum(code == SOS for code, _ in jpeg_segments(reader)) > _MAX_SCANS:
            raise MalformedImage("the JPEG has too many scans")
        return False


@dataclass(frozen=True)
class PngHeader:
    """The width and height of a PNG in pixels, its bits per sample, and whether it is animated."""

    width: int
    height: int
    bits: int
    is_animated: bool


def read_header(file: IO[bytes], image_format: str) -> JpegHeader | PngHeader:
    """
    Return the header of a file whose format is ``"JPEG"`` or ``"PNG"``.

    Only the beginning of the file is read. Raise ``MalformedImage`` if it has no header. Exceptions
    of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    return _jpeg_header(reader) if image_format == "JPEG" else _png_header(reader)


def _jpeg_header(reader: BlockReader) -> JpegHeader:
    for code, segment in jpeg_segments(reader, head_only=True):
        if code in SOF_CODES and len(segment) >= 10:
            height, width, components = struct.unpack(">HHB", reader.read(segment.start + 5, 5))
            return JpegHeader(width, height, code, components)
    raise MalformedImage("the header of the JPEG contains no dimensions")


def _png_header(reader: BlockReader) -> PngHeader:
    chunks = png_chunks(reader)
    chunk_type, chunk = next(chunks)
    if chunk_type != b"IHDR" or len(chunk) != 25:
        raise MalformedImage("the header of the PNG contains no dimensions")
    width, height, bits = struct.unpack(">LLB", reader.read(chunk.start + 8, 9))
    is_animated = False
    while chunk_type != b"IDAT":
        is_animated = is_animated or chunk_type == b"acTL"
        chunk_type, _ = next(chunks)
    return PngHeader(width, height, bits, is_animated)
