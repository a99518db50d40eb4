"""Orientation of images whose metadata is removed."""

from __future__ import annotations

import io
import re

import pytest

from django_groupme_images.images.metadata import without_metadata
from tests.support import photographs
from tests.support.memory import peak_memory
from tests.support.metadata import camera_image, frames, orientation, stripped
from tests.support.photographs import app1, chunk, exif, jpeg, png

pytestmark = pytest.mark.any_django


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("number", [*range(10), 65535])
def test_exif_with_each_orientation_keeps_it_unless_upright(order, number):
    tags = exif(order, photographs.described("x", number))
    upright = number not in range(2, 9)
    for data in (jpeg(app1(tags)), jpeg(app1(tags), jfif=False)):
        result = stripped(data)
        assert (b"Exif\0\0" not in result) == upright
        assert orientation(result) == (1 if upright else number)
    data = png(chunk(b"eXIf", tags))
    result = stripped(data)
    assert (b"eXIf" not in result) == upright
    assert orientation(result) == (1 if upright else number)


def test_jpeg_with_jfif_has_orientation_after_it():
    result = stripped(camera_image("Canon"))
    assert re.match(rb"\xff\xd8\xff\xe0..JFIF\0.{9}\xff\xe1..Exif\0\0", result, re.DOTALL)


def test_jpeg_with_two_exif_segments_keeps_orientation_of_first():
    upright, rotated = (app1(exif("<", photographs.described("x", number))) for number in (1, 6))
    assert orientation(stripped(jpeg(upright, rotated))) == 1
    assert orientation(stripped(jpeg(rotated, upright))) == 6


def test_png_with_two_exif_chunks_keeps_orientation_of_first():
    upright, rotated = (chunk(b"eXIf", exif("<", {0x0112: [number]})) for number in (1, 6))
    assert stripped(png(upright, rotated)) == png()
    assert orientation(stripped(png(rotated, upright))) == 6
    assert stripped(png(rotated, upright)) == stripped(png(rotated))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow also warns about the original.
@pytest.mark.parametrize(
    "tags",
    [
        b"",
        b"II",
        b"II*\0\x08\0\0\0",
        b"no TIFF at all",
        b"MM\0*\xff\xff\xff\xff",
        exif("<", photographs.described("x", 6))[:20],
        exif("<", {0x0112: "six"}),
        exif("<", {0x0112: b"\6\6\6\6\6\6"}),
        exif("<", {0x010F: "x"}),
    ],
)
def test_unreadable_exif_in_jpeg_or_png_is_removed(tags):
    for data in (jpeg(app1(tags)), png(chunk(b"eXIf", tags))):
        result = stripped(data)
        assert b"Exif\0\0" not in result
        assert b"eXIf" not in result
        assert list(frames(result)) == list(frames(data))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow also warns about the original.
def test_partly_damaged_exif_keeps_orientation():
    tags = exif("<", photographs.described("x", 6), gps=False)[:-30]
    for data in (jpeg(app1(tags)), png(chunk(b"eXIf", tags))):
        assert orientation(stripped(data)) == orientation(data) == 6


def test_png_exif_with_jpeg_signature_keeps_orientation_without_it():
    data = png(chunk(b"eXIf", b"Exif\0\0" + exif(">", {0x0112: [6]})))
    assert orientation(stripped(data)) == 6
    assert b"eXIfMM\0*" in stripped(data)


def test_huge_exif_in_png_uses_little_memory():
    tags = exif(">", photographs.described("x", 6), {0x927C: bytes(20_000_000)})
    file = io.BytesIO(png(last=chunk(b"eXIf", tags)))
    with peak_memory() as peak:
        result = without_metadata(file).read()
    assert peak() < 2_000_000
    assert len(result) < len(png()) + 100
    assert orientation(result) == 6
