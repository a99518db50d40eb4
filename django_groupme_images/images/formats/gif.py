"""The blocks of a GIF."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django_groupme_images.images.block_reader import BlockReader

from .malformed import MalformedImage, limited

__all__ = ["gif_blocks", "gif_header", "unterminated_frame"]

# A GIF's frames, extensions, and trailer begin with these bytes.
_GIF_INTRODUCER = re.compile(b"[,!;]")

# Frames and extensions of a GIF. At 10 frames per second and 2 blocks per frame, they last 83
# minutes.
_MAX_GIF_BLOCKS = 100_000
# A step of the GIF parser is a data sub-block, or a byte between blocks. A GIF of 100 MB has
# 400,000 sub-blocks, but only comments and other small extensions precede the first frame.
_MAX_GIF_STEPS, _MAX_GIF_STEPS_BEFORE_FRAME = 2_000_000, 500_000
_TOO_MANY_BLOCKS = "the GIF has too many blocks"


class _UnterminatedFrame(MalformedImage):
    """
    Error in a GIF whose last frame has no block terminator.

    ``frame`` is the position of the frame, whose data may be complete.
    """

    def __init__(self, frame: range) -> None:
        super().__init__("the GIF is truncated")
        self.frame = frame


def gif_header(reader: BlockReader) -> range:
    """Return the position of a GIF's signature, screen descriptor, and global palette."""
    return range(13 + _palette_size(reader.read(10, 1)))


def gif_blocks(reader: BlockReader, *, head_only: bool = False) -> Iterator[tuple[bytes, range]]:
    """
    Yield the type and the position of each frame (``b","``) and extension (``b"!"``) of a GIF.

    The trailer (``b";"``) is also yielded, but may be missing, and so may the terminator of the
    last frame, or of a comment or application data after it. The position includes the data
    sub-blocks. With ``head_only``, the first frame is the last item, and extends to the end of the
    file. As in Pillow, bytes between blocks are skipped. Raise ``MalformedImage`` if a block is cut
    off, or if there are too many.
    """
    try:
        yield from limited(_gif_blocks(reader, head_only=head_only), _MAX_GIF_BLOCKS)
    except _UnterminatedFrame as error:
        yield b",", error.frame


def unterminated_frame(reader: BlockReader) -> range | None:
    """
    Return the position of the last frame of a GIF if it has no block terminator.

    Raise ``MalformedImage`` if another block is truncated, or if there are too many.
    """
    try:
        for _ in limited(_gif_blocks(reader, head_only=False), _MAX_GIF_BLOCKS):
            pass
    except _UnterminatedFrame as error:
        return error.frame
    return None


def _gif_blocks(reader: BlockReader, *, head_only: bool) -> Iterator[tuple[bytes, range]]:
    steps, max_steps = 0, _MAX_GIF_STEPS_BEFORE_FRAME
    end = gif_header(reader).stop
    while True:
        start, head = end, reader.read(end, 10)
        if not _GIF_INTRODUCER.match(head):
            if (found := reader.find(_GIF_INTRODUCER, end)) is None:
                break
            start, head = found, reader.read(found, 10)
            steps += start - end
            if steps > max_steps:
                raise MalformedImage(_TOO_MANY_BLOCKS)
        block_type = head[:1]
        if block_type == b";":
            yield block_type, range(start, start + 1)
            break
        data_start = start + 2
        if block_type == b",":
            data_start, max_steps = start + 11 + _palette_size(head[9:]), _MAX_GIF_STEPS
            if head_only:
                yield block_type, range(start, reader.size)
                break
        end, steps = _skip_sub_blocks(reader, data_start, steps, max_steps)
        if end > reader.size:
            end = _end_of_sub_blocks(reader, end)
            _check_unterminated(head, range(start, end), data_start)
            yield block_type, range(start, end)
            break
        yield block_type, range(start, end)


def _check_unterminated(head: bytes, block: range, data_start: int) -> None:
    """Raise ``MalformedImage`` if more than the terminator of a GIF's last block is missing."""
    # The frame that would follow a graphic control extension is also missing.
    if block.stop <= data_start or head.startswith(b"!\xf9"):
        raise MalformedImage("the GIF is truncated")
    if head.startswith(b","):
        raise _UnterminatedFrame(block)


def _palette_size(flags: bytes) -> int:
    """Return the size in bytes of the palette that follows a descriptor with these flags."""
    if not flags:
        raise MalformedImage("the GIF is truncated")
    return 3 << (flags[0] & 7) + 1 if flags[0] & 128 else 0


def _skip_sub_blocks(
    reader: BlockReader, start: int, steps: int, max_steps: int
) -> tuple[int, int]:
    """
    Return where the data sub-blocks from ``start`` end, and the new number of steps.

    If they are truncated, return where the last one would end, and one byte more.
    """
    while True:
        index = reader.load(start, 1)
        block, offset = reader.block, start - index
        if index >= len(block):
            return start + 1, steps
        try:
            for step in range(steps, max_steps):
                length = block[index]
                index += length + 1
                if not length:
                    return offset + index, step
        except IndexError:
            start, steps = offset + index, step
        else:
            raise MalformedImage(_TOO_MANY_BLOCKS)


def _end_of_sub_blocks(reader: BlockReader, end: int) -> int:
    """
    Return where the last of the data sub-blocks ends, or 0 if it is truncated.

    ``end`` is the first result of ``_skip_sub_blocks()``.
    """
    missing = end - 1 - reader.size
    if missing == ord(";") and reader.read(reader.size - 1, 1) == b";":
        return reader.size - 1  # The trailer was read as the size of a sub-block.
    return 0 if missing else reader.size
