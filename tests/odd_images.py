"""Odd images, and what is only named like one, built in memory."""

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
    """Pixels that do not compress to nothing, so that a file can be cut in many places."""
    length = len(Image.new(mode, size).tobytes())
    return Image.frombytes(mode, size, random.Random(1).randbytes(length))


def segment(marker: bytes, content: bytes) -> bytes:
    return marker + struct.pack(">H", len(content) + 2) + content


def after(marker: bytes, data: bytes, content: bytes) -> bytes:
    """A JPEG with one more segment, right after its first bytes."""
    return data[:2] + segment(marker, content) + data[2:]


def resized_jpeg(data: bytes, width: int, height: int) -> bytes:
    """The JPEG, claiming another size."""
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def huge_png(width: int, height: int) -> bytes:
    """A PNG that claims a size, of black and white."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def huge_gif(width: int, height: int) -> bytes:
    """A GIF that claims a size."""
    data = plain("GIF", mode="L", color=1)
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def outgrown_gif(width: int, height: int) -> bytes:
    """A GIF whose frame claims to be larger than the GIF."""
    data = plain("GIF", mode="L", color=1)
    start = data.index(b",\0\0\0\0") + 5
    return data[:start] + struct.pack("<HH", width, height) + data[start + 4 :]


def stored_png(width: int, height: int) -> bytes:
    """A PNG as large as its pixels, all of them in one chunk."""
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

#: What can be uploaded, by what is odd about it.
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
    "moving, local palettes": GIF,
    "interlaced gif": encoded(noise("P"), "GIF", interlace=1),
    "108 megapixels": huge_png(12_000, 9_000),
    "108 megapixels, jpeg": resized_jpeg(JPEG, 12_000, 9_000),
}

#: What Pillow calls the format of images that cannot be uploaded, and such images.
OTHER_FORMATS = {
    "WEBP": plain("WEBP"),
    "BMP": plain("BMP"),
    "TIFF": plain("TIFF"),
    "ICO": plain("ICO", (16, 16)),
    "PPM": plain("PPM"),
    "JPEG2000": plain("JPEG2000"),
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3" + struct.pack(">IIHH", 8, 8, 8, 3) + bytes(64),
    "EPS": plain("EPS"),
}

#: What is no image, by its name.
NO_IMAGES = {
    "cat.png": b"This is not a picture.\n",
    "cat.html": HTML,
    "cat.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>',
    "cat.pdf": plain("PDF"),
    "cat.zip": b"PK\3\4" + bytes(64),
    "cat.exe": b"MZ" + bytes(64),
    "nothing.jpg": b"",
    "one byte.gif": b"G",
    "zeros.jpg": bytes(10_000),
    "random.jpg": random.Random(2).randbytes(10_000),
}

#: Pixels, and files that claim to have them: far more than Pillow opens.
BOMBS = {
    "png": (3_600_000_000, huge_png(60_000, 60_000)),
    "gif": (4_294_836_225, huge_gif(65_535, 65_535)),
    "frame of a gif": (4_294_836_225, outgrown_gif(65_535, 65_535)),
    "jpeg": (4_225_000_000, resized_jpeg(JPEG, 65_000, 65_000)),
}

# An image, and the bytes of it that count.
_WHOLE = {
    "jpeg": JPEG,
    "progressive": GOOD["progressive"],
    "cmyk": GOOD["noisy cmyk"],
    "mpo": MPO[: MPO.index(END_OF_JPEG) + 2],
    "png": encoded(noise(), "PNG"),
    "palette": palette_png(),
    "16 bits": GOOD["noisy 16 bits"],
    "apng": GOOD["apng"],
    "gif": encoded(noise("P"), "GIF"),
    "moving": GIF,
}


def cut() -> Iterator[tuple[str, bytes]]:
    """Images cut at each tenth, and shortly before their end, where the marker of a PNG's is."""
    for kind, data in _WHOLE.items():
        for tenths in range(1, 10):
            yield f"{kind}, {tenths} of 10", data[: len(data) * tenths // 10]
        yield f"{kind}, without its end", data[:-13]


def flipped(data: bytes, position: int) -> bytes:
    position %= len(data)
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


#: Images that are damaged in other ways.
DAMAGED = {
    "png, one bit": flipped(_WHOLE["png"], 5_000),
    "png without pixels": huge_png(8, 8)[:33] + chunk(b"IEND", b""),
    "png without an end": plain("PNG")[:-12],
    "png, wrong checksum of its end": flipped(plain("PNG"), -1),
    "png, one bit of its text": flipped(GOOD["png with text"], -20),
    "png, end of a chunk and of the file": plain("PNG")[:-12] + chunk(b"tEXt", b"a\0b")[:-4],
    "png, no kind of chunk": plain("PNG")[:-12] + chunk(b"te\0t", b"") + chunk(b"IEND", b""),
    "png, too much text": plain("PNG")[:33]
    + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    "jpeg, zeros for its second half": JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2),
    "jpeg without its last byte": JPEG[:-1],
    "jpeg of 12 bits": JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    "jpeg, signature alone": b"\xff\xd8\xff",
    "png, signature alone": b"\x89PNG\r\n\x1a\n",
    "gif, signature alone": b"GIF89a",
    "gif without frames": GIF[:13] + b";",
}


def segments(amount: int, content: bytes = b"", marker: bytes = b"\xff\xe5") -> bytes:
    return JPEG[:2] + segment(marker, content) * amount + JPEG[2:]


def chunks(amount: int, at: int) -> bytes:
    data = plain("PNG")
    return data[:at] + chunk(b"teXt", b"") * amount + data[at:]


def blocks(amount: int, at: int) -> bytes:
    return GIF[:at] + b"!\xff" + b"\1x" * amount + b"\0" + GIF[at:]


_FIRST_FRAME = GIF.index(b",\0\0\0\0")
_EXIF = b"Exif\0\0" + bytes(50)

#: What makes images of so many pieces that they would keep a worker busy for long.
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

#: And what makes large ones, which are only nearly like that.
LARGE: dict[str, Callable[[], bytes]] = {
    "jpeg, segments": lambda: segments(49_900),
    "jpeg, exif": lambda: segments(100, _EXIF, b"\xff\xe1"),
    "png, chunks": lambda: chunks(49_900, -12),
    "png, exif": lambda: plain("PNG")[:33] + chunk(b"eXIf", b"x") * 100 + plain("PNG")[33:],
    "gif, blocks": lambda: blocks(1_000_000, -1),
}

_TAGS = photographs.exif("<", photographs.described("x"), thumbnail=THUMBNAIL)
_EXIF_AND_THUMBNAIL = photographs.app1(_TAGS)

#: Images that tell a place, in structures that no decoder follows to the pixels.
LOST = {
    "begun twice": JPEG[:2] + photographs.jpeg(_EXIF_AND_THUMBNAIL),
    "a length too short": photographs.jpeg(
        _EXIF_AND_THUMBNAIL[:2]
        + struct.pack(">H", len(_EXIF_AND_THUMBNAIL) - 4)
        + _EXIF_AND_THUMBNAIL[4:]
    ),
}
