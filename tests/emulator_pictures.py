"""Files of many kinds, made with Pillow, for the tests of the emulator."""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def plain(
    format: str = "JPEG",  # noqa: A002
    size: tuple[int, int] = (48, 32),
    mode: str = "RGB",
    color: Any = "teal",
) -> bytes:
    return encoded(Image.new(mode, size, color), format)


def turned(orientation: int) -> bytes:
    """A JPEG of 48x32 stored pixels, red on the stored left and blue on the right."""
    image = Image.new("RGB", (48, 32), "blue")
    image.paste("red", (0, 0, 24, 32))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(image, "JPEG", exif=exif, quality=95)


def moving_gif() -> bytes:
    frames = [Image.new("P", (40, 30), number) for number in range(3)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def multi_picture() -> bytes:
    frames = [Image.new("RGB", (48, 32), color) for color in ("red", "blue")]
    return encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])


def with_transparent_palette() -> bytes:
    image = Image.new("P", (48, 32), 0)
    image.putpalette([0, 0, 0, 0, 255, 0])
    image.paste(1, (12, 8, 36, 24))
    return encoded(image, "PNG", transparency=0)


#: What is accepted, by what is special about it.
KINDS = {
    "jpeg": plain("JPEG"),
    "png": plain("PNG"),
    "gif": plain("GIF", mode="L", color=1),
    "wide": plain("JPEG", (2000, 1000)),
    "tall": plain("JPEG", (1000, 2000)),
    "one pixel": plain("PNG", (1, 1)),
    "line": plain("JPEG", (65_000, 1)),
    "pole": plain("PNG", (3, 50_000)),
    "cmyk": plain("JPEG", mode="CMYK", color=(1, 2, 3, 4)),
    "16 bits": plain("PNG", mode="I;16", color=40_000),
    "gray, transparent": plain("PNG", mode="LA", color=(1, 2)),
    "1 bit": plain("PNG", mode="1", color=1),
    "transparent palette": with_transparent_palette(),
    "moving": moving_gif(),
    "multi picture": multi_picture(),
    "on its side": turned(6),
    "upside down": turned(3),
}


def bomb(pixels: int) -> bytes:
    """A small file that claims to be so many pixels."""
    return encoded(Image.new("1", (pixels // 10_000, 10_000)), "PNG")
