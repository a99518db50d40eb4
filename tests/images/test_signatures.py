"""``detect_format``: the first bytes of real files, and of files that resemble another format."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from django_groupme_images.images.signatures import detect_format, display_name
from tests.support.animations import FORMATS

pytestmark = pytest.mark.any_django


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">L4s", 8 + len(brands), b"ftyp") + brands + bytes(64)


def saved(image_format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, image_format)
    return file.getvalue()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", *FORMATS])
def test_detect_format_of_saved_image_returns_its_format(image_format: str) -> None:
    assert detect_format(saved(image_format), "cat", ["jpeg"]) == image_format


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "HEIF"),
        (ftyp(b"heix", b"mif1"), "HEIF"),
        (ftyp(b"mif1", b"heic", b"mif1"), "HEIF"),
        (ftyp(b"msf1", b"hevc"), "HEIF"),
        (ftyp(b"mif1", b"avif", b"miaf"), "AVIF"),
        (ftyp(b"avis", b"msf1"), "AVIF"),
        (b"\0\0\0\x10ftypmif3heic\0\0\0\xeamini", "HEIF"),
        (b"\0\0\0\x10ftypmif3avif\0\0\0Ymini", "AVIF"),
        (ftyp(b"crx ", b"isom"), "RAW"),
        (ftyp(b"isom", b"mp42"), None),
        (b"\xff\x0a\xfa\x1f", "JXL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn by hand -->\n<svg>", "SVG"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' ''>\n<svg width='1'>", "SVG"),
        (b"<html><svg></svg></html>", None),
        (b"<svgs>", None),
        (b"FUJIFILMCCD-RAW 0201", "RAW"),
        (b"IIRO\x08\0\0\0", "RAW"),
        (b"IIU\0\x18\0\0\0", "RAW"),
        (b"II*\0\x10\0\0\0CR\x02\0", "RAW"),
        (b"", None),
    ],
)
def test_detect_format_of_other_signature(prefix: bytes, expected: str | None) -> None:
    assert detect_format(prefix, "cat.jpg", ["jpeg"]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.NEF", "RAW"), ("a.dng", "RAW"), ("a.tif", "TIFF"), ("nef", "TIFF"), ("", "TIFF")],
)
def test_detect_format_of_tiff_depends_on_extension(name: str, expected: str) -> None:
    assert detect_format(saved("TIFF"), name, ["tiff"]) == expected


def test_display_name_is_the_usual_name() -> None:
    assert [display_name(name) for name in ("heif", "JXL", "jpeg", "webp")] == [
        "HEIF (HEIC)",
        "JPEG XL",
        "JPEG",
        "WebP",
    ]
