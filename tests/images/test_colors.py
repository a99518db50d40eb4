"""Modes and colors of converted images."""

from __future__ import annotations

import struct
from array import array
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from django_groupme_images.images.converting.cicp import avif_color_code
from django_groupme_images.images.converting.color_profiles import (
    ColorCode,
    adobe_rgb_profile,
    profile_of_code,
)
from django_groupme_images.images.converting.colors import to_display_colors, to_display_mode
from tests.support.converted_images import (
    assert_similar,
    channels,
    converted,
    encoded,
    nclx,
    photo,
    replaced,
)

pytestmark = pytest.mark.any_django

P3, BT2020, PQ, HLG = 12, 9, 16, 18
PROFILE = profile_of_code(ColorCode(P3, 13)) or b""


def tiff(image: Image.Image, tags: dict[int, int] | None = None, **options: Any) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (tags or {}).items():
        directory[tag] = value
    return encoded(image, "TIFF", tiffinfo=directory, **options)


def gray_tiff(values: array[Any], tags: dict[int, int], order: str = "<") -> bytes:
    """Return an uncompressed TIFF of one row, with ``tags`` apart from those of its structure."""
    data = values.tobytes()
    all_tags = {
        256: len(values),
        257: 1,
        258: 8 * values.itemsize,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: 1,
        279: len(data),
        **tags,
    }
    entries = b"".join(
        struct.pack(order + "HHLL", tag, 4, 1, value) for tag, value in sorted(all_tags.items())
    )
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "L", 8 + len(data))
    return head + data + struct.pack(order + "H", len(all_tags)) + entries + bytes(4)


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    return [channels(image.getpixel((x, 0))) for x in range(image.width)]


def converted_row(data: bytes) -> list[int]:
    return [pixel[0] for pixel in pixels(converted(data, "TIFF"))]


def assert_row(data: bytes, expected: list[int]) -> None:
    assert converted_row(data) == pytest.approx(expected, abs=2)


GRAY = [0, 64, 128, 192, 255]


@pytest.mark.parametrize("order", "<>")
def test_gray_of_16_bits_is_reduced_to_8(order: str) -> None:
    values = array("H", [256 * value for value in GRAY for _ in range(8)])
    if order == ">":
        values.byteswap()
    assert_row(gray_tiff(values, {}, order), [value for value in GRAY for _ in range(8)])


def test_gray_of_16_bits_with_white_as_zero_is_inverted() -> None:
    values = array("H", [65535 - 256 * value for value in GRAY for _ in range(8)])
    assert_row(gray_tiff(values, {262: 0}), [value for value in GRAY for _ in range(8)])


def test_gray_of_12_bits_is_reduced_to_8() -> None:
    packed = array("B", b"\0\0\0" * 4 + b"\x80\x08\x00" * 4 + b"\xff\xff\xff" * 4)
    data = gray_tiff(packed, {256: 24, 258: 12})
    assert_row(data, [0] * 8 + [128] * 8 + [255] * 8)


@pytest.mark.parametrize("white", [65535, 2**31 - 1])
def test_gray_of_32_bits_is_scaled_by_its_range(white: int) -> None:
    image = Image.new("I", (40, 1))
    for x in range(40):
        image.putpixel((x, 0), white * GRAY[x // 8] // 255)
    assert_row(tiff(image), [value for value in GRAY for _ in range(8)])


@pytest.mark.parametrize("white", [1, 255, 65535, 100_000])
def test_gray_of_floats_is_scaled_by_its_range(white: int) -> None:
    image = Image.new("F", (40, 1))
    for x in range(40):
        image.putpixel((x, 0), white * GRAY[x // 8] / 255)
    assert_row(tiff(image), [value for value in GRAY for _ in range(8)])


def test_white_and_black_of_one_bit_stay_white_and_black() -> None:
    image = Image.new("1", (16, 1))
    image.paste(1, (8, 0, 16, 1))
    for image_format in ("BMP", "TIFF"):
        result = converted(encoded(image, image_format), image_format)
        assert result.mode == "L"
        assert pixels(result) == [(0,)] * 8 + [(255,)] * 8


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBX", "YCbCr", "LAB", "CMYK"])
def test_each_mode_keeps_its_colors(mode: str) -> None:
    if mode == "P":
        image = photo().quantize(64)
    elif mode == "LAB":
        transform = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        image = ImageCms.applyTransform(photo(), transform)
    else:
        image = photo().convert(mode)
    data = tiff(image)
    try:
        Image.open(BytesIO(data)).load()
    except OSError:
        pytest.skip("this Pillow cannot decode the TIFF that it wrote")
    result = converted(data, "TIFF")
    assert result.format == "JPEG"
    assert result.mode == ("L" if mode == "L" else "RGB")
    # A palette has few colors, and Lab has few values.
    assert_similar(result, photo().convert(result.mode), 22)


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "La", "RGBa"])
def test_each_mode_with_alpha_keeps_it(mode: str) -> None:
    image = photo().convert("L" if mode[0] == "L" else "RGB")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image = image.convert(mode)
    result = to_display_mode(image)
    assert result.mode == ("LA" if mode[0] == "L" else "RGBA")
    assert_similar(result.getchannel("A"), image.getchannel(mode[-1]), 1)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_color_becomes_alpha(mode: str) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), 1 if mode == "P" else (9,) * 3 if mode == "RGB" else 9)
    image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    result = to_display_mode(image)
    assert [pixel[-1] for pixel in pixels(result)] == [0, 255]


def test_transparent_value_of_16_bits_becomes_alpha() -> None:
    image = Image.new("I;16", (4, 1))
    for x, value in enumerate([0x1234, 0x1235, 0x1334, 0x1234]):
        image.putpixel((x, 0), value)
    image.info["transparency"] = 0x1234
    result = to_display_mode(image)
    assert pixels(result) == [(0x12, 0), (0x12, 255), (0x13, 255), (0x12, 0)]
    assert result.info == {}


def test_profile_of_the_image_is_kept() -> None:
    result = converted(encoded(photo(), "WEBP", icc_profile=PROFILE), "WEBP")
    assert result.info["icc_profile"] == PROFILE
    assert_similar(result, photo())


@pytest.mark.parametrize(
    "profile", [b"broken", PROFILE[:200], PROFILE[:-1] + bytes(5_000_000)], ids=len
)
def test_profile_that_is_broken_or_too_large_is_dropped(profile: bytes) -> None:
    result = converted(encoded(photo(), "TIFF", icc_profile=profile), "TIFF")
    assert "icc_profile" not in result.info
    assert_similar(result, photo())


def test_profile_for_another_mode_is_dropped() -> None:
    result = converted(encoded(photo().convert("L"), "TIFF", icc_profile=PROFILE), "TIFF")
    assert result.mode == "L"
    assert "icc_profile" not in result.info


@pytest.mark.parametrize("kind", ["RGB", "without table", "broken"])
def test_cmyk_with_unusable_profile_is_converted_by_formula(kind: str) -> None:
    image = photo().convert("CMYK")
    profiles = {
        "RGB": PROFILE,
        "without table": cmyk_profile().replace(b"A2B0", b"xxxx"),
        "broken": b"broken",
    }
    data = encoded(image, "TIFF", icc_profile=profiles[kind])
    result = converted(data, "TIFF")
    assert "icc_profile" not in result.info
    assert_similar(result, photo())
    assert_similar(to_display_colors(image), photo(), 1)


def cmyk_profile() -> bytes:
    """Return a CMYK profile that ignores all inks except black, to prove that it is used."""
    white = struct.pack(">4s4x3L", b"XYZ ", 63190, 65536, 54061)
    table = struct.pack(">4s4x4B", b"mft1", 4, 3, 2, 0)
    table += struct.pack(">9l", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table += bytes(range(256)) * 4 + bytes((255, 128, 128, 0, 128, 128)) * 8 + bytes(range(256)) * 3
    tags = {b"A2B0": table, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": white}
    start, directory, data = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        directory += struct.pack(">4sLL", name, start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(
        ">L4xL4s4s4s12x4s", start + len(data), 0x02100000, b"prtr", b"CMYK", b"Lab ", b"acsp"
    )
    header = header.ljust(68, b"\0") + white[8:]
    return header.ljust(128, b"\0") + struct.pack(">L", len(tags)) + directory + data


def test_cmyk_with_profile_is_converted_with_it() -> None:
    data = encoded(photo().convert("CMYK"), "TIFF", icc_profile=cmyk_profile())
    result = converted(data, "TIFF")
    assert "icc_profile" not in result.info
    assert_similar(result, Image.new("RGB", result.size, "white"), 1)


def test_profile_of_adobe_rgb_is_more_saturated_than_srgb() -> None:
    assert in_srgb((100, 200, 100), adobe_rgb_profile()) == pytest.approx((0, 202, 94), abs=4)


def in_srgb(color: tuple[int, int, int], profile: bytes) -> tuple[int, ...]:
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    result = ImageCms.applyTransform(Image.new("RGB", (1, 1), color), transform)
    assert result
    return channels(result.getpixel((0, 0)))


# Calculated with the matrices of the standards.
@pytest.mark.parametrize(
    ("code", "color", "expected"),
    [
        (ColorCode(P3, 13), (200, 50, 50), (218, 24, 40)),
        (ColorCode(P3, 13), (128, 128, 128), (128, 128, 128)),
        (ColorCode(11, 1), (50, 200, 50), (0, 204, 0)),
        (ColorCode(BT2020, 1), (200, 50, 50), (248, 0, 41)),
        (ColorCode(1, 4), (64, 64, 64), (62, 62, 62)),
        (ColorCode(1, 8), (55, 55, 55), (128, 128, 128)),
        # Diffuse white of 203 nits, and black, in PQ and HLG.
        (ColorCode(BT2020, PQ), (148, 148, 148), (246, 246, 246)),
        (ColorCode(BT2020, PQ), (0, 0, 0), (0, 0, 0)),
        (ColorCode(BT2020, PQ), (255, 255, 255), (255, 255, 255)),
        (ColorCode(BT2020, HLG), (191, 191, 191), (246, 246, 246)),
        (ColorCode(BT2020, HLG), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_profile_of_code_has_the_colors_of_its_standard(
    code: ColorCode, color: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    profile = profile_of_code(code)
    assert profile
    assert in_srgb(color, profile) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("code", [ColorCode(1, 13), ColorCode(2, 2), ColorCode(6, 6)])
def test_profile_of_code_with_colors_of_srgb_is_none(code: ColorCode) -> None:
    assert profile_of_code(code) is None


def with_code(image: Image.Image, image_format: str, primaries: int, transfer: int) -> bytes:
    """Return an image file with another color code than that of sRGB."""
    data = encoded(image, image_format, subsampling="4:4:4")
    if nclx(1, 13) not in data:
        pytest.skip("this libheif writes no color code")
    return replaced(data, nclx(1, 13), nclx(primaries, transfer))


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_wide_gamut_without_profile_gets_profile(image_format: str) -> None:
    result = converted(with_code(photo(), image_format, P3, 13), image_format)
    assert result.info["icc_profile"] == PROFILE
    assert_similar(result, photo())


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_srgb_without_profile_gets_no_profile(image_format: str) -> None:
    assert "icc_profile" not in converted(encoded(photo(), image_format), image_format).info


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
def test_hdr_becomes_srgb(image_format: str, transfer: int) -> None:
    gray = Image.new("RGB", (64, 64), (128, 128, 128))
    result = converted(with_code(gray, image_format, BT2020, transfer), image_format)
    assert "icc_profile" not in result.info
    expected = {PQ: 181, HLG: 137}[transfer]
    assert_similar(result, Image.new("RGB", gray.size, (expected,) * 3), 3)


def test_hdr_keeps_its_alpha() -> None:
    image = Image.new("RGBA", (64, 64), (128, 128, 128, 100))
    data = replaced(encoded(image, "AVIF", quality=100), nclx(1, 13), nclx(BT2020, PQ))
    result = converted(data, "AVIF")
    assert result.getpixel((9, 9)) == pytest.approx((181, 181, 181, 100), abs=3)


@pytest.mark.parametrize("alpha", [255, 100])
def test_color_code_of_avif_is_that_of_the_primary_item(alpha: int) -> None:
    data = encoded(Image.new("RGBA", (64, 64), (9, 9, 9, alpha)), "AVIF")
    data = replaced(data, nclx(1, 13), nclx(P3, 13))
    assert avif_color_code(BytesIO(data)) == (P3, 13)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:200],
        lambda data: data.replace(b"pitm", b"free"),
        lambda data: data.replace(b"colrnclx", b"colrprof"),
        lambda data: data.replace(b"meta", b"\xff" * 4),
        lambda data: data[:40],
        lambda data: b"\0\0\0\1meta\0\0\0\0\0\0\0\0" + data,
        lambda data: b"\0\0\0\0meta" + data,
        lambda data: b"\0\0\0\4meta" + data,
        lambda data: replaced(data, b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\7"),
        lambda data: b"\0\0\0\x08free" * 2_000 + data,
    ],
)
def test_color_code_of_damaged_avif_is_unknown(damage: Any) -> None:
    assert avif_color_code(BytesIO(damage(encoded(photo(), "AVIF")))) is None


def box(name: bytes, content: bytes, *, is_long: bool = False) -> bytes:
    if is_long:
        return struct.pack(">L4sQ", 1, name, 16 + len(content)) + content
    return struct.pack(">L4s", 8 + len(content), name) + content


@pytest.mark.parametrize("is_long", [True, False])
@pytest.mark.parametrize("version", [0, 1])
def test_color_code_is_read_from_each_version_of_the_boxes(version: int, is_long: bool) -> None:
    size = "L" if version else "H"
    flags = bytes((version, 0, 0, version))
    # Properties 1 and 3 belong to the item 5, and property 2 to the item 4.
    essential = 0x8000 if version else 0x80
    items = [(4, [2]), (5, [essential | 1, 3])]
    associations = b"".join(
        struct.pack(f">{size}B", item, len(indexes))
        + struct.pack(f">{len(indexes)}{'H' if version else 'B'}", *indexes)
        for item, indexes in items
    )
    codes = [box(b"colr", b"nclx" + struct.pack(">3HB", n, 13, 0, 0)) for n in (1, 9, 12)]
    properties = box(b"ipco", box(b"ispe", bytes(12)) + codes[1] + codes[2], is_long=is_long)
    properties += box(b"ipma", flags + struct.pack(">L", len(items)) + associations)
    meta = bytes(4) + box(b"pitm", flags[:1] + bytes(3) + struct.pack(f">{size}", 5))
    data = box(b"ftyp", b"avif") + box(b"meta", meta + box(b"iprp", properties), is_long=is_long)
    assert avif_color_code(BytesIO(data)) == (12, 13)
