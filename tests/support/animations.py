"""Animated WebP and AVIF images, and their frames after the conversion to GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from PIL import Image, ImageChops, ImageDraw

from django_groupme_images.images.converting.animations import write_gif

Image.init()
HAS_AVIF = "AVIF" in Image.SAVE_ALL
# A mark for tests of AVIF only.
needs_avif = pytest.mark.skipif(not HAS_AVIF, reason="Pillow without AVIF")
FORMATS = ["WEBP", pytest.param("AVIF", marks=needs_avif)]
_LOSSLESS = {
    "WEBP": {"lossless": True, "method": 0},
    "AVIF": {"quality": 100, "subsampling": "4:4:4", "speed": 10},
}

RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 160, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


class Shown(NamedTuple):
    """A frame of a GIF as a viewer shows it, and its duration in milliseconds."""

    image: Image.Image
    duration: int


def plain(*colors: tuple[int, ...], size: tuple[int, int] = (8, 6)) -> list[Image.Image]:
    return [Image.new("RGBA", size, color) for color in colors]


def moving(count: int, background: Image.Image) -> list[Image.Image]:
    """Return frames in which a rectangle moves by 3 pixels a frame over the background."""
    frames = []
    for number in range(count):
        frames.append(background.copy())
        box = (3 * number, number, 3 * number + 9, number + 7)
        ImageDraw.Draw(frames[-1]).rectangle(box, RED)
    return frames


def gradient(size: tuple[int, int]) -> Image.Image:
    """Return an image with more than 255 colors."""
    rows = Image.linear_gradient("L").resize(size)
    columns = Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge("RGB", (rows, columns, ImageChops.invert(rows))).convert("RGBA")


def animated(frames: Sequence[Image.Image], image_format: str = "WEBP", **options: Any) -> bytes:
    """Return a lossless animation of the frames, or an almost lossless one."""
    file = io.BytesIO()
    options = {"duration": 100, **_LOSSLESS[image_format], **options}
    frames[0].save(file, image_format, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


def to_gif(data: bytes, *, max_pixels: int = 10_000_000, **options: Any) -> bytes:
    output = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        assert write_gif(image, output, source=io.BytesIO(data), max_pixels=max_pixels, **options)
    return output.getvalue()


def shown(gif: bytes) -> list[Shown]:
    with Image.open(io.BytesIO(gif)) as image:
        assert image.format == "GIF"
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(Shown(image.convert("RGBA"), image.info.get("duration", 0)))
        return frames


def durations(gif: bytes) -> list[int]:
    return [frame.duration for frame in shown(gif)]


def difference(image: Image.Image, other: Image.Image) -> int:
    """Return the largest difference of a channel. The color of transparent pixels is ignored."""
    assert image.size == other.size
    bands = ImageChops.difference(image.convert("RGBa"), other.convert("RGBa")).getextrema()
    return max(highest for _, highest in bands)
