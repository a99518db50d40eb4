"""GIF: where its frames and extensions lie, found without decoding it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from .source import Source
from .structure import Broken, few

__all__ = ["blocks", "check_blocks", "gif_header"]

_INTRODUCER = re.compile(b"[,!;]")  # of a GIF's frame, extension, and end

# Frames and extensions of a GIF. At 10 frames a second, two per frame, they last 83 minutes.
_MOST_BLOCKS = 100_000
# Data blocks of a GIF, and bytes between its frames. A GIF of 100 MB has 400,000 data blocks,
# but before the first frame there are only comments and the like.
_MOST_STEPS, _MOST_STEPS_BEFORE_FRAME = 2_000_000, 500_000
_TOO_MANY_BLOCKS = "it is a GIF of too many blocks"


def check_blocks(file: IO[bytes]) -> None:
    """Raise ``Broken`` unless all blocks of this GIF are whole, and are not too many."""
    for _ in blocks(Source(file)):
        pass


def blocks(source: Source, *, head_only: bool = False) -> Iterator[tuple[bytes, range]]:
    """
    The frames (``b","``) and extensions (``b"!"``) of a GIF, each with its data blocks.

    With ``head_only``, the rest of the file from the first frame on is the last of them. As in
    Pillow, what stands between two is skipped, and the end of the GIF may be missing. Raises
    ``Broken`` if one of them is cut off, or if they are too many.
    """
    return few(_blocks(source, head_only=head_only), _MOST_BLOCKS)


def _blocks(source: Source, *, head_only: bool) -> Iterator[tuple[bytes, range]]:
    steps, most = 0, _MOST_STEPS_BEFORE_FRAME
    end = gif_header(source).stop
    while True:
        start, head = end, source.read(end, 10)
        if not _INTRODUCER.match(head):
            if (found := source.find(_INTRODUCER, end)) is None:
                break
            start, head = found, source.read(found, 10)
            steps += start - end
            if steps > most:
                raise Broken(_TOO_MANY_BLOCKS)
        kind = head[:1]
        if kind == b";":
            break
        data = start + 2
        if kind == b",":
            data, most = start + 11 + _palette(head[9:]), _MOST_STEPS
            if head_only:
                yield kind, range(start, source.size)
                break
        end, steps = _after_data(source, data, steps, most)
        yield kind, range(start, end)


def gif_header(source: Source) -> range:
    """Return the beginning of a GIF: its signature, its size, and its palette."""
    return range(13 + _palette(source.read(10, 1)))


def _palette(flags: bytes) -> int:
    """The length in bytes of the palette that these flags announce."""
    if not flags:
        raise Broken("it is a GIF that is cut off")
    return 3 << (flags[0] & 7) + 1 if flags[0] & 128 else 0


def _after_data(source: Source, start: int, steps: int, most: int) -> tuple[int, int]:
    """Where the data blocks end that start there, and the steps taken until then."""
    while True:
        index = source.index(start, 1)
        chunk, offset = source.chunk, start - index
        if index >= len(chunk):
            raise Broken("it is a GIF that is cut off")
        try:
            for step in range(steps, most):
                length = chunk[index]
                index += length + 1
                if not length:
                    return offset + index, step
        except IndexError:
            start, steps = offset + index, step
        else:
            raise Broken(_TOO_MANY_BLOCKS)
