"""Frames of animated WebP and AVIF images, decoded one after another as a GIF shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from PIL import Image
from PIL.ImageFile import ImageFile

from django_groupme_images.images.bands import upright
from django_groupme_images.images.formats.exif import orientation
from django_groupme_images.images.rejections import damage_as_rejection

from .colors import srgb_transform
from .gif_encoder import Frame
from .scaling import resized

__all__ = ["gif_frames"]

# Browsers show a frame of at most 10 milliseconds for 100 milliseconds, in all formats.
_IGNORED_DURATION, _DEFAULT_DURATION = 10, 100  # milliseconds

# The same applies to a frame of a GIF that lasts less than two hundredths of a second.
_MIN_DURATION = 2

_Change = Callable[[Image.Image], Image.Image]


def gif_frames(image: ImageFile, max_dimension: int | None) -> Iterator[Frame]:
    """
    Yield the frames upright, in sRGB, and scaled so that no side exceeds ``max_dimension`` pixels.

    A frame whose time in the GIF would be too short for browsers is skipped, unless it is the last
    one, and the next frame is shown in its place. The total time is within 10 milliseconds of that
    in browsers. Raise ``ImageRejected`` with the code ``truncated`` if a frame is damaged.
    """
    changes = list(_changes(image, max_dimension))
    start = 0  # of the frame in the GIF, in hundredths of a second
    count: int = getattr(image, "n_frames", 1)
    for number, end in enumerate(_end_times(image, count), start=1):
        # Each end is rounded down, and not each duration, so that errors do not add up.
        duration = end // 10 - start
        if number == count:
            duration = max(duration, _MIN_DURATION)
        if duration >= _MIN_DURATION:
            frame = image.convert("RGBA")
            for change in changes:
                frame = change(frame)
            yield Frame(frame, duration)
            start += duration


def _end_times(image: ImageFile, count: int) -> Iterator[int]:
    """Load each frame, and yield the time in milliseconds at which browsers show the next one."""
    end = source_end = 0
    for number in range(count):
        _load(image, number)
        # The durations of an AVIF are rounded to milliseconds, and the timestamps are more exact.
        source_start, source_end = source_end, image.info["timestamp"] + image.info["duration"]
        duration = source_end - source_start
        end += duration if duration > _IGNORED_DURATION else _DEFAULT_DURATION
        yield end


def _load(image: ImageFile, number: int) -> None:
    with damage_as_rejection(f"frame {number + 1} is damaged"):
        image.seek(number)
        image.load()


def _changes(image: ImageFile, max_dimension: int | None) -> Iterator[_Change]:
    """Yield functions that change an RGBA frame."""
    if max_dimension is not None:
        yield partial(resized, max_dimension=max_dimension)
    if transform := srgb_transform(image.info.get("icc_profile"), "RGBA"):
        yield transform.apply
    yield partial(upright, orientation=orientation(image.info.get("exif", b"")))
