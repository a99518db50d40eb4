"""The error of parsers in malformed files, and the limit of the parts that they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["MAX_PARTS", "MalformedImage", "limited"]

# The limits of the parsers bound the time and the memory that a hostile file takes here, in Pillow,
# and in the decoders of the image service. Files written by programs are far below them.

#: Segments of a JPEG, or chunks of a PNG. A PNG of 100 MB has 13,000 chunks.
MAX_PARTS = 50_000

_T = TypeVar("_T")


class MalformedImage(Exception):
    """
    Error in the structure of an image file, which is damaged or exceeds a limit.

    The message is a clause that describes the file. The package does not raise this error to its
    users.
    """


def limited(parts: Iterable[_T], max_count: int) -> Iterator[_T]:
    """Yield the parts, and raise ``MalformedImage`` if there are more than ``max_count``."""
    for number, part in enumerate(parts):
        if number == max_count:
            raise MalformedImage("it is in too many pieces")
        yield part
