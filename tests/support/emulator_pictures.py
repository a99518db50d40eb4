"""Small image files, made with Pillow."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import ExifTags, Image, features


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


def rotated(orientation: int) -> bytes:
    """Return a JPEG of 48×32 stored pixels, red on the stored left and blue on the right."""
    image = Image.new("RGB", (48, 32), "blue")
    image.paste("red", (0, 0, 24, 32))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(image, "JPEG", exif=exif, quality=95)


def animated_gif() -> bytes:
    frames = [Image.new("P", (40, 30), number) for number in range(3)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def mpo() -> bytes:
    frames = [Image.new("RGB", (48, 32), color) for color in ("red", "blue")]
    return encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])


def transparent_palette_png() -> bytes:
    image = Image.new("P", (48, 32), 0)
    image.putpalette([0, 0, 0, 0, 255, 0])
    image.paste(1, (12, 8, 36, 24))
    return encoded(image, "PNG", transparency=0)


def lossless_jpeg(width: int, height: int) -> bytes:
    """Return a gray JPEG of lossless coding, which Pillow can decode but not write."""
    frame = struct.pack(">HBHHB3B", 11, 8, height, width, 1, 1, 0x11, 0)
    # The only Huffman code has one bit, and means that a pixel has the color of its neighbor.
    codes = struct.pack(">HB16BB", 20, 0, 1, *[0] * 15, 0)
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    segments = b"\xff\xc3" + frame + b"\xff\xc4" + codes + b"\xff\xda" + scan
    return b"\xff\xd8" + segments + bytes(-(-width * height // 8)) + b"\xff\xd9"


def decodes_lossless_jpegs() -> bool:
    """Return whether Pillow was built with libjpeg-turbo 3 or later."""
    version = features.version_feature("libjpeg_turbo")
    return version is not None and int(version.split(".")[0]) >= 3


#: Files that the image service accepts, by a description.
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
    "transparent palette": transparent_palette_png(),
    "animated": animated_gif(),
    "multi picture": mpo(),
    "on its side": rotated(6),
    "upside down": rotated(3),
}


def bomb(pixels: int) -> bytes:
    """Return a small PNG with this number of pixels."""
    return encoded(Image.new("1", (pixels // 10_000, 10_000)), "PNG")
