"""The parts of a GIF that are not metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.gif import gif_blocks, gif_header
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.streams import Part

__all__ = ["gif_parts"]

# Extensions are kept only if they are a graphic control extension, which contains the duration of
# the next frame, or the number of loops, which some programs write after the size of a buffer.
_CONTROL = re.compile(rb"(!\xf9)[\x04-\xff](.{4})", re.DOTALL)
_LOOP = re.compile(
    rb"(!\xff\x0b(?:NETSCAPE2\.0|ANIMEXTS1\.0))(?:\x05\x02.{4})?[\x03-\xff](\x01..)", re.DOTALL
)
_MAX_KEPT_SIZE = 24  # bytes that _LOOP matches

# Bytes that are checked between a removed extension and the next block.
_MAX_GAP = 1024


def gif_parts(reader: BlockReader) -> Iterator[Part]:
    """
    Yield the parts of a GIF without comments, application data, text, and data after the trailer.

    Graphic control extensions and loops are kept. Plain text extensions are removed, because
    browsers and libraries do not draw their text, so that it is as hidden as a comment. Bytes
    between blocks are also removed.

    Raise ``MalformedImage`` if a block is truncated, if there are too many, or if the data of a
    removed extension continues after its end.
    """
    yield gif_header(reader)
    removed: range | None = None
    for block_type, block in gif_blocks(reader):
        if removed and block_type != b";":
            _check_gap(reader, range(removed.stop, block.start))
        part = _kept_extension(reader, block) if block_type == b"!" else block
        removed = None if part else block
        yield part


def _kept_extension(reader: BlockReader, extension: range) -> Part:
    """Return an extension without its additional data, or ``b""`` if it is metadata."""
    head = reader.read(extension.start, min(len(extension), _MAX_KEPT_SIZE))
    match = _CONTROL.match(head) or _LOOP.match(head)
    if not match:
        return b""
    kept = match[1] + bytes([len(match[2])]) + match[2] + b"\0"
    return extension if len(kept) == len(extension) else kept


def _check_gap(reader: BlockReader, gap: range) -> None:
    # XMP is not divided into sub-blocks: its characters are read as their lengths, and 258 bytes
    # after it lead all decoders to its end. If one of these bytes is missing, or if the XMP
    # contains a zero, the rest of it would be kept, because each comma looks like a frame.
    if reader.read(gap.start, min(len(gap), _MAX_GAP)).strip(b"\0"):
        raise MalformedImage("the metadata of the GIF is damaged")
