"""Boxes of the ISO base media file format, the container of AVIF and HEIF files."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from django_groupme_images.images.block_reader import BlockReader

__all__ = ["find_boxes", "iter_boxes"]

# Boxes of the same parent that are read. Files written by programs have about 20.
_MAX_BOXES = 1_000


def iter_boxes(reader: BlockReader, parent: range) -> Iterator[tuple[bytes, range]]:
    """
    Yield the type and the position of the content of each box in a range of the file.

    Stop at a box that is malformed or cut off. Exceptions of ``file.read()`` are not caught.
    """
    start = parent.start
    for _ in range(_MAX_BOXES):
        if start + 8 > parent.stop:
            return
        size, box_type = struct.unpack(">L4s", reader.read(start, 8).ljust(8, b"\0"))
        content = start + 8
        if size == 1:
            size = int.from_bytes(reader.read(content, 8), "big")
            content += 8
        stop = start + size if size else parent.stop
        if not content <= stop <= parent.stop:
            return
        yield box_type, range(content, stop)
        start = stop


def find_boxes(reader: BlockReader, parent: range, *path: bytes) -> Iterator[range]:
    """Yield the position of the content of each box whose type and parents match the path."""
    name, *rest = path
    for box_type, content in iter_boxes(reader, parent):
        if box_type == name:
            if rest:
                yield from find_boxes(reader, content, *rest)
            else:
                yield content
