"""``shrink_image`` with PNG files, and ``resized`` with each mode of images."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageOps, __version__

from django_groupme_images.images.converting.scaling import resized
from tests.images.test_shrinking import difference, error_of, quadrants, shrunk, shrunk_image
from tests.support import hostile_images, photographs
from tests.support.emulator_pictures import encoded, opened
from tests.support.photographs import chunk, exif, png, scene

pytestmark = pytest.mark.any_django

GRAY, RGB, GRAY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
SAMPLES = {GRAY: 1, RGB: 3, GRAY_ALPHA: 2, RGB_ALPHA: 4}


def halves(bits: int, color_type: int, left: Any, right: Any, *chunks: bytes) -> bytes:
    """Return a PNG of 64×64 pixels with these samples in its left and right halves."""
    samples = [*left] * 32 + [*right] * 32
    row = b"\0" + (
        struct.pack(f">{len(samples)}H", *samples) if bits == 16 else _packed(samples, bits)
    )
    header = struct.pack(">LLBBBBB", 64, 64, bits, color_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(row * 64))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def _packed(samples: list[int], bits: int) -> bytes:
    digits = "".join(f"{sample:0{bits}b}" for sample in samples)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


def sides(image: Image.Image) -> tuple[Any, Any]:
    """Return the pixels in the middle of the left and of the right half."""
    width, height = image.size
    return tuple(image.getpixel((x, height // 2)) for x in (width // 8, width - width // 8))


def transparent(*color: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(color)}H", *color))


@pytest.mark.parametrize(
    ("data", "mode", "expected"),
    [
        (halves(1, GRAY, [0], [1]), "L", (0, 255)),
        (halves(8, GRAY, [7], [200]), "L", (7, 200)),
        (halves(16, GRAY, [0x1234], [0xFEDC]), "L", (0x12, 0xFE)),
        (halves(8, GRAY_ALPHA, [7, 255], [200, 51]), "LA", ((7, 255), (200, 51))),
        (halves(8, RGB, [1, 2, 3], [4, 5, 6]), "RGB", ((1, 2, 3), (4, 5, 6))),
        (halves(16, RGB, [0x1234] * 3, [0xFEDC] * 3), "RGB", ((0x12,) * 3, (0xFE,) * 3)),
        (halves(8, RGB_ALPHA, [9, 9, 9, 0], [4, 5, 6, 255]), "RGBA", ((0,) * 4, (4, 5, 6, 255))),
        (halves(1, GRAY, [0], [1], transparent(1)), "LA", ((0, 255), (0, 0))),
        (halves(2, GRAY, [1], [3], transparent(1)), "LA", ((0, 0), (255, 255))),
        (halves(8, GRAY, [7], [200], transparent(200)), "LA", ((7, 255), (0, 0))),
        (halves(16, GRAY, [0x1234], [0x1235], transparent(0x1235)), "LA", ((18, 255), (0, 0))),
        (
            halves(8, RGB, [1, 2, 3], [4, 5, 6], transparent(1, 2, 3)),
            "RGBA",
            ((0,) * 4, (4, 5, 6, 255)),
        ),
        (
            halves(16, RGB, [0x1234] * 3, [0xFEDC] * 3, transparent(*[0x1234] * 3)),
            "RGBA",
            ((0,) * 4, (0xFE, 0xFE, 0xFE, 255)),
        ),
    ],
)
def test_png_of_each_type_is_scaled_with_8_bits(data, mode, expected):
    result = shrunk_image(data, 16, image_format="PNG")
    assert (result.format, result.mode, result.size) == ("PNG", mode, (16, 16))
    assert sides(result) == expected
    assert "transparency" not in result.info


@pytest.mark.parametrize(
    ("transparency", "mode", "expected"),
    [
        (None, "RGB", ((255, 0, 0), (0, 0, 255))),
        (1, "RGBA", ((255, 0, 0, 255), (0, 0, 0, 0))),
        (bytes([255, 51]), "RGBA", ((255, 0, 0, 255), (0, 0, 255, 51))),
    ],
)
def test_png_with_palette_is_scaled(transparency, mode, expected):
    image = Image.new("P", (64, 32))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (32, 0, 64, 32))
    options = {} if transparency is None else {"transparency": transparency}
    result = shrunk_image(encoded(image, "PNG", **options), 16, image_format="PNG")
    assert (result.mode, result.size, sides(result)) == (mode, (16, 8), expected)


@pytest.mark.parametrize("max_dimension", [30, 100, 190])
def test_edge_of_transparent_pixels_has_no_other_color(max_dimension):
    image = Image.new("RGBA", (200, 200), (0, 255, 0, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 180, 180), (255, 0, 0, 255))
    result = shrunk_image(encoded(image, "PNG"), max_dimension, image_format="PNG")
    for red, green, blue, alpha in struct.iter_unpack("4B", result.tobytes()):
        assert alpha == 0 or (red > 200 and (green, blue) == (0, 0))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("max_dimension", [1300, 600])
def test_scaling_in_bands_equals_scaling_of_whole_image(mode, max_dimension):
    size = (1501, 1403)
    image = Image.radial_gradient("L").resize(size)
    if mode in ("RGBA", "P"):
        image = Image.merge("RGB", (image, ImageOps.invert(image), ImageOps.solarize(image)))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(size))
    if mode == "I;16":
        upper, converted = image.tobytes(), bytearray(2 * size[0] * size[1])
        converted[1::2] = upper
        source = Image.frombytes(mode, size, bytes(converted))
    else:
        source = image.convert(mode)
        image = source.convert({"P": "RGB", "1": "L"}.get(mode, mode))
    result = resized(source, max_dimension)
    reference = image.resize(result.size, Image.Resampling.LANCZOS, reducing_gap=2)
    assert max(result.size) == max_dimension
    assert difference(result, reference) < 0.1


def test_resized_of_small_image_converts_only_its_mode():
    image = scene()
    assert resized(image, 96) is image
    assert resized(image.convert("P"), 96).mode == "RGB"
    assert resized(image.convert("CMYK"), 48).mode == "CMYK"


def test_resized_keeps_color_profile():
    for mode in ("RGB", "RGBA", "P"):
        image = scene(mode=mode)
        image.info = {"icc_profile": b"profile"}
        assert resized(image, 48).info == {"icc_profile": b"profile"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_png_with_orientation_becomes_upright(orientation):
    data = png(chunk(b"eXIf", exif("<", {0x0112: [orientation]})), image=quadrants())
    expected = quadrants()
    if orientation > 1:
        expected = expected.transpose(TRANSPOSITIONS[orientation])
    result = shrunk_image(data, 32, image_format="PNG")
    assert difference(result, expected.resize(result.size, Image.Resampling.LANCZOS)) < 1
    assert result.info.keys() <= {"dpi"}


TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def test_png_keeps_chunks_of_colors_without_metadata():
    colors = [
        chunk(b"cHRM", struct.pack(">8L", *range(20_000, 28_000, 1_000))),
        chunk(b"gAMA", struct.pack(">L", 45455)),
        chunk(b"sRGB", b"\0"),
    ]
    if tuple(map(int, __version__.split(".")[:2])) >= (11, 3):
        colors.append(chunk(b"cICP", b"\x0c\x0d\0\1"))
    others = [chunk(b"tEXt", b"Author\0cat"), chunk(b"pHYs", bytes(9)), chunk(b"sRGB", bytes(99))]
    result = shrunk(png(*colors, *others, last=chunk(b"tIME", bytes(7))), image_format="PNG")
    assert all(color in result for color in colors)
    assert not any(name in result for name in (b"tEXt", b"pHYs", b"tIME", bytes(99)))


def test_png_keeps_color_profile():
    profile = photographs.profile()
    data = encoded(scene(), "PNG", icc_profile=profile)
    assert shrunk_image(data, image_format="PNG").info["icc_profile"] == profile


def test_png_with_text_that_decompresses_to_much_is_scaled():
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000)))
    assert shrunk(png(text, last=text), image_format="PNG") == shrunk(png(), image_format="PNG")


def test_png_is_limited_by_pixels():
    data = png(image=scene((80, 60)))
    assert shrunk(data, max_pixels=4_800, image_format="PNG")
    error = error_of(data, max_pixels=4_799, image_format="PNG")
    assert (error.code, error.params) == ("too_many_pixels", {"pixels": 4_800, "limit": 4_799})


def test_truncated_png_is_rejected():
    data = png()
    for stop in (20, 50, len(data) // 2):
        assert error_of(data[:stop], image_format="PNG").code == "truncated"


def test_png_without_header_is_rejected():
    data = png()
    for header in (b"", chunk(b"IHDR", b"\0\0\0\x60")):
        assert error_of(data[:8] + header + data[33:], image_format="PNG").code == "truncated"


def test_png_with_wrong_pixels_is_rejected():
    data = hostile_images.after_palette()
    broken = data.replace(b"IDAT", b"IDAT\0", 1)
    assert opened(data)
    assert error_of(broken, 1, image_format="PNG").code == "truncated"
