"""The color space in EXIF, and the orientation in XMP, of images whose metadata is removed."""

from __future__ import annotations

import zlib

import pytest
from PIL import ExifTags, Image

from tests.support import emulator_pictures as pictures
from tests.support import photographs
from tests.support.metadata import orientation, stripped
from tests.support.photographs import XMP_SIGNATURE, app1, chunk, jpeg, png, segment, xmp

pytestmark = pytest.mark.any_django

SRGB, ADOBE_RGB, UNCALIBRATED = 1, 2, 65_535


def tags(
    color_space: int | None = None,
    index: str | None = None,
    number: int | None = None,
    order: str = ">",
) -> bytes:
    """Return EXIF with a color space, an interoperability index, and an orientation."""
    exif = Image.Exif()
    exif.endian = order
    exif[ExifTags.Base.Make] = "A camera"
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.DateTimeOriginal] = "2026:07:04 12:30:00"
    if color_space is not None:
        camera[ExifTags.Base.ColorSpace] = color_space
    if index is not None:
        camera[ExifTags.IFD.Interop] = {1: index, 2: b"0100"}
    exif[ExifTags.IFD.Exif] = camera  # because older versions return a copy
    if number is not None:
        exif[ExifTags.Base.Orientation] = number
    return exif.tobytes().removeprefix(b"Exif\0\0")


def all_tags(data: bytes) -> list[dict[int, object]]:
    """Return the tags of each directory of an image's EXIF, without the offsets of others."""
    exif = pictures.opened(data).getexif()
    camera = dict(exif.get_ifd(ExifTags.IFD.Exif))
    # Before Pillow 11, get_ifd() fails if there is no directory of the camera.
    interop = dict(exif.get_ifd(ExifTags.IFD.Interop)) if camera else {}
    main = {tag: value for tag, value in exif.items() if tag != ExifTags.IFD.Exif}
    camera.pop(ExifTags.IFD.Interop, None)
    return [main, camera, interop]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("color_space", "index", "kept"),
    [
        (UNCALIBRATED, "R03", UNCALIBRATED),
        (ADOBE_RGB, "R03", ADOBE_RGB),
        (ADOBE_RGB, None, ADOBE_RGB),
        (None, "R03", UNCALIBRATED),
        (SRGB, "R03", None),
        (SRGB, "R98", None),
        (UNCALIBRATED, "R98", None),
        (UNCALIBRATED, None, None),
        (None, None, None),
    ],
)
def test_color_space_is_kept_only_if_it_is_adobe_rgb(order, color_space, index, kept):
    colors = [{ExifTags.Base.ColorSpace: kept}, {1: "R03"}] if kept else [{}, {}]
    for number in (None, 1, 6):
        exif = tags(color_space, index, number, order)
        expected = [{ExifTags.Base.Orientation: 6} if number == 6 else {}, *colors]
        for data in (jpeg(app1(exif)), png(chunk(b"eXIf", exif))):
            result = stripped(data)
            assert all_tags(result) == expected
            assert stripped(result) == result


def test_color_space_in_file_with_color_profile_is_removed():
    exif = tags(UNCALIBRATED, "R03", 6)
    profile = photographs.profile()
    for data in (
        jpeg(app1(exif), *photographs.icc(profile)),
        jpeg(*photographs.icc(profile), app1(exif)),
        png(chunk(b"eXIf", exif), icc_profile=profile),
        png(chunk(b"sRGB", b"\0"), last=chunk(b"eXIf", exif)),
    ):
        assert all_tags(stripped(data)) == [{ExifTags.Base.Orientation: 6}, {}, {}]


def test_damaged_color_space_is_removed():
    exif = tags(UNCALIBRATED, "R03")
    for length in range(len(exif)):
        assert all_tags(stripped(jpeg(app1(exif[:length])))) in (
            [{}, {}, {}],
            [{}, {ExifTags.Base.ColorSpace: UNCALIBRATED}, {1: "R03"}],
        )


def packet(text: str) -> bytes:
    return b"<rdf:Description tiff:Make='A camera' " + text.encode() + b"</rdf:Description>"


PACKETS = [
    'tiff:Orientation="6">',
    "tiff:Orientation='6'>",
    'tiff:Orientation = "6">',
    "><tiff:Orientation>6</tiff:Orientation>",
    "><tiff:Orientation>\n 6 \n</tiff:Orientation>",
    'tiff:Orientation="6"> tiff:Orientation="3"',
]
OTHER_PACKETS = [
    'tiff:Orientation="0">',
    'tiff:Orientation="9">',
    'tiff:Orientation="66">',
    'tiff:Orientation="1">',
    "tiff:Orientation=6>",
    "><tiff:Orientation/>",
    ">",
]


def files_with_xmp(data: bytes, exif: bytes = b"") -> list[bytes]:
    """Return a JPEG and PNG files with this XMP, plain and compressed, and with the EXIF."""
    name = b"XML:com.adobe.xmp\0"
    texts = [
        chunk(b"iTXt", name + b"\0\0\0\0" + data),
        chunk(b"iTXt", name + b"\1\0en\0XMP\0" + zlib.compress(data)),
        chunk(b"tEXt", name + data),
        chunk(b"zTXt", name + b"\0" + zlib.compress(data)),
    ]
    exif_segment, exif_chunk = (app1(exif), chunk(b"eXIf", exif)) if exif else (b"", b"")
    return [
        jpeg(exif_segment, xmp(data)),
        jpeg(xmp(data), exif_segment),
        *(png(text, last=exif_chunk) for text in texts),
        png(exif_chunk, last=texts[0]),
    ]


@pytest.mark.parametrize("text", PACKETS)
def test_orientation_in_xmp_is_kept_as_exif(text):
    for data in files_with_xmp(packet(text)):
        result = stripped(data)
        assert all_tags(result) == [{ExifTags.Base.Orientation: 6}, {}, {}]
        assert b"tiff:" not in result
        assert stripped(result) == result


@pytest.mark.parametrize("text", OTHER_PACKETS)
def test_other_orientation_in_xmp_is_removed(text):
    for data in files_with_xmp(packet(text)):
        assert stripped(data) in (jpeg(), png())


@pytest.mark.parametrize(("number", "expected"), [(3, 3), (1, 1), (9, 6), (None, 6)])
def test_valid_orientation_in_exif_takes_precedence_over_xmp(number, expected):
    for data in files_with_xmp(packet(PACKETS[0]), tags(number=number)):
        assert orientation(stripped(data)) == expected


def test_orientation_in_xmp_that_decoders_do_not_read_is_removed():
    data = packet(PACKETS[0])
    for kind in (b"iTXt", b"zTXt"):
        for text in (b"", b"\0", b"\1", b"\2\0\0\0" + data, b"\1\0\0\0" + data, b"\0\0" + data):
            assert stripped(png(chunk(kind, b"XML:com.adobe.xmp\0" + text))) == png()
    for text in (data, b"\0" + data, b"Comment\0\0\0\0\0" + data, b"XML:com.adobe.xmp" + data):
        assert stripped(png(chunk(b"iTXt", text))) == png()
    assert stripped(jpeg(segment(0xE1, XMP_SIGNATURE[:-1] + data))) == jpeg()
    progressive = jpeg(progressive=True)
    second_scan = progressive.index(b"\xff\xc4", progressive.index(b"\xff\xda"))
    between = xmp(data) + app1(tags(UNCALIBRATED, "R03", 6)) + photographs.icc(b"x")[0]
    assert stripped(progressive[:second_scan] + between + progressive[second_scan:]) == progressive


def test_orientation_in_second_xmp_is_removed():
    first, second = (packet(PACKETS[0].replace("6", number)) for number in "36")
    assert orientation(stripped(jpeg(xmp(first), xmp(second)))) == 3
    texts = [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text) for text in (first, second)]
    assert orientation(stripped(png(*texts))) == 3


def profile_text(exif: bytes) -> bytes:
    """Return EXIF in the hexadecimal form in which older programs write it to a PNG."""
    digits = (b"Exif\0\0" + exif).hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return b"\nexif\n" + b"%8d" % (len(exif) + 6) + b"\n" + lines.encode() + b"\n"


def test_orientation_in_text_of_png_is_kept_as_exif():
    text, name = profile_text(tags(number=6)), b"Raw profile type exif\0"
    for data in (
        png(chunk(b"tEXt", name + text)),
        png(chunk(b"zTXt", name + b"\0" + zlib.compress(text))),
        png(last=chunk(b"zTXt", name + b"\0" + zlib.compress(text[:-2] + b"f" * 200_000))),
    ):
        assert all_tags(stripped(data)) == [{ExifTags.Base.Orientation: 6}, {}, {}]
    assert orientation(png(chunk(b"tEXt", name + text))) == 6
    upright = chunk(b"eXIf", tags(number=1))
    assert stripped(png(chunk(b"tEXt", name + text), upright)) == png()


@pytest.mark.parametrize("text", [b"", b"\nexif\n 4\n", b"\nexif\n 4\nXYZ", b"\nexif\n 4\n\xff"])
def test_invalid_exif_in_text_of_png_is_removed(text):
    name = b"Raw profile type exif\0"
    assert stripped(png(chunk(b"tEXt", name + text))) == png()
    assert stripped(png(chunk(b"zTXt", name + b"\0" + text))) == png()
