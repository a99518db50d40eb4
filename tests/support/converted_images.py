"""Image files in formats that the app converts, and the results of conversions."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from django_groupme_images.images.converting.conversion import convert_image
from django_groupme_images.images.options import ImageOptions
from tests.support.animations import HAS_AVIF


def photo(size: tuple[int, int] = (80, 60)) -> Image.Image:
    """Return an RGB image with smooth colors, whose four corners differ."""
    image = Image.new("RGB", (2, 2))
    for position, color in {
        (0, 0): (200, 60, 40),
        (1, 0): (60, 180, 70),
        (0, 1): (50, 70, 190),
        (1, 1): (220, 210, 200),
    }.items():
        image.putpixel(position, color)
    return image.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    if image_format == "AVIF" and not HAS_AVIF:
        pytest.skip("Pillow without AVIF")
    output = BytesIO()
    if image_format == "HEIF":
        pillow_heif.from_pillow(image).save(output, quality=95, **options)
    else:
        image.save(output, image_format, **options)
    return output.getvalue()


def options(**changes: Any) -> ImageOptions:
    return ImageOptions(**{"allowed_formats": ("jpeg", "png", "gif")} | changes)


def converted(data: bytes, image_format: str, **changes: Any) -> Image.Image:
    """Return the result of converting an image file, as an opened image."""
    output = BytesIO()
    result_format = convert_image(BytesIO(data), image_format, options(**changes), output)
    image = Image.open(output)
    assert image.format == result_format.upper()
    return image


def assert_similar(image: Image.Image, expected: Image.Image, tolerance: int = 8) -> None:
    """Compare the corners of two images and their center."""
    assert image.size == expected.size
    width, height = image.size
    for position in [
        *((x, y) for x in (2, width - 3) for y in (2, height - 3)),
        (width // 2, height // 2),
    ]:
        pixels = image.getpixel(position), expected.getpixel(position)
        difference = max(abs(a - b) for a, b in zip(*map(channels, pixels), strict=True))
        assert difference <= tolerance, (position, *pixels)


def channels(pixel: Any) -> tuple[int, ...]:
    return pixel if isinstance(pixel, tuple) else (pixel,)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return the data with a sequence of bytes replaced, which the data must contain."""
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new)


def nclx(primaries: int, transfer: int, matrix: int = 6) -> bytes:
    """Return the beginning of a box with a color code."""
    return b"colrnclx" + struct.pack(">3H", primaries, transfer, matrix)
