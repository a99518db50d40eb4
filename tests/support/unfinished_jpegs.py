"""JPEG files of different structures, made in memory, without their EOI marker."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from . import photographs
from .emulator_pictures import encoded
from .odd_images import noise

EOI = b"\xff\xd9"
SOS = b"\xff\xda"


def unfinished(image: Image.Image, **options: Any) -> bytes:
    """Return an image as a JPEG without its EOI marker."""
    data = encoded(image, "JPEG", **options)
    assert data.endswith(EOI)
    return data[:-2]


def white_below(size: tuple[int, int] = (97, 75)) -> Image.Image:
    """Return an image whose lower half is white."""
    image = photographs.scene(size)
    image.paste("white", (0, size[1] // 2, *size))
    return image


def blocks() -> Image.Image:
    """Return an image whose blocks of 8×8 pixels have a single color each."""
    return photographs.scene((12, 9)).resize((96, 72), Image.Resampling.NEAREST)


def scan_of(data: bytes) -> bytes:
    """Return the data of the only scan of an unfinished JPEG."""
    start = data.index(SOS)
    return data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def with_scan_for_each_color() -> bytes:
    """Return a sequential JPEG in which each color has its own scan."""
    colors = [unfinished(color, quality=90) for color in photographs.scene((97, 75)).split()]
    head = colors[0][: colors[0].index(SOS)]
    frame = head.index(b"\xff\xc0")
    content = head[frame + 4 : frame + 9] + b"\3" + b"".join(b"%c\x11\0" % key for key in b"RGB")
    parts = [head[:frame], b"\xff\xc0", struct.pack(">H", 2 + len(content)), content]
    parts += [head[frame + 13 :]]
    for key, data in zip(b"RGB", colors, strict=True):
        parts += [SOS, struct.pack(">HBBBBBB", 8, 1, key, 0, 0, 63, 0), scan_of(data)]
    return b"".join(parts)


def decoded(data: bytes) -> bytes:
    """Return the pixels of a JPEG without its EOI marker."""
    with JpegImageFile(io.BytesIO(data + EOI)) as image:
        image.load()
        return image.tobytes()


#: Unfinished JPEG files by a description.
UNFINISHED = {
    "sequential": unfinished(photographs.scene()),
    "without subsampling": unfinished(photographs.scene(), subsampling=0, quality=90),
    "optimized": unfinished(photographs.scene((97, 75)), optimize=True, quality=60),
    "high quality": unfinished(noise(size=(40, 30)), quality=100),
    "high quality, without subsampling": unfinished(
        noise(size=(40, 30)), quality=100, subsampling=0, optimize=True
    ),
    "restart markers": unfinished(photographs.scene(), restart_marker_blocks=1),
    "restart markers after rows": unfinished(photographs.scene((97, 75)), restart_marker_rows=1),
    "white below": unfinished(white_below()),
    "white below, optimized": unfinished(white_below(), optimize=True, quality=90),
    "gray": unfinished(photographs.scene((97, 75), "L")),
    "gray as colors": unfinished(photographs.scene((97, 75), "L").convert("RGB"), optimize=True),
    "plain blocks": unfinished(blocks(), quality=90),
    "cmyk": unfinished(photographs.scene((97, 75), "CMYK")),
    "a scan for each color": with_scan_for_each_color(),
    "progressive": unfinished(photographs.scene((97, 75)), progressive=True),
    "progressive, high quality": unfinished(noise(size=(40, 30)), progressive=True, quality=100),
    "progressive, restart markers": unfinished(
        photographs.scene(), progressive=True, restart_marker_blocks=1, quality=30
    ),
    "progressive, white below": unfinished(white_below(), progressive=True, subsampling=0),
    "progressive, gray": unfinished(photographs.scene((97, 75), "L"), progressive=True),
    "progressive, cmyk": unfinished(photographs.scene((60, 40), "CMYK"), progressive=True),
    "progressive, plain blocks": unfinished(blocks(), progressive=True, quality=100),
    "one pixel": unfinished(Image.new("RGB", (1, 1), "teal")),
}

#: What may follow the image data, by a description.
TAILS = {
    "nothing": b"",
    "half an EOI": b"\xff",
    "zeros for EOI": b"\0\0",
    "half an EOI and a zero": b"\xff\0",
    "many zeros": bytes(10_000),
    "a trailer": b"SEFH\x6b\0\0\0\1\0\0\0Image_UTC_Data1475067852301SEFT",
    "a trailer with markers": b"vendor\xff\xe5\0\x08trailer\xff\xfe\0\5cat",
}
