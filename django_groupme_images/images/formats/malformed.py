"""The exception that parsers raise for malformed files, and a limit for the parts of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["MAX_PARTS", "MalformedImage", "limited"]

# The limits of the parsers bound the time and the memory that a malicious file takes here, in
# Pillow, and in the decoders of the image service. Files written by programs are far below them.

#: Segments of a JPEG, or chunks of a PNG. A PNG of 100 MB has 13,000 chunks.
MAX_PARTS = 50_000

_T = TypeVar("_T")


class MalformedImage(Exception):
    """
    Error in the structure of an image file, which is damaged or exceeds a limit.

    The message is a clause that describes the error. The public functions of this app raise
    ``ImageRejected`` instead.
    """


def limited(parts: Iterable[_T], max_count: int) -> Iterator[_T]:
    """Yield the parts, and raise ``MalformedImage`` if there are more than ``max_count``."""
    for number, part in enumerate(parts):
        if number == max_count:
            raise MalformedImage("the file has too many parts")
        yield part
