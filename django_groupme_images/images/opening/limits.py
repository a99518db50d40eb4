"""Views of image files that limit the metadata which Pillow parses."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.exif import has_valid_directory
from django_groupme_images.images.formats.gif import gif_blocks, gif_header
from django_groupme_images.images.formats.jpeg import APP0, SOS, is_exif_segment, jpeg_segments
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.formats.png import PNG_SIGNATURE, png_chunks
from django_groupme_images.images.streams import BUFFER_SIZE, Part, SplicedFile, join_parts

__all__ = ["LimitedReader", "limited_parts", "limited_view"]

# A cost is a number of bytes that Pillow copies or unpacks when it opens a file. Metadata of this
# cost is enough for ordinary files, and takes Pillow a tenth of a second.
_MAX_METADATA_COST = 512 * 1024
# The limit for headers, tables, and palettes. Programs write a few thousand bytes.
_MAX_TABLES_COST = 64 * 1024
# Even an empty segment, chunk, or extension takes time and memory.
_COST_PER_PART = 256
# Pillow reads a GIF in sub-blocks, which may have only one byte each.
_COST_PER_GIF_BYTE = 16
# Deflate expands data by at most this factor.
_COST_PER_COMPRESSED_BYTE = 1032

# The maximum number of calls of read(), and of bytes, with which Pillow may open a file of another
# format.
_MAX_READS, _MAX_BYTES_READ = 25_000, 4 * 1024 * 1024

_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_MAX_TIFF_ENTRIES = 1_000  # Programs write about 20.
# Memory in bytes for the values of a TIFF's directory. It is enough for the offsets and the sizes
# of 20,000 strips.
_MAX_TIFF_MEMORY = 40_000 * 32
# Memory in bytes for one value of each TIFF type. Pillow makes an object of each number.
_TIFF_VALUE_MEMORY = {1: 1, 2: 1, 6: 1, 7: 1, 5: 256, 10: 256} | dict.fromkeys(
    (3, 4, 8, 9, 11, 12, 13), 32
)

# A part of a file: whether it is metadata, its position, and the cost of each of its bytes. Pixels
# cost nothing, because Pillow does not read them when it opens a file.
_CostedPart = tuple[bool, range, int]


def limited_view(file: IO[bytes], image_format: str) -> IO[bytes]:
    """
    Return a view of an image file without excessive metadata before its pixels.

    ``image_format`` is Pillow's name of the format. Metadata is left out of a JPEG, PNG, GIF, or
    TIFF. The view of any other file, and of a TIFF, raises ``OSError`` if too much of it is read.
    The view reads ``file``, and is ``file`` itself if nothing needs to be left out or limited.

    Raise ``MalformedImage`` if the structure of the file is invalid, or if it has too many
    tables. Exceptions of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    whole: list[Part] = [range(reader.size)]
    if image_format not in _COSTED_PARTS:
        parts = _limited_tiff(reader) if image_format == "TIFF" else whole
        return LimitedReader(SplicedFile(file, parts), reader.size)
    parts = join_parts(part for _, part in limited_parts(reader, image_format))
    if parts == whole:
        return file
    return io.BufferedReader(SplicedFile(file, parts), BUFFER_SIZE)


def limited_parts(reader: BlockReader, image_format: str) -> Iterator[tuple[bool, range]]:
    """
    Yield the parts of a JPEG, PNG, or GIF without excessive metadata, and whether it is metadata.

    The last part contains the pixels and extends to the end of the file. Exceptions are as for
    :func:`limited_view`.
    """
    return _within_limits(_COSTED_PARTS[image_format](reader))


def _within_limits(parts: Iterable[_CostedPart]) -> Iterator[tuple[bool, range]]:
    """Yield the parts without the metadata that exceeds the limit."""
    left = {True: _MAX_METADATA_COST, False: _MAX_TABLES_COST}
    for is_metadata, part, cost_per_byte in parts:
        cost = cost_per_byte and cost_per_byte * len(part) + _COST_PER_PART
        if cost <= left[is_metadata]:
            left[is_metadata] -= cost
            yield is_metadata, part
        elif not is_metadata:
            raise MalformedImage("the file has too many tables")


def _costed_jpeg(reader: BlockReader) -> Iterator[_CostedPart]:
    yield False, range(2), 1
    segments = jpeg_segments(reader, head_only=True)
    is_exif_valid: bool | None = None
    code, segment = next(segments)
    while code != SOS:
        is_exif = is_exif_segment(reader, code, segment)
        if is_exif and is_exif_valid is None:
            # Pillow copies the values of the first EXIF directory to find the resolution.
            exif = reader.read(segment.start + 4, len(segment) - 4)
            is_exif_valid = has_valid_directory(exif)
        if is_exif_valid or not is_exif:
            yield code >= APP0, segment, 1
        code, segment = next(segments)
    yield False, segment, 0


def _costed_png(reader: BlockReader) -> Iterator[_CostedPart]:
    yield False, range(len(PNG_SIGNATURE)), 1
    chunks = png_chunks(reader)
    chunk_type, chunk = next(chunks)
    while chunk_type != b"IDAT":
        is_compressed = _is_compressed_text(reader, chunk_type, chunk)
        is_ancillary = chunk_type[:1].islower()
        yield is_ancillary, chunk, _COST_PER_COMPRESSED_BYTE if is_compressed else 1
        chunk_type, chunk = next(chunks)
    yield False, range(chunk.start, reader.size), 0


def _is_compressed_text(reader: BlockReader, chunk_type: bytes, chunk: range) -> bool:
    # The color profile is also compressed, but check_png() rejects a second one.
    if chunk_type == b"iTXt":
        _, _, flags = reader.read(chunk.start + 8, 81).partition(b"\0")
        return flags[:1] != b"\0"
    return chunk_type == b"zTXt"


def _costed_gif(reader: BlockReader) -> Iterator[_CostedPart]:
    yield False, gif_header(reader), 1
    for block_type, block in gif_blocks(reader, head_only=True):
        # Leave out extensions without data, because Pillow misreads what follows them.
        if len(block) > 3:
            yield True, block, _COST_PER_GIF_BYTE if block_type == b"!" else 0


_COSTED_PARTS: dict[str, Callable[[BlockReader], Iterator[_CostedPart]]] = {
    "JPEG": _costed_jpeg,
    "PNG": _costed_png,
    "GIF": _costed_gif,
}


def _limited_tiff(reader: BlockReader) -> list[Part]:
    """
    Return the parts of a TIFF without the excessive values of its first directory.

    Raise ``MalformedImage`` if there is no such directory. BigTIFF is not supported.
    """
    try:
        byte_order = _TIFF_BYTE_ORDERS[reader.read(0, 4)]
        (start,) = struct.unpack(byte_order + "L", reader.read(4, 4))
        (count,) = struct.unpack(byte_order + "H", reader.read(start, 2))
    except (KeyError, struct.error):
        raise MalformedImage("the TIFF has no directory") from None
    start, length = start + 2, 12 * count
    entries = bytearray(reader.read(start, length)) if count <= _MAX_TIFF_ENTRIES else bytearray()
    if len(entries) != length:
        raise MalformedImage("the directory of the TIFF is truncated or too long")
    _drop_excessive_values(entries, byte_order)
    return [range(start), bytes(entries), range(start + length, reader.size)]


def _drop_excessive_values(entries: bytearray, byte_order: str) -> None:
    # An entry gets the type 0, which does not exist, so that Pillow ignores its value. The entry
    # itself stays, so that the offsets in the file remain correct.
    left = _MAX_TIFF_MEMORY
    for offset in range(0, len(entries), 12):
        value_type, count = struct.unpack_from(byte_order + "HL", entries, offset + 2)
        memory = count * _TIFF_VALUE_MEMORY.get(value_type, 0)
        if memory > left:
            entries[offset + 2 : offset + 4] = bytes(2)
        else:
            left -= memory


class LimitedReader(io.BufferedReader):
    """A file that raises ``OSError`` after too many calls of ``read()``, or too many bytes."""

    def __init__(self, file: SplicedFile, size: int) -> None:
        super().__init__(file, BUFFER_SIZE)
        self._size = size
        self._reads_left, self._bytes_left = _MAX_READS, _MAX_BYTES_READ

    def lift_limits(self) -> None:
        """Let the file be read without limits, for example to decode its pixels."""
        self._reads_left = self._bytes_left = sys.maxsize

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if size is None or size < 0:
            # Pillow reads a whole WebP or AVIF. With the size, this needs less memory.
            size = self._size
        else:
            self._bytes_left -= size
        if self._reads_left < 0 or self._bytes_left < 0:
            raise OSError("the header of the file is too large")
        return super().read(size)
