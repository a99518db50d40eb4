"""Helpers for the tests that remove metadata from images."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from PIL import ExifTags, Image

from django_groupme_images.images.metadata import without_metadata

from .emulator_pictures import opened
from .photographs import MAKERS, TRACES

#: Run a test with each key of MAKERS as the argument ``maker``.
each_maker = pytest.mark.parametrize("maker", MAKERS)


@cache
def camera_image(maker: str) -> bytes:
    return MAKERS[maker]()


def stripped(data: bytes) -> bytes:
    """Return the image without its metadata."""
    return without_metadata(io.BytesIO(data)).read()


def traces(data: bytes) -> list[bytes]:
    """Return the traces of the place and of the person that the data contains."""
    return [trace for trace in TRACES if trace in data]


def orientation(data: bytes) -> int:
    return opened(data).getexif().get(ExifTags.Base.Orientation, 1)


def frames(data: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield each frame of an image. Of an MPO, that is the first one, because only it is shown."""
    with Image.open(io.BytesIO(data)) as image:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        for number in range(count):
            image.seek(number)
            yield image.mode, image.size, image.tobytes(), image.info.get("duration")


class ShortReadFile(io.BytesIO):
    """A file that returns at most ``max_size`` bytes per read."""

    def __init__(self, data: bytes, max_size: int) -> None:
        super().__init__(data)
        self._max_size = max_size

    def read(self, size: int = -1) -> bytes:
        return super().read(self._max_size if size < 0 else min(size, self._max_size))


class UnreadableFile(io.BytesIO):
    def read(self, size: int = -1) -> bytes:
        raise OSError(errno.EIO, "the disk is gone")
