"""Views: an image file as Pillow may parse it, without excessive metadata."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from .exif import EXIF, is_plausible
from .gif import blocks, gif_header
from .optional_formats import parts_of_tiff
from .source import Source
from .splicing import Part, Spliced, joined
from .structure import (
    APP0,
    APP1,
    PNG_SIGNATURE,
    SOS,
    Broken,
    chunks,
    segments,
)

__all__ = ["limited_view"]

# Before the pixels of an image, Pillow copies and unpacks all metadata that it finds. These
# bytes are enough for the metadata of ordinary files, and take Pillow a tenth of a second.
_MOST_METADATA = 512 * 1024
# The bytes of headers, tables, and palettes. Programs write a few thousand.
_MOST_OTHERS = 64 * 1024
# A segment, chunk, or extension takes time and memory even if it is empty.
_PER_PIECE = 256
# Pillow reads a GIF in data blocks, which can have one byte each.
_PER_BYTE_OF_GIF = 16
# Compressed data is at most this many times as long when it is unpacked.
_PER_COMPRESSED_BYTE = 1032

# What Pillow may read to open a file of another format.
_MOST_READS, _MOST_BYTES = 25_000, 4 * 1024 * 1024

# Whether it is metadata, where it is in the file, and what each of its bytes costs. The pixels
# cost nothing, because Pillow does not read them.
_Piece = tuple[bool, range, int]


def limited_view(file: IO[bytes], image_format: str) -> IO[bytes]:
    """
    Return the JPEG, PNG, GIF, or TIFF without excessive metadata before its pixels.

    ``image_format`` is Pillow's name. A file of another format raises ``OSError`` when too
    much of it is read. The view reads ``file``, and is ``file`` itself if nothing is left out.
    Raises ``Broken`` and whatever reading ``file`` raises.
    """
    source = Source(file)
    whole: list[Part] = [range(source.size)]
    if image_format not in _PIECES:
        parts = parts_of_tiff(source) if image_format == "TIFF" else whole
        return _Limited(Spliced(file, parts), source.size)
    parts = joined(_affordable(_PIECES[image_format](source)))
    return file if parts == whole else io.BufferedReader(Spliced(file, parts))


class _Limited(io.BufferedReader):
    """A file whose header may be read, but not in many pieces, nor in large ones."""

    def __init__(self, file: Spliced, size: int) -> None:
        super().__init__(file)
        self._size = size
        self._reads_left, self._bytes_left = _MOST_READS, _MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if size is None or size < 0:
            size = self._size  # WebP and AVIF are read whole; in one piece, this needs less memory
        else:
            self._bytes_left -= size
        if self._reads_left < 0 or self._bytes_left < 0:
            raise OSError("a file with too much in its header")
        return super().read(size)


def _affordable(pieces: Iterable[_Piece]) -> Iterator[range]:
    left = {True: _MOST_METADATA, False: _MOST_OTHERS}
    for is_metadata, piece, per_byte in pieces:
        cost = per_byte and per_byte * len(piece) + _PER_PIECE
        if cost <= left[is_metadata]:
            left[is_metadata] -= cost
            yield piece
        elif not is_metadata:
            raise Broken("it has too many tables")


def _pieces_of_jpeg(source: Source) -> Iterator[_Piece]:
    yield False, range(2), 1
    found, harmless = segments(source), None
    code, segment = next(found)
    while code != SOS:
        is_exif = code == APP1 and source.read(segment.start + 4, len(EXIF)) == EXIF
        if is_exif and harmless is None:
            # Pillow copies the values of the first directory, to look for the resolution.
            harmless = is_plausible(source.read(segment.start + 4, len(segment) - 4))
        if harmless or not is_exif:
            yield code >= APP0, segment, 1
        code, segment = next(found)
    yield False, range(segment.start, source.size), 0


def _pieces_of_png(source: Source) -> Iterator[_Piece]:
    yield False, range(len(PNG_SIGNATURE)), 1
    found = chunks(source)
    kind, chunk = next(found)
    while kind != b"IDAT":
        compressed = _is_compressed_text(source, kind, chunk)
        yield kind[:1].islower(), chunk, _PER_COMPRESSED_BYTE if compressed else 1
        kind, chunk = next(found)
    yield False, range(chunk.start, source.size), 0


def _is_compressed_text(source: Source, kind: bytes, chunk: range) -> bool:
    # The color profile is compressed, too, but there is only one.
    if kind == b"iTXt":
        _, _, flags = source.read(chunk.start + 8, 81).partition(b"\0")
        return flags[:1] != b"\0"
    return kind == b"zTXt"


def _pieces_of_gif(source: Source) -> Iterator[_Piece]:
    yield False, gif_header(source), 1
    for kind, block in blocks(source, head_only=True):
        if len(block) > 3:  # because Pillow misreads what follows an extension without data
            yield True, block, _PER_BYTE_OF_GIF if kind == b"!" else 0


_PIECES: dict[str, Callable[[Source], Iterator[_Piece]]] = {
    "JPEG": _pieces_of_jpeg,
    "PNG": _pieces_of_png,
    "GIF": _pieces_of_gif,
}
