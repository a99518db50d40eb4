"""The number of times that an animated AVIF is played, which Pillow does not read."""

from __future__ import annotations

import math
from typing import IO

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.iso_boxes import find_boxes

__all__ = ["avif_plays"]

# Where the duration of a track and of its edit are in their boxes, by the version of the box.
_TRACK_DURATIONS = {0: slice(20, 24), 1: slice(28, 36)}
_EDIT_DURATIONS = {0: slice(8, 12), 1: slice(8, 16)}

_REPEATS = 1  # a flag of the edit list


def avif_plays(file: IO[bytes]) -> int:
    """
    Return how many times an animated AVIF is played, or 0 if it does not stop.

    As in browsers, it does not stop if the file contains no valid edit list.
    """
    reader = BlockReader(file)
    for track in find_boxes(reader, range(reader.size), b"moov", b"trak"):
        header = next(find_boxes(reader, track, b"tkhd"), None)
        edits = next(find_boxes(reader, track, b"edts", b"elst"), None)
        if header and edits:
            return _plays(_read(reader, header, 36), _read(reader, edits, 16))
    return 0


def _read(reader: BlockReader, content: range, count: int) -> bytes:
    return reader.read(content.start, min(count, len(content)))


def _plays(header: bytes, edits: bytes) -> int:
    if len(header) < 36 or len(edits) < 16 or max(header[0], edits[0]) > 1:
        return 0
    if not edits[3] & _REPEATS:
        return 1
    total, part = header[_TRACK_DURATIONS[header[0]]], edits[_EDIT_DURATIONS[edits[0]]]
    if total == b"\xff" * len(total) or not any(part):
        return 0  # An unlimited duration, or an invalid one.
    return math.ceil(int.from_bytes(total, "big") / int.from_bytes(part, "big"))
