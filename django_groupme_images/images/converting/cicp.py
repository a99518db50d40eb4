"""Color codes (CICP) in the container of AVIF files, which Pillow does not expose."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.iso_boxes import find_boxes, iter_boxes

from .color_profiles import ColorCode

__all__ = ["avif_color_code"]

# Limit in bytes for malicious files.
_MAX_PROPERTIES_SIZE = 64 * 1024


def avif_color_code(file: IO[bytes]) -> ColorCode | None:
    """
    Return the color code of the primary image in an AVIF file, or ``None`` if there is none.

    Exceptions of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    try:
        meta = next(find_boxes(reader, range(reader.size), b"meta"))
        boxes = range(meta.start + 4, meta.stop)  # The version and flags come first.
        primary_item = _read(reader, next(find_boxes(reader, boxes, b"pitm")))[4:]
        item_id = int.from_bytes(primary_item, "big")
        associations = _read(reader, next(find_boxes(reader, boxes, b"iprp", b"ipma")))
        indexes = next(i for found, i in _associations(associations) if found == item_id)
        properties = next(find_boxes(reader, boxes, b"iprp", b"ipco"))
        containers = [box for _, box in iter_boxes(reader, properties)]
        colors = [_read(reader, containers[i - 1]) for i in indexes if i]
        codes = [struct.unpack_from(">2H", color, 4) for color in colors if color[:4] == b"nclx"]
    except (IndexError, StopIteration, struct.error):
        return None
    return ColorCode(*codes[0]) if codes else None


def _read(reader: BlockReader, box: range) -> bytes:
    return reader.read(box.start, min(len(box), _MAX_PROPERTIES_SIZE))


def _associations(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """Yield the ID of each item, and the indexes of its properties, which begin with 1."""
    version, flags, count = data[0], data[3], int.from_bytes(data[4:8], "big")
    id_size, index_size = 4 if version else 2, 2 if flags & 1 else 1
    position = 8
    for _ in range(count):
        item_id = int.from_bytes(data[position : position + id_size], "big")
        start = position + id_size + 1
        position = start + index_size * data[start - 1]
        entries = data[start:position]
        # The highest bit of an entry is set if the property is essential.
        yield (
            item_id,
            [
                int.from_bytes(entries[i : i + index_size], "big") & (1 << 8 * index_size - 1) - 1
                for i in range(0, len(entries), index_size)
            ],
        )
