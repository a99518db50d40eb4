"""Views: an image file as Pillow may parse it, without excessive metadata."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from .exif import EXIF, is_plausible
from .source import Source
from .splicing import Spliced, joined
from .structure import (
    APP0,
    APP1,
    PNG_SIGNATURE,
    SOS,
    blocks,
    chunks,
    gif_header,
    segments,
)

__all__ = ["limited_view"]

# Before the pixels of an image, Pillow copies and unpacks all metadata that it finds. This
# many bytes are enough for that of ordinary files, and are parsed in a tenth of a second.
_MOST_METADATA = 512 * 1024
_MOST_OTHERS = 64 * 1024  # those of other parts, such as tables and palettes
_PER_PIECE = 256  # what a piece costs in addition to its bytes
_PER_BYTE_OF_GIF = 16  # because Pillow reads a GIF in data blocks, which can have one byte each

_Piece = tuple[bool, range]  # whether it is metadata, and its bytes in the file


def limited_view(file: IO[bytes], image_format: str) -> IO[bytes]:
    """
    Return the JPEG, PNG, or GIF without excessive metadata before its pixels.

    ``image_format`` is Pillow's name. The view reads ``file``, and is ``file`` itself if
    nothing is left out. Raises ``Broken`` and whatever reading ``file`` raises.
    """
    if image_format not in _PIECES:
        return file
    source = Source(file)
    per_byte = _PER_BYTE_OF_GIF if image_format == "GIF" else 1
    parts = joined(_affordable(_PIECES[image_format](source), source.size, per_byte))
    if parts == [range(source.size)]:
        return file
    return io.BufferedReader(Spliced(file, parts))


def _affordable(pieces: Iterable[_Piece], size: int, per_byte: int) -> Iterator[range]:
    # Metadata must not use up the bytes for what the image cannot be opened without.
    left = {True: _MOST_METADATA, False: _MOST_OTHERS}
    for is_metadata, piece in pieces:
        rest = left[is_metadata] - per_byte * len(piece) - _PER_PIECE
        if rest >= 0:
            left[is_metadata] = rest
        if rest >= 0 or piece.stop == size:  # the pixels reach to the end of the file
            yield piece


def _pieces_of_jpeg(source: Source) -> Iterator[_Piece]:
    yield False, range(2)
    exif_seen = False
    for code, segment in segments(source):
        if code == SOS:
            yield False, range(segment.start, source.size)
            break
        is_exif = code == APP1 and source.read(segment.start + 4, len(EXIF)) == EXIF
        if not is_exif or (not exif_seen and _is_harmless(source, segment)):
            yield code >= APP0, segment
        exif_seen = exif_seen or is_exif


def _is_harmless(source: Source, segment: range) -> bool:
    # Pillow copies the values of an EXIF when it opens a JPEG, to look for the resolution.
    return is_plausible(source.read(segment.start + 4, len(segment) - 4))


def _pieces_of_png(source: Source) -> Iterator[_Piece]:
    yield False, range(len(PNG_SIGNATURE))
    for kind, chunk in chunks(source):
        if kind == b"IDAT":
            yield False, range(chunk.start, source.size)
            break
        if not _is_compressed_text(source, kind, chunk):
            yield kind[:1].islower(), chunk


def _is_compressed_text(source: Source, kind: bytes, chunk: range) -> bool:
    # It can unpack to a thousand times its size. The one color profile, to a megabyte.
    if kind == b"iTXt":
        _, _, flags = source.read(chunk.start + 8, 81).partition(b"\0")
        return flags[:1] != b"\0"
    return kind == b"zTXt"


def _pieces_of_gif(source: Source) -> Iterator[_Piece]:
    yield False, gif_header(source)
    for kind, block in blocks(source, head_only=True):
        yield kind == b"!", block


_PIECES: dict[str, Callable[[Source], Iterator[_Piece]]] = {
    "JPEG": _pieces_of_jpeg,
    "PNG": _pieces_of_png,
    "GIF": _pieces_of_gif,
}
