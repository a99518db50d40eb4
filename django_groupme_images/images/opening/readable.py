"""Views of image files that Pillow can open and decode, although parts of a file are invalid."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import IO, TypeVar

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.completeness.endings import image_data
from django_groupme_images.images.streams import BUFFER_SIZE, Part, SplicedFile, join_parts

from .limits import limited_parts, limited_view

__all__ = ["open_view"]

_FORMATS = ("JPEG", "PNG", "GIF")

# The maximum number of attempts to open a file, which find the metadata that Pillow rejects. If a
# single part of the metadata is invalid, 22 attempts are enough.
_MAX_ATTEMPTS = 40

_T = TypeVar("_T")


def open_view(
    file: IO[bytes],
    image_format: str,
    open_file: Callable[[IO[bytes]], _T],
    max_pixels: int | None = None,
) -> _T:
    """
    Call ``open_file`` with a view of an image file, and return its result.

    The view does not have excessive metadata, as described for :func:`limited_view`. Metadata of a
    JPEG, PNG, or GIF is also left out if ``open_file`` raises an exception because of it.

    With ``max_pixels``, the view can be decoded although the end of the file is missing, if it is
    complete otherwise. A JPEG may then have at most this number of pixels.

    Raise ``MalformedImage`` if the structure of the file is invalid. Exceptions of ``open_file``
    and of ``file.read()`` are also raised.
    """
    if image_format not in _FORMATS:
        view = limited_view(file, image_format)
        view.seek(0)
        return open_file(view)
    reader = BlockReader(file)
    *head, (_, data) = limited_parts(reader, image_format)
    end: list[Part] = [data]
    if max_pixels is not None:
        end = image_data(file, image_format, data.start, max_pixels)
    try:
        return open_file(_view(file, [part for _, part in head], end))
    except (OSError, SyntaxError, ValueError):
        attempts = _Attempts(file, open_file, head, end)
        if not attempts.succeed_with([]):
            raise
        metadata = attempts.accepted([part for is_metadata, part in head if is_metadata])
        return open_file(attempts.view(metadata))


def _view(file: IO[bytes], head: Iterable[Part], end: list[Part]) -> IO[bytes]:
    return io.BufferedReader(SplicedFile(file, join_parts([*head, *end])), BUFFER_SIZE)


class _Attempts:
    """Attempts to open a file with different parts of its metadata."""

    def __init__(
        self,
        file: IO[bytes],
        open_file: Callable[[IO[bytes]], object],
        head: list[tuple[bool, range]],
        end: list[Part],
    ) -> None:
        self._file, self._open_file = file, open_file
        self._head, self._end = head, end
        self._left = _MAX_ATTEMPTS

    def view(self, metadata: Iterable[range]) -> IO[bytes]:
        """Return the file with these parts of its metadata, and no others."""
        kept = set(metadata)
        head = [part for is_metadata, part in self._head if not is_metadata or part in kept]
        return _view(self._file, head, self._end)

    def succeed_with(self, metadata: list[range]) -> bool:
        """Return whether the file can be opened, or ``False`` after too many attempts."""
        self._left -= 1
        if self._left < 0:
            return False
        try:
            self._open_file(self.view(metadata))
        except (OSError, SyntaxError, ValueError):
            return False
        return True

    def accepted(self, metadata: list[range]) -> list[range]:
        """Return the metadata with which the file can be opened."""
        if not metadata or self.succeed_with(metadata):
            return metadata
        middle = len(metadata) // 2
        if not middle:
            return []
        return self.accepted(metadata[:middle]) + self.accepted(metadata[middle:])
