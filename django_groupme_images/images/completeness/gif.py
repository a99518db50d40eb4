"""Completeness of the data of a GIF's frame that has no block terminator."""

from __future__ import annotations

import io
import struct
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.streams import BUFFER_SIZE, SplicedFile

__all__ = ["has_all_pixels_of_gif_frame"]

_DESCRIPTOR = struct.Struct("<xxxxxHHB")
_INTERLACED, _HAS_PALETTE, _PALETTE_SIZE = 64, 128, 7


def has_all_pixels_of_gif_frame(file: IO[bytes], frame: range, max_pixels: int) -> bool:
    """
    Return whether the data of a GIF's frame contains all pixels, at most ``max_pixels``.

    ``frame`` is the position of the frame, up to the end of its last data sub-block. It is decoded
    with one byte for each pixel. Exceptions of the file's own methods are not caught, except for
    ``OSError``.
    """
    from PIL.GifImagePlugin import GifImageFile

    descriptor = BlockReader(file).read(frame.start, _DESCRIPTOR.size)
    width, height, flags = _DESCRIPTOR.unpack(descriptor)
    if width * height > max_pixels:
        return False
    data_start = frame.start + _DESCRIPTOR.size
    if flags & _HAS_PALETTE:
        data_start += 3 << (flags & _PALETTE_SIZE) + 1
    # A GIF without a palette, which contains only this frame.
    head = struct.pack("<6sHHxxx", b"GIF89a", width, height)
    head += struct.pack("<cxxxxHHB", b",", width, height, flags & _INTERLACED)
    view = SplicedFile(file, [head, range(data_start, frame.stop), b"\0;"])
    try:
        with GifImageFile(io.BufferedReader(view, BUFFER_SIZE)) as image:
            image.load()
    except (OSError, SyntaxError):  # Pillow raises both for invalid files.
        return False
    return True
