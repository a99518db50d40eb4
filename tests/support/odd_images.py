"""Unusual and damaged images, and files that are not images, built in memory."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

from . import emulator_pictures as pictures
from . import photographs
from .emulator_pictures import encoded, plain

END_OF_JPEG = b"\xff\xd9"
HTML = b"<!DOCTYPE html><title>cat</title><script>alert(1)</script>"


def noise(mode: str = "RGB", size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Return random pixels, so that a compressed file is large enough to be cut in many places."""
    length = len(Image.new(mode, size).tobytes())
    return Image.frombytes(mode, size, random.Random(1).randbytes(length))


def segment(marker: bytes, content: bytes) -> bytes:
    return marker + struct.pack(">H", len(content) + 2) + content


def after(marker: bytes, data: bytes, content: bytes) -> bytes:
    """Return the JPEG with another segment after its signature."""
    return data[:2] + segment(marker, content) + data[2:]


def resized_jpeg(data: bytes, width: int, height: int) -> bytes:
    """Return the JPEG with another size in its header."""
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def huge_png(width: int, height: int) -> bytes:
    """Return a small black-and-white PNG with this size in its header."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def huge_gif(width: int, height: int) -> bytes:
    """Return a small GIF with this size in its header."""
    data = plain("GIF", mode="L", color=1)
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def gif_with_larger_frame(width: int, height: int) -> bytes:
    """Return a small GIF whose frame has this size, which exceeds that of the GIF."""
    data = plain("GIF", mode="L", color=1)
    start = data.index(b",\0\0\0\0") + 5
    return data[:start] + struct.pack("<HH", width, height) + data[start + 4 :]


def stored_png(width: int, height: int) -> bytes:
    """Return a PNG whose pixels are not compressed, and in one chunk."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + 3 * width) * height, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animated(kind: str, **options: object) -> bytes:
    frames = [noise("RGB", (40, 30)).rotate(90 * turn) for turn in range(5)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def noisy_mpo() -> bytes:
    return encoded(noise(), "MPO", save_all=True, append_images=[noise()])


def palette_png() -> bytes:
    return encoded(noise("P"), "PNG", transparency=bytes(range(256)))


JPEG = encoded(noise(), "JPEG")
MPO = noisy_mpo()
GIF = animated("GIF", comment=b"no end: \xff\xd9;" * 40)
THUMBNAIL = plain("JPEG", (8, 8))

#: Images that can be uploaded, by a description.
GOOD = {
    **pictures.KINDS,
    "progressive": encoded(noise(), "JPEG", progressive=True),
    "without subsampling": encoded(noise(), "JPEG", subsampling=0, optimize=True),
    "restart marks": encoded(noise(), "JPEG", restart_marker_blocks=1),
    "gray jpeg": encoded(noise("L"), "JPEG"),
    "noisy cmyk": encoded(noise("CMYK"), "JPEG"),
    "one pixel jpeg": plain("JPEG", (1, 1)),
    "one pixel gif": plain("GIF", (1, 1), mode="L", color=1),
    "thumbnail": after(b"\xff\xe1", JPEG, b"thumb" + THUMBNAIL),
    "fill bytes": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "large profile": encoded(noise(), "JPEG", icc_profile=bytes(200_000)),
    "mpo": MPO,
    "mpo, second image cut off": MPO[: MPO.index(END_OF_JPEG) + 2 + 1000],
    "mpo, wrong list of images": MPO.replace(b"MPF\0", b"MPF\0junk", 1),
    "html after the end": JPEG + HTML,
    "html in a comment": after(b"\xff\xfe", JPEG, HTML),
    "film after the end": JPEG + bytes(200_000) + b"\0\0\0\x18ftypmp42",
    "gif, bytes after the end": GIF + HTML,
    "gif without the last byte": GIF[:-1],
    "gif, stray bytes between frames": GIF[:-1] + b"\0\0\0;",
    "png, bytes after the end": plain("PNG") + HTML,
    "apng": animated("PNG"),
    "noisy palette": palette_png(),
    "noisy 16 bits": encoded(noise("I;16"), "PNG"),
    "png with text": plain("PNG").replace(
        chunk(b"IEND", b""), chunk(b"tEXt", b"Title\0cat") + chunk(b"IEND", b"")
    ),
    "animated, local palettes": GIF,
    "interlaced gif": encoded(noise("P"), "GIF", interlace=1),
    "108 megapixels": huge_png(12_000, 9_000),
    "108 megapixels, jpeg": resized_jpeg(JPEG, 12_000, 9_000),
}

#: Images of formats that cannot be uploaded, by Pillow's name of the format.
OTHER_FORMATS = {
    "TIFF": plain("TIFF"),
    "ICO": plain("ICO", (16, 16)),
    "PPM": plain("PPM"),
    "JPEG2000": plain("JPEG2000"),
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3" + struct.pack(">IIHH", 8, 8, 8, 3) + bytes(64),
    "EPS": plain("EPS"),
}

#: Files that are not images, by name.
NOT_IMAGES = {
    "cat.png": b"This is not a picture.\n",
    "cat.html": HTML,
    "cat.pdf": plain("PDF"),
    "cat.zip": b"PK\3\4" + bytes(64),
    "cat.exe": b"MZ" + bytes(64),
    "one byte.gif": b"G",
    "zeros.jpg": bytes(10_000),
    "random.jpg": random.Random(2).randbytes(10_000),
}

#: Images with far more pixels than Pillow opens: the number of pixels, and the file.
BOMBS = {
    "png": (3_600_000_000, huge_png(60_000, 60_000)),
    "gif": (4_294_836_225, huge_gif(65_535, 65_535)),
    "frame of a gif": (4_294_836_225, gif_with_larger_frame(65_535, 65_535)),
}

# Images to damage, without bytes after their end.
_COMPLETE = {
    "jpeg": JPEG,
    "progressive": GOOD["progressive"],
    "cmyk": GOOD["noisy cmyk"],
    "mpo": MPO[: MPO.index(END_OF_JPEG) + 2],
    "png": encoded(noise(), "PNG"),
    "palette": palette_png(),
    "16 bits": GOOD["noisy 16 bits"],
    "apng": GOOD["apng"],
    "gif": encoded(noise("P"), "GIF"),
    "animated": GIF,
}


def truncated() -> Iterator[tuple[str, bytes]]:
    """Yield images truncated at each tenth, and before the end marker of a PNG."""
    for kind, data in _COMPLETE.items():
        for tenths in range(1, 10):
            yield f"{kind}, {tenths} of 10", data[: len(data) * tenths // 10]
        yield f"{kind}, without its end", data[:-13]


def flipped(data: bytes, position: int) -> bytes:
    """Return the data with one bit inverted."""
    position %= len(data)
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


#: Images that are accepted although something other than their pixels is missing or damaged.
TOLERATED = {
    "png without an end": plain("PNG")[:-12],
    "png, one bit of its text": flipped(GOOD["png with text"], -20),
    "png, end of a chunk and of the file": plain("PNG")[:-12] + chunk(b"tEXt", b"a\0b")[:-4],
    "png, no kind of chunk": plain("PNG")[:-12] + chunk(b"te\0t", b"") + chunk(b"IEND", b""),
    "jpeg without its last byte": JPEG[:-1],
    "jpeg without its end": JPEG[:-2],
    "gif without its terminator": encoded(noise("P"), "GIF")[:-2],
    "4 gigapixels, jpeg": resized_jpeg(JPEG, 65_000, 65_000),
}

#: Other damaged images.
DAMAGED = {
    "png, one bit": flipped(_COMPLETE["png"], 5_000),
    "png without pixels": huge_png(8, 8)[:33] + chunk(b"IEND", b""),
    "png, wrong checksum of its end": flipped(plain("PNG"), -1),
    "png, too much text": plain("PNG")[:33]
    + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    "jpeg, zeros for its second half": JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2),
    "jpeg of 12 bits": JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "jpeg, signature alone": b"\xff\xd8\xff",
    "png, signature alone": b"\x89PNG\r\n\x1a\n",
    "gif, signature alone": b"GIF89a",
    "gif without frames": GIF[:13] + b";",
}


def segments(count: int, content: bytes = b"", marker: bytes = b"\xff\xe5") -> bytes:
    return JPEG[:2] + segment(marker, content) * count + JPEG[2:]


def chunks(count: int, at: int) -> bytes:
    data = plain("PNG")
    return data[:at] + chunk(b"teXt", b"") * count + data[at:]


def blocks(count: int, at: int) -> bytes:
    return GIF[:at] + b"!\xff" + b"\1x" * count + b"\0" + GIF[at:]


_FIRST_FRAME = GIF.index(b",\0\0\0\0")
_EXIF = b"Exif\0\0" + bytes(50)

#: Functions that make images with too many pieces, which would occupy a worker for a long time.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "jpeg, segments": lambda: segments(50_000),
    "jpeg, exif": lambda: segments(101, _EXIF, b"\xff\xe1"),
    "jpeg, zeros between segments": lambda: JPEG[:20] + bytes(2_000_000) + JPEG[20:],
    "png, chunks before its pixels": lambda: chunks(50_000, 33),
    "png, chunks after its pixels": lambda: chunks(50_000, -12),
    "png, exif": lambda: plain("PNG")[:33] + chunk(b"eXIf", b"x") * 101 + plain("PNG")[33:],
    "gif, blocks before its first frame": lambda: blocks(1_000_000, _FIRST_FRAME),
    "gif, blocks after its frames": lambda: blocks(2_000_000, -1),
    "gif, zeros after its frames": lambda: GIF[:-1] + bytes(2_000_000) + b";",
}

#: Functions that make images with nearly too many pieces.
LARGE: dict[str, Callable[[], bytes]] = {
    "jpeg, segments": lambda: segments(49_900),
    "jpeg, exif": lambda: segments(100, _EXIF, b"\xff\xe1"),
    "png, chunks": lambda: chunks(49_900, -12),
    "png, exif": lambda: plain("PNG")[:33] + chunk(b"eXIf", b"x") * 100 + plain("PNG")[33:],
    "gif, blocks": lambda: blocks(1_000_000, -1),
}

_TAGS = photographs.exif("<", photographs.described("x"), thumbnail=THUMBNAIL)
_EXIF_AND_THUMBNAIL = photographs.app1(_TAGS)

#: Images with a location in their metadata, in whose structure decoders do not find the pixels.
LOST = {
    "begun twice": JPEG[:2] + photographs.jpeg(_EXIF_AND_THUMBNAIL),
    "a length too short": photographs.jpeg(
        _EXIF_AND_THUMBNAIL[:2]
        + struct.pack(">H", len(_EXIF_AND_THUMBNAIL) - 4)
        + _EXIF_AND_THUMBNAIL[4:]
    ),
}
