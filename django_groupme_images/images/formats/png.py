"""The chunks of a PNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from django_groupme_images.images.block_reader import BlockReader

from .malformed import MAX_PARTS, MalformedImage, limited

__all__ = ["PNG_END", "PNG_SIGNATURE", "png_chunks"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"


def png_chunks(reader: BlockReader) -> Iterator[tuple[bytes, range]]:
    """
    Yield the type and the position of each chunk of a PNG, up to IEND or to a malformed chunk.

    Raise ``MalformedImage`` if there is no image data, or if there are too many chunks.
    """
    return limited(_png_chunks(reader), MAX_PARTS)


def _png_chunks(reader: BlockReader) -> Iterator[tuple[bytes, range]]:
    end, chunk_type, has_data = len(PNG_SIGNATURE), b"", False
    while chunk_type != b"IEND":
        start = end
        length, chunk_type = struct.unpack(">L4s", reader.read(start, 8).ljust(8, b"\0"))
        end += 12 + length
        has_data = has_data or chunk_type == b"IDAT"
        if not chunk_type.isalpha() or (end > reader.size and not has_data):
            break
        yield chunk_type, range(start, min(end, reader.size))
    if not has_data:
        raise MalformedImage("the PNG is damaged or truncated before its image data")
