"""Unusual files, with the expected results of a form field and of the image service."""

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
from .emulator_pictures import plain, rotated
from .odd_images import HTML, JPEG, after, chunk

INCOMPLETE = "the body is not a complete image"
TOO_MANY_PIXELS = "the image has too many pixels"
ACCEPTED = "accepted"


@dataclass(frozen=True)
class CorpusFile:
    """
    A file and its expected results.

    ``form`` is the error code of the form field, or ``ACCEPTED``. ``service`` is the beginning of
    the name of the stored image (``"48x32.jpeg"``, with the size as displayed), or the error
    message of the service.
    """

    make: Callable[[], bytes]
    form: str
    service: str

    @property
    def is_accepted(self) -> bool:
        """Whether the service stores the file."""
        return " " not in self.service


def displayed(data: bytes) -> str:
    """Return the displayed size and the format of an image, as in the name of a stored image."""
    with warnings.catch_warnings():
        # Pillow warns about malformed MPO files, and about large images.
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
    with image:
        image_format = str(image.format).replace("MPO", "JPEG").lower()
        width, height = ImageOps.exif_transpose(image).size if image.getexif() else image.size
        return f"{width}x{height}.{image_format}"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil")
    return file.getvalue()


def ycck() -> bytes:
    """Return a CMYK JPEG whose Adobe segment declares the YCCK color transform."""
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
    """Return a GIF that is also valid JavaScript, because its width opens a comment."""
    data = plain("GIF", (1, 1), mode="L", color=1)
    return b"GIF89a/*\1\0" + data[10:] + b"*/=1;alert(1)"


POLYGLOTS = {
    "html that contains a jpeg": CorpusFile(lambda: HTML + JPEG, "invalid_image", INCOMPLETE),
    "zip that contains a jpeg": CorpusFile(lambda: b"PK\3\4" + JPEG, "invalid_image", INCOMPLETE),
    "pdf that contains a jpeg": CorpusFile(
        lambda: b"%PDF-1.4\n" + JPEG, "invalid_image", INCOMPLETE
    ),
    "jpeg, html in its exif": CorpusFile(
        lambda: photographs.jpeg(photographs.app1(HTML)), ACCEPTED, "96x64.jpeg"
    ),
    "jpeg that is a pdf": CorpusFile(
        lambda: after(b"\xff\xfe", JPEG, b"%PDF-1.4\n") + b"%%EOF", ACCEPTED, "160x120.jpeg"
    ),
    "jpeg that is a zip": CorpusFile(lambda: JPEG + zipped(), ACCEPTED, "160x120.jpeg"),
    "png that is a zip": CorpusFile(lambda: plain("PNG") + zipped(), ACCEPTED, "48x32.png"),
    "png, html in its text": CorpusFile(
        lambda: photographs.png(chunk(b"tEXt", b"Title\0" + HTML)), ACCEPTED, "96x64.png"
    ),
    "gif that is a jar": CorpusFile(lambda: odd_images.GIF + zipped(), ACCEPTED, "40x30.gif"),
    "gif that is a script": CorpusFile(script_gif, ACCEPTED, f"{0x2A2F}x1.gif"),
}

#: Files that begin like those of other formats.
SIGNATURES = {
    "webp": CorpusFile(lambda: b"RIFF\x40\0\0\0WEBPVP8 " + bytes(64), "truncated", INCOMPLETE),
    "bmp": CorpusFile(lambda: b"BM" + bytes(64), "truncated", INCOMPLETE),
    "tiff": CorpusFile(lambda: b"II*\0\x08\0\0\0" + bytes(64), "format_not_allowed", INCOMPLETE),
    "heic": CorpusFile(lambda: b"\0\0\0\x18ftypheic" + bytes(64), "truncated", INCOMPLETE),
    "svg with a script": CorpusFile(
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "format_not_allowed",
        INCOMPLETE,
    ),
}

SHAPES = {
    **{
        f"orientation {number}": CorpusFile(
            partial(rotated, number),
            ACCEPTED,
            "32x48.jpeg" if number > 4 else "48x32.jpeg",
        )
        for number in range(1, 9)
    },
    "ycck": CorpusFile(ycck, ACCEPTED, "48x32.jpeg"),
    "arithmetic coding": CorpusFile(
        lambda: plain().replace(b"\xff\xc0", b"\xff\xc9", 1), ACCEPTED, "48x32.jpeg"
    ),
    "interlaced png": CorpusFile(interlaced_png, ACCEPTED, "8x8.png"),
    "gif of thousands of frames": CorpusFile(lambda: gif_of(5_000), ACCEPTED, "1x1.gif"),
}

# The service accepts these damaged files, because it decodes only the first frame, ignores what
# follows it, and decodes zeros as pixels.
_ACCEPTED_BY_SERVICE = {
    *(f"{kind}, {tenths} of 10" for kind in ("apng", "animated") for tenths in range(3, 10)),
    *(f"{kind}, without its end" for kind in ("png", "palette", "16 bits", "apng", "animated")),
    "png, wrong checksum of its end",
    "jpeg, zeros for its second half",
}


def _corpus_files(
    files: Iterable[tuple[str, bytes]], form: str, service: Callable[[str, bytes], str]
) -> dict[str, CorpusFile]:
    return {
        kind: CorpusFile(partial(bytes, data), form, service(kind, data)) for kind, data in files
    }


def _result_of_good(kind: str, data: bytes) -> str:
    return TOO_MANY_PIXELS if kind == "108 megapixels" else displayed(data)


def _result_of_tolerated(kind: str, data: bytes) -> str:
    sizes = {"png": "48x32.png", "gif": "160x120.gif", "jpeg": "160x120.jpeg"}
    return sizes.get(kind.replace(",", "").split()[0], "65000x65000.jpeg")


def _result_of_other_format(kind: str, data: bytes) -> str:
    return f"the format {kind} is not accepted; use gif, jpeg, png"


def _result_of_damaged(kind: str, data: bytes) -> str:
    return displayed(data) if kind in _ACCEPTED_BY_SERVICE else INCOMPLETE


def _result_of_many_pieces(kind: str) -> str:
    sizes = {"jpeg": "160x120", "png": "48x32", "gif": "40x30"}
    image_format = kind.partition(",")[0]
    return f"{sizes[image_format]}.{image_format}"


#: All files, by a description.
CORPUS = {
    **_corpus_files(odd_images.GOOD.items(), ACCEPTED, _result_of_good),
    **_corpus_files(odd_images.TOLERATED.items(), ACCEPTED, _result_of_tolerated),
    **_corpus_files(
        odd_images.OTHER_FORMATS.items(), "format_not_allowed", _result_of_other_format
    ),
    **_corpus_files(
        odd_images.NOT_IMAGES.items(),
        "invalid_image",
        lambda *_: INCOMPLETE,
    ),
    **_corpus_files(
        ((f"bomb: {kind}", data) for kind, (_, data) in odd_images.BOMBS.items()),
        "too_many_pixels",
        lambda *_: TOO_MANY_PIXELS,
    ),
    **_corpus_files(odd_images.truncated(), "truncated", _result_of_damaged),
    **_corpus_files(odd_images.DAMAGED.items(), "truncated", _result_of_damaged),
    **_corpus_files(odd_images.LOST.items(), "truncated", lambda *_: INCOMPLETE),
    **{
        f"hostile: {kind}": CorpusFile(make, "truncated", _result_of_many_pieces(kind))
        for kind, make in odd_images.HOSTILE.items()
    },
    **{
        f"large: {kind}": CorpusFile(make, ACCEPTED, _result_of_many_pieces(kind))
        for kind, make in odd_images.LARGE.items()
    },
    **POLYGLOTS,
    **SIGNATURES,
    **SHAPES,
}
