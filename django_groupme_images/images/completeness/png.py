"""Completeness of the image data in a PNG without IEND."""

from __future__ import annotations

import struct
import zlib

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.png import png_chunks

__all__ = ["has_all_pixels_of_png"]

# Channels by color type. The colors of a palette are one channel.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# The first column and row, and the distances between columns and rows, of each pass of Adam7.
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_WITHOUT_PASSES = ((0, 0, 1, 1),)

# Bytes that are read and decompressed at a time.
_BLOCK_SIZE = 64 * 1024


def has_all_pixels_of_png(reader: BlockReader, max_pixels: int) -> bool:
    """
    Return whether the image data of a PNG is complete. In an APNG, this includes all frames.

    The data is decompressed in blocks. If there are more than ``max_pixels`` pixels in all frames,
    return ``False``. Exceptions of the file's own methods are not caught.
    """
    try:
        return _has_all_pixels(reader, _Header(reader.read(16, 13)), max_pixels)
    except (zlib.error, struct.error, KeyError):
        return False


def _has_all_pixels(reader: BlockReader, header: _Header, pixels_left: int) -> bool:
    size, stream, frames, declared_frames = header.size, None, 0, 0
    for chunk_type, chunk in png_chunks(reader):
        content = range(chunk.start + 8, chunk.stop - 4)
        if chunk_type == b"acTL":
            (declared_frames,) = struct.unpack(">L", reader.read(content.start, 4))
        elif chunk_type == b"fcTL":
            if stream and not stream.is_complete:
                return False
            size, stream = struct.unpack(">LL", reader.read(content.start + 4, 8)), None
            frames += 1
        elif chunk_type in (b"IDAT", b"fdAT"):
            if not stream:
                stream = _Stream(header.data_size(*size))
                pixels_left -= size[0] * size[1]
                if pixels_left < 0:
                    return False
            # The data of a frame follows its number.
            stream.add(reader, content[4:] if chunk_type == b"fdAT" else content)
    return stream is not None and stream.is_complete and frames >= declared_frames


class _Header:
    """The content of IHDR. Raise ``struct.error`` or ``KeyError`` if it is invalid."""

    def __init__(self, content: bytes) -> None:
        width, height, depth, color_type, interlace = struct.unpack(">LLBBxxB", content)
        self.size: tuple[int, int] = (width, height)
        self._bits = depth * _CHANNELS[color_type]
        self._passes = _ADAM7 if interlace else _WITHOUT_PASSES

    def data_size(self, width: int, height: int) -> int:
        """Return the size in bytes of the decompressed data of a frame with this size in pixels."""
        total = 0
        for column, row, columns, rows in self._passes:
            pass_width = -(-(width - column) // columns)
            pass_height = -(-(height - row) // rows)
            if pass_width > 0:
                # A byte before each row is the number of a filter.
                total += pass_height * (1 + (pass_width * self._bits + 7) // 8)
        return total


class _Stream:
    """The compressed data of a frame, which should expand to ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._decompressor = zlib.decompressobj()

    @property
    def is_complete(self) -> bool:
        return self._decompressor.eof and self._left == 0

    def add(self, reader: BlockReader, positions: range) -> None:
        """Decompress the data at the positions. Raise ``zlib.error`` if it is damaged."""
        for start in positions[::_BLOCK_SIZE]:
            data = reader.read(start, min(_BLOCK_SIZE, positions.stop - start))
            while self._left >= 0 and not self._decompressor.eof:
                output = self._decompressor.decompress(data, _BLOCK_SIZE)
                self._left -= len(output)
                data = self._decompressor.unconsumed_tail
                if not data and len(output) < _BLOCK_SIZE:
                    break
