"""
Checks of the structure of image files.

Files that pass contain all of their pixels, unless these are damaged, and their metadata can be
removed. The files are read in blocks, and their positions afterwards are undefined.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.gif import unterminated_frame
from django_groupme_images.images.formats.jpeg import EOI, SOS, is_exif_segment, jpeg_segments
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.formats.png import png_chunks

from .gif import has_all_pixels_of_gif_frame
from .jpeg import end_of_complete_jpeg, has_eoi
from .png import has_all_pixels_of_png

__all__ = ["check_gif", "check_jpeg", "check_png", "check_webp"]

# The limits below bound the time and the memory that a malicious file takes here, in Pillow, and in
# the decoders of the image service. Files written by programs are far below them.

# Cameras write EXIF once, and a few write it twice.
_MAX_EXIFS = 100
_TOO_MUCH_EXIF = "the file has too much EXIF metadata"

# Decoders draw the whole JPEG again for each scan. Programs write about 10 scans.
_MAX_SCANS = 1_000

# The maximum count of a type of PNG chunk, and the message if there are more. The PNG
# specification allows one color profile, but decoders unpack each one that they find.
_MAX_CHUNKS = {
    b"eXIf": (_MAX_EXIFS, _TOO_MUCH_EXIF),
    b"iCCP": (1, "the PNG has more than one color profile"),
}
# The frames of an APNG are in ancillary chunks. Others are not image data.
_FRAME_CHUNKS = (b"acTL", b"fcTL", b"fdAT")

# A WebP has at most two chunks for each of its frames.
_MAX_WEBP_CHUNKS = 20_000
_WEBP_METADATA, _MAX_WEBP_METADATA_SIZE = (b"ICCP", b"EXIF", b"XMP "), 2 * 1024 * 1024


def check_jpeg(file: IO[bytes], max_pixels: int) -> None:
    """
    Raise ``MalformedImage`` if this JPEG is truncated or exceeds a limit.

    It is decoded only if it has no EOI, in which case it may have at most ``max_pixels`` pixels.
    Exceptions of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    first_scan, last_code = _check_segments(reader)
    has_end = last_code == EOI or has_eoi(reader, first_scan)
    if not has_end and end_of_complete_jpeg(file, max_pixels) is None:
        raise MalformedImage("the JPEG has no end marker, and its image data is incomplete")


def _check_segments(reader: BlockReader) -> tuple[int, int]:
    """Check the segments, and return the start of the first scan and the last segment's code."""
    first_scan = code = exifs = scans = 0
    for code, segment in jpeg_segments(reader):
        if is_exif_segment(reader, code, segment):
            exifs += 1
        elif code == SOS:
            first_scan = first_scan or segment.start
            scans += 1
            if scans > _MAX_SCANS:
                raise MalformedImage("the JPEG has too many scans")
    if exifs > _MAX_EXIFS:
        raise MalformedImage(_TOO_MUCH_EXIF)
    return first_scan, code


def check_png(file: IO[bytes], max_pixels: int) -> None:
    """
    Raise ``MalformedImage`` if this PNG is truncated or damaged, or exceeds a limit.

    The checksums of all chunks except metadata are verified. The pixels are decompressed only if
    there is no IEND, in which case there may be at most ``max_pixels`` of them. Exceptions of
    ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    has_end = False
    for number, (chunk_type, chunk) in enumerate(_limited_chunks(reader)):
        if number == 0 and chunk_type != b"IHDR":  # Apple's variant begins with CgBI.
            raise MalformedImage("the PNG does not start with its header")
        is_whole = len(chunk) == 12 + int.from_bytes(reader.read(chunk.start, 4), "big")
        has_end = is_whole and chunk_type == b"IEND"
        is_image = chunk_type[:1].isupper() or chunk_type in _FRAME_CHUNKS
        if is_image and not (_has_checksum(reader, chunk) if is_whole else chunk_type == b"IEND"):
            raise MalformedImage("the PNG is damaged or truncated")
    if not has_end and not has_all_pixels_of_png(reader, max_pixels):
        raise MalformedImage("the PNG is truncated")


def _limited_chunks(reader: BlockReader) -> Iterator[tuple[bytes, range]]:
    """Yield the chunks, and raise ``MalformedImage`` if there are too many of one type."""
    left = {chunk_type: max_count for chunk_type, (max_count, _) in _MAX_CHUNKS.items()}
    for chunk_type, chunk in png_chunks(reader):
        if chunk_type in left:
            left[chunk_type] -= 1
            if left[chunk_type] < 0:
                raise MalformedImage(_MAX_CHUNKS[chunk_type][1])
        yield chunk_type, chunk


def _has_checksum(reader: BlockReader, chunk: range) -> bool:
    checksum = reader.checksum(chunk.start + 4, chunk.stop - 4)
    return reader.read(chunk.stop - 4, 4) == checksum.to_bytes(4, "big")


def check_gif(file: IO[bytes], max_pixels: int) -> None:
    """
    Raise ``MalformedImage`` if a block of this GIF is truncated, or if there are too many.

    Pixels are decoded only if the last frame has no block terminator, in which case it may have at
    most ``max_pixels`` of them. Exceptions of ``file.read()`` are not caught.
    """
    frame = unterminated_frame(BlockReader(file))
    if frame and not has_all_pixels_of_gif_frame(file, frame, max_pixels):
        raise MalformedImage("the GIF is truncated")


def check_webp(file: IO[bytes], max_pixels: int) -> None:
    """
    Raise ``MalformedImage`` if this WebP is truncated, or has too much metadata or too many chunks.

    Its pixels are not decoded. Exceptions of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    start, stop = 12, 8 + int.from_bytes(reader.read(4, 4), "little")
    if stop > reader.size:
        raise MalformedImage("the WebP file is truncated")
    for _ in range(_MAX_WEBP_CHUNKS):
        if start >= stop:
            return
        chunk_type, length = struct.unpack("<4sL", reader.read(start, 8).ljust(8, b"\0"))
        start += 8 + length + length % 2
        if chunk_type in _WEBP_METADATA and length > _MAX_WEBP_METADATA_SIZE:
            raise MalformedImage("the WebP file has too much metadata")
    raise MalformedImage("the WebP file has too many chunks")
