"""Describe the results of queries to the image service, with their units."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageSequence

from django_groupme_images.exceptions import GroupMeImageError


def describe(image: Image.Image) -> str:
    return f"{image.format}, {size_of(image)}"


def size_of(image: Image.Image) -> str:
    return pixels(*image.size)


def pixels(width: int | None, height: int | None) -> str:
    return f"{width}x{height} pixels"


def frames(image: Image.Image) -> str:
    count = len(list(ImageSequence.Iterator(image)))
    return f"{count} frame{'' if count == 1 else 's'}"


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except GroupMeImageError as error:
        return type(error).__name__
    return "nothing"


def color(image: Image.Image, x: int) -> str:
    red, green, blue = image.getpixel((x, image.height // 2))
    strongest = max(red, green, blue)
    return {red: "red", green: "green", blue: "blue"}[strongest]
