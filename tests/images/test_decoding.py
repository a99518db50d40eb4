"""Opening of image files without side effects, and the libraries that this requires."""

from __future__ import annotations

import ctypes
import sys
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image, features

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.opening.decoding import (
    check_decoder,
    is_decodable,
    open_image,
    webp_size,
)
from django_groupme_images.images.opening.webp import _libwebp_function
from tests.support import animations
from tests.support.converted_images import encoded, photo

pytestmark = pytest.mark.any_django

FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "HEIF", *animations.FORMATS]


@pytest.mark.parametrize("image_format", FORMATS)
def test_open_image_of_each_format_reads_size_and_pixels(image_format: str) -> None:
    image = open_image(BytesIO(encoded(photo(), image_format)), image_format)
    assert image.size == (80, 60)
    image.load()
    image.load()
    difference = max(
        abs(a - b)
        for a, b in zip(
            image.convert("RGB").resize((1, 1)).getpixel((0, 0)),
            photo().resize((1, 1)).getpixel((0, 0)),
            strict=True,
        )
    )
    assert difference <= 3


def test_open_image_of_mpo_opens_it_as_jpeg() -> None:
    output = BytesIO()
    photo().save(output, "MPO", save_all=True, append_images=[photo()])
    assert open_image(output, "JPEG").format == "JPEG"


def test_open_image_of_heif_does_not_register_plugin() -> None:
    registered = dict(Image.OPEN), dict(Image.EXTENSION), dict(Image.SAVE)
    open_image(BytesIO(encoded(photo(), "HEIF")), "HEIF").load()
    assert (dict(Image.OPEN), dict(Image.EXTENSION), dict(Image.SAVE)) == registered
    assert "HEIF" not in Image.OPEN


def test_open_image_of_file_above_limit_of_pillow_does_not_warn() -> None:
    image = open_image(BytesIO(encoded(Image.new("1", (16_000, 8_000)), "BMP")), "BMP")
    assert image.size == (16_000, 8_000)


@pytest.mark.parametrize("image_format", FORMATS)
def test_is_decodable_of_each_format_is_true(image_format: str) -> None:
    assert is_decodable(image_format)
    assert is_decodable(image_format.lower())
    check_decoder(image_format)


@pytest.mark.parametrize(
    ("image_format", "message"),
    [
        ("SVG", "SVG cannot be decoded. Save the image as JPEG."),
        ("JXL", "JPEG XL cannot be decoded. Save the image as JPEG."),
        ("RAW", "RAW cannot be decoded. Save the image as JPEG."),
    ],
)
def test_check_decoder_of_unknown_format_raises(image_format: str, message: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        check_decoder(image_format)
    assert str(caught.value) == message
    assert caught.value.code == "no_decoder"
    assert caught.value.params == {"format": image_format}


@pytest.mark.parametrize("missing", ["pillow_heif", "_pillow_heif"])
def test_open_image_of_heif_without_pillow_heif_names_the_extra(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(photo(), "HEIF")
    for name in [name for name in sys.modules if name.startswith("pillow_heif")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImageRejected, match=r"Install django-groupme-images\[heif\], or save"):
        open_image(BytesIO(data), "HEIF")


@pytest.mark.parametrize(
    ("image_format", "remedy"), [("AVIF", "Pillow 11.3 or later"), ("WEBP", "Pillow with support")]
)
def test_check_decoder_with_pillow_that_lacks_format_names_it(
    image_format: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = image_format.lower()
    monkeypatch.setitem(features.modules, name, ("PIL._no_such_module", None))
    with pytest.raises(ImageRejected, match=f"Install {remedy}"):
        check_decoder(image_format)
    monkeypatch.delitem(features.modules, name)
    assert not is_decodable(image_format)


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"exif": b"Exif\0\0"}])
def test_webp_size_is_the_size_of_the_image(options: dict[str, Any]) -> None:
    for size in [(1, 1), (80, 60), (16_383, 1)]:
        output = BytesIO()
        Image.new("RGB", size).save(output, "WEBP", **options)
        assert webp_size(output) == size


@pytest.mark.parametrize("data", [b"", b"RIFF....WEBPVP8 ", b"RIFF....WEBPVP8L....\0........."])
def test_webp_size_of_invalid_header_is_unknown(data: bytes) -> None:
    assert webp_size(BytesIO(data)) is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}])
def test_still_webp_has_the_pixels_that_pillow_decodes(mode: str, options: dict[str, Any]) -> None:
    image = photo().convert(mode)
    if mode == "RGBA":
        image.putalpha(photo().convert("L"))
    output = BytesIO()
    image.save(output, "WEBP", **options)
    decoded = open_image(output, "WEBP")
    assert decoded.mode == mode
    with Image.open(output) as expected:
        assert decoded.tobytes() == expected.tobytes()


def test_webp_with_one_frame_of_an_animation_is_decoded() -> None:
    # libwebp's decoder of still images does not decode this file.
    still = encoded(photo(), "WEBP")[12:]
    frame = bytes(6) + (79).to_bytes(3, "little") + (59).to_bytes(3, "little") + bytes(4) + still
    chunks = [
        (b"VP8X", b"\2\0\0\0" + (79).to_bytes(3, "little") + (59).to_bytes(3, "little")),
        (b"ANIM", bytes(6)),
        (b"ANMF", frame),
    ]
    body = b"WEBP" + b"".join(
        name + len(data).to_bytes(4, "little") + data for name, data in chunks
    )
    image = open_image(BytesIO(b"RIFF" + len(body).to_bytes(4, "little") + body), "WEBP")
    assert image.convert("RGB").tobytes() == Image.open(BytesIO(encoded(photo(), "WEBP"))).tobytes()


def test_webp_with_several_frames_can_be_read_frame_by_frame() -> None:
    output = BytesIO()
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Image.new("RGB", (8, 8), color) for color in colors]
    frames[0].save(output, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    image = open_image(output, "WEBP")
    for number, color in enumerate(colors):
        image.seek(number)
        assert image.convert("RGB").getpixel((0, 0)) == color


def test_webp_without_exported_functions_is_decoded_by_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())
    _libwebp_function.cache_clear()
    data = encoded(photo(), "WEBP")
    try:
        image = open_image(BytesIO(data), "WEBP")
        assert image.tobytes() == Image.open(BytesIO(data)).tobytes()
    finally:
        _libwebp_function.cache_clear()


def test_heif_has_the_pixels_that_pillow_heif_decodes() -> None:
    data = encoded(photo(), "HEIF")
    image = open_image(BytesIO(data), "HEIF")
    assert image.tobytes() == pillow_heif.open_heif(data).to_pillow().tobytes()
