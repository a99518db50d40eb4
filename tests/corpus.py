"""Every odd file there is, with what a form says of it, and what the service makes of it."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from PIL import Image, ImageOps

from . import odd_images, photographs
from .emulator_pictures import plain, turned
from .odd_images import HTML, JPEG, after, chunk

EMPTY = "the body is empty"
NOT_WHOLE = "the body is not an image, or not a whole one"
TOO_MANY_PIXELS = "the image has too many pixels"
TAKEN = "taken"


@dataclass(frozen=True)
class Odd:
    """
    A file, and what becomes of it.

    ``form`` is the code of a form's error. ``service`` is how the picture's name begins
    (``"48x32.jpeg"``, as it is displayed), or the words of the refusal.
    """

    make: Callable[[], bytes]
    form: str
    service: str

    @property
    def is_accepted(self) -> bool:
        """Whether the service takes it, wherever it comes from."""
        return " " not in self.service


def displayed(data: bytes) -> str:
    """How Pillow would name a picture that it can open, upright."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an MPO's list of images
        image = Image.open(io.BytesIO(data))
    with image:
        word = str(image.format).replace("MPO", "JPEG").lower()
        width, height = ImageOps.exif_transpose(image).size if image.getexif() else image.size
        return f"{width}x{height}.{word}"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil")
    return file.getvalue()


def ycck() -> bytes:
    """Four inks, of which Adobe's segment says that three are turned into brightness and colour."""
    data = bytearray(plain("JPEG", mode="CMYK", color=(1, 2, 3, 4)))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def interlaced_png() -> bytes:
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    passes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)]
    pixels = b"".join(bytes((1 + width) * height) for width, height in passes)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def gif_of(frames: int) -> bytes:
    data = plain("GIF", (1, 1), mode="L", color=1)
    start = data.index(b",\0\0\0\0")
    return data[:start] + data[start:-1] * frames + b";"


def script_gif() -> bytes:
    """To a browser that is told so, a script: the size of the screen opens a comment."""
    data = plain("GIF", (1, 1), mode="L", color=1)
    return b"GIF89a/*\1\0" + data[10:] + b"*/=1;alert(1)"


POLYGLOTS = {
    "html that holds a jpeg": Odd(lambda: HTML + JPEG, "invalid_image", NOT_WHOLE),
    "zip that holds a jpeg": Odd(lambda: b"PK\3\4" + JPEG, "invalid_image", NOT_WHOLE),
    "pdf that holds a jpeg": Odd(lambda: b"%PDF-1.4\n" + JPEG, "invalid_image", NOT_WHOLE),
    "jpeg, html in its exif": Odd(
        lambda: photographs.jpeg(photographs.app1(HTML)), TAKEN, "96x64.jpeg"
    ),
    "jpeg that is a pdf": Odd(
        lambda: after(b"\xff\xfe", JPEG, b"%PDF-1.4\n") + b"%%EOF", TAKEN, "160x120.jpeg"
    ),
    "jpeg that is a zip": Odd(lambda: JPEG + zipped(), TAKEN, "160x120.jpeg"),
    "png that is a zip": Odd(lambda: plain("PNG") + zipped(), TAKEN, "48x32.png"),
    "png, html in its text": Odd(
        lambda: photographs.png(chunk(b"tEXt", b"Title\0" + HTML)), TAKEN, "96x64.png"
    ),
    "gif that is a jar": Odd(lambda: odd_images.GIF + zipped(), TAKEN, "40x30.gif"),
    "gif that is a script": Odd(script_gif, TAKEN, f"{0x2A2F}x1.gif"),
}

#: The bytes that other kinds of files begin with.
HEADS = {
    "webp": Odd(lambda: b"RIFF\x40\0\0\0WEBPVP8 " + bytes(64), "format_not_allowed", NOT_WHOLE),
    "bmp": Odd(lambda: b"BM" + bytes(64), "format_not_allowed", NOT_WHOLE),
    "tiff": Odd(lambda: b"II*\0\x08\0\0\0" + bytes(64), "format_not_allowed", NOT_WHOLE),
    "heic": Odd(lambda: b"\0\0\0\x18ftypheic" + bytes(64), "invalid_image", NOT_WHOLE),
    "svg with a script": Odd(
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "invalid_image",
        NOT_WHOLE,
    ),
}

SHAPES = {
    **{
        f"orientation {number}": Odd(
            partial(turned, number),
            TAKEN,
            "32x48.jpeg" if number > 4 else "48x32.jpeg",
        )
        for number in range(1, 9)
    },
    "ycck": Odd(ycck, TAKEN, "48x32.jpeg"),
    "arithmetic coding": Odd(
        lambda: plain().replace(b"\xff\xc0", b"\xff\xc9", 1), TAKEN, "48x32.jpeg"
    ),
    "interlaced png": Odd(interlaced_png, TAKEN, "8x8.png"),
    "gif of thousands of frames": Odd(lambda: gif_of(5_000), TAKEN, "1x1.gif"),
}

# Damaged behind what the service draws, the first frame; of a JPEG, it is content with any half.
_SHOWN_ANYWAY = {
    *(f"{kind}, {tenths} of 10" for kind in ("apng", "moving") for tenths in range(3, 10)),
    *(f"{kind}, without its end" for kind in ("png", "palette", "16 bits", "apng", "moving")),
    "png without an end",
    "png, wrong checksum of its end",
    "png, one bit of its text",
    "png, end of a chunk and of the file",
    "png, no kind of chunk",
    "jpeg, zeros for its second half",
}


def _each(
    files: Iterable[tuple[str, bytes]], form: str, service: Callable[[str, bytes], str]
) -> dict[str, Odd]:
    return {kind: Odd(partial(bytes, data), form, service(kind, data)) for kind, data in files}


def _of_good(kind: str, data: bytes) -> str:
    return TOO_MANY_PIXELS if kind.startswith("108 megapixels") else displayed(data)


def _of_other(kind: str, data: bytes) -> str:
    return f"{kind} is not accepted, only gif, jpeg, png"


def _of_damaged(kind: str, data: bytes) -> str:
    return displayed(data) if kind in _SHOWN_ANYWAY else NOT_WHOLE


def _of_pieces(kind: str) -> str:
    sizes = {"jpeg": "160x120", "png": "48x32", "gif": "40x30"}
    word = kind.partition(",")[0]
    return f"{sizes[word]}.{word}"


#: By what is odd about it, every file.
CORPUS = {
    **_each(odd_images.GOOD.items(), TAKEN, _of_good),
    **_each(odd_images.OTHER_FORMATS.items(), "format_not_allowed", _of_other),
    **_each(
        odd_images.NO_IMAGES.items(),
        "invalid_image",
        lambda kind, data: NOT_WHOLE if data else EMPTY,
    ),
    **_each(
        ((f"bomb: {kind}", data) for kind, (_, data) in odd_images.BOMBS.items()),
        "too_many_pixels",
        lambda *_: TOO_MANY_PIXELS,
    ),
    **_each(odd_images.cut(), "truncated", _of_damaged),
    **_each(odd_images.DAMAGED.items(), "truncated", _of_damaged),
    **_each(odd_images.LOST.items(), "truncated", lambda *_: NOT_WHOLE),
    **{
        f"hostile: {kind}": Odd(make, "truncated", _of_pieces(kind))
        for kind, make in odd_images.HOSTILE.items()
    },
    **{
        f"large: {kind}": Odd(make, TAKEN, _of_pieces(kind))
        for kind, make in odd_images.LARGE.items()
    },
    **POLYGLOTS,
    **HEADS,
    **SHAPES,
}
