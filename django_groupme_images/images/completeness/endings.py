"""The image data of files, completed with the end of the file if it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.gif import unterminated_frame
from django_groupme_images.images.formats.jpeg import JPEG_END
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.formats.png import PNG_END, png_chunks
from django_groupme_images.images.streams import Part

from .jpeg import end_of_complete_jpeg, has_eoi

__all__ = ["image_data"]

_GIF_END = b"\0;"

# The ancillary chunks that are read after the first image data: frames and the orientation.
_KEPT_CHUNKS = (b"fcTL", b"fdAT", b"eXIf")


def image_data(file: IO[bytes], image_format: str, start: int, max_pixels: int) -> list[Part]:
    """
    Return the parts of a JPEG, PNG, or GIF from the position where the image data starts.

    If the end of the file is missing, it is added, except to a JPEG whose image data is incomplete
    or that has more than ``max_pixels`` pixels. With an end, its decoder would not detect that
    image data is also missing. Exceptions of the file's own methods are not caught.
    """
    reader = BlockReader(file)
    try:
        if image_format == "PNG":
            return list(_png_data(reader, start))
        if image_format == "GIF":
            frame = unterminated_frame(reader)
            end, ending = frame.stop if frame else None, _GIF_END
        else:
            end, ending = _end_of_jpeg(file, start, max_pixels), JPEG_END
    except MalformedImage:  # A decoder raises a more specific exception, or tolerates it.
        end = None
    return [range(start, reader.size)] if end is None else [range(start, end), ending]


def _png_data(reader: BlockReader, start: int) -> Iterator[Part]:
    for chunk_type, chunk in png_chunks(reader):
        is_kept = chunk_type[:1].isupper() or chunk_type in _KEPT_CHUNKS
        if is_kept and chunk_type != b"IEND" and chunk.start >= start:
            yield chunk
    yield PNG_END


def _end_of_jpeg(file: IO[bytes], start: int, max_pixels: int) -> int | None:
    """Return where the data of a JPEG ends if it has no EOI, but complete data, or ``None``."""
    reader = BlockReader(file)
    if reader.read(reader.size - 2, 2) == JPEG_END or has_eoi(reader, start):
        return None
    return end_of_complete_jpeg(file, max_pixels)
