"""Detection of the format of an image file by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

__all__ = ["DETECTED_FORMATS", "PREFIX_SIZE", "UNREADABLE_FORMATS", "detect_format", "display_name"]

#: The number of bytes at the beginning of a file that ``detect_format()`` reads.
PREFIX_SIZE = 4096

# Pillow is imported only for files of other formats.
_SIGNATURES = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "JPEG": rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "GIF": rb"GIF8[79]a",
        "WEBP": rb"RIFF.{4}WEBP",
        "BMP": rb"BM",
        "JXL": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        "SVG": rb"(?:\xef\xbb\xbf)?\s*(?:(?:<\?xml|<!--|<!DOCTYPE svg).*)?<svg[\s>]",
        "RAW": (
            rb"FUJIFILMCCD-RAW|FOVb|\0MRM|II[RU][OS\0]|MMOR|II\x1a\0\0\0HEAP|(?:II|MM).{6}CR\x02"
        ),
    }.items()
}

# The brands in the first box of a file of the ISO base media family.
_BRANDS = {
    "AVIF": {b"avif", b"avis"},
    "HEIF": {
        *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
        *(b"mif1", b"mif2", b"msf1", b"miaf"),
    },
    "RAW": {b"crx "},
}

# Most RAW formats are TIFF files, whose first image is a small preview.
_RAW_EXTENSION = re.compile(
    r"\.(3fr|arw|cr2|dcr|dng|erf|iiq|k25|kdc|mef|mos|nef|nrw|pef|raw|rw2|rwl|sr2|srf|srw)",
    re.IGNORECASE,
)

#: Formats that are detected without Pillow.
DETECTED_FORMATS = ("TIFF", *_SIGNATURES, *_BRANDS)

#: Formats that neither Pillow nor the image service reads.
UNREADABLE_FORMATS = frozenset({"JXL", "SVG", "RAW"})

_DISPLAY_NAMES = {"HEIF": "HEIF (HEIC)", "JXL": "JPEG XL", "JPEG2000": "JPEG 2000", "WEBP": "WebP"}


def detect_format(prefix: bytes, name: str, preferred: Collection[str]) -> str | None:
    """
    Return Pillow's name of a file's format, in upper case, or ``None`` if it is unknown.

    ``prefix`` is the beginning of the file. For formats without a name in Pillow, return ``HEIF``,
    ``JXL``, ``SVG``, or ``RAW``. ``name`` is the file name, whose extension distinguishes some RAW
    formats from TIFF. ``preferred`` contains formats in lower case, which take precedence if the
    signatures of several formats match.
    """
    for image_format, pattern in _SIGNATURES.items():
        if pattern.match(prefix):
            return image_format
    if prefix[4:8] == b"ftyp" and (found := _format_of_brands(prefix)):
        return found
    is_tiff = prefix[:4] in (b"II*\0", b"MM\0*")
    if is_tiff and _RAW_EXTENSION.fullmatch(PurePath(name).suffix):
        return "RAW"
    return _detect_with_pillow(prefix[:16], preferred)


def display_name(image_format: str) -> str:
    """Return the usual name of a format, such as ``JPEG XL``."""
    image_format = image_format.upper()
    return _DISPLAY_NAMES.get(image_format, image_format)


def _format_of_brands(prefix: bytes) -> str | None:
    """Return the format of the first brand that is known, except that AVIF takes precedence."""
    box = prefix[8 : int.from_bytes(prefix[:4], "big")]
    # The version after the first brand is itself a brand in files with the short header of "mif3".
    brands = {box[start : start + 4] for start in range(0, len(box), 4)}
    return next((name for name, known in _BRANDS.items() if known & brands), None)


def _detect_with_pillow(prefix: bytes, preferred: Collection[str]) -> str | None:
    # Image.open() would run the decoder of a format that is not allowed: EPS runs Ghostscript, and
    # ICO and WebP decode or allocate memory when they are opened.
    from PIL import Image

    Image.init()
    prefix = prefix.ljust(16, b"\0")  # Some accept functions read single bytes of it.
    formats = [name for name, (_, accept) in Image.OPEN.items() if accept and accept(prefix)]
    return min(formats, key=lambda name: name.lower() not in preferred, default=None)
