"""Conversion of image files of other formats to JPEG and PNG."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from packaging.version import Version
from PIL import Image, ImageOps

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.converting.conversion import convert_image
from django_groupme_images.images.converting.encoding import write_png
from django_groupme_images.images.inspection import inspect_image
from tests.support.converted_images import assert_similar, converted, encoded, options, photo

pytestmark = pytest.mark.any_django

FORMATS = ("WEBP", "AVIF", "HEIF", "BMP", "TIFF")
WITH_ALPHA = ("WEBP", "AVIF", "HEIF", "TIFF")

each_format = pytest.mark.parametrize("image_format", FORMATS)


def rejection(data: bytes, image_format: str, **changes: Any) -> ImageRejected:
    output = BytesIO()
    with pytest.raises(ImageRejected) as caught:
        convert_image(BytesIO(data), image_format, options(**changes), output)
    assert output.getvalue() == b""
    return caught.value


def translucent() -> Image.Image:
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@each_format
def test_opaque_image_becomes_jpeg(image_format: str) -> None:
    result = converted(encoded(photo(), image_format), image_format)
    assert (result.format, result.mode) == ("JPEG", "RGB")
    assert_similar(result, photo())


@pytest.mark.parametrize("image_format", WITH_ALPHA)
def test_image_with_transparent_pixels_becomes_png(image_format: str) -> None:
    result = converted(encoded(translucent(), image_format), image_format)
    assert (result.format, result.mode) == ("PNG", "RGBA")
    assert_similar(result, translucent(), 16)


@pytest.mark.parametrize("image_format", WITH_ALPHA)
def test_image_with_opaque_alpha_becomes_jpeg(image_format: str) -> None:
    image = photo().convert("RGBA")
    result = converted(encoded(image, image_format), image_format)
    assert (result.format, result.mode) == ("JPEG", "RGB")
    assert_similar(result, photo())


@pytest.mark.parametrize("image_format", ["BMP", "TIFF"])
def test_thin_lines_of_lossless_image_keep_their_color(image_format: str) -> None:
    image = Image.new("RGB", (32, 32), "white")
    image.paste("red", (16, 0, 17, 32))
    result = converted(encoded(image, image_format), image_format)
    assert_similar(result.crop((14, 14, 19, 19)), image.crop((14, 14, 19, 19)), 15)


def test_premultiplied_alpha_of_heif_is_divided() -> None:
    image = Image.new("RGBA", (64, 64), (200, 100, 50, 128))
    result = converted(encoded(image.convert("RGBa"), "HEIF"), "HEIF")
    assert result.mode == "RGBA"
    assert_similar(result, image, 6)


@pytest.mark.parametrize("bits", [10, 12])
def test_heif_of_more_than_8_bits_is_reduced(bits: int) -> None:
    pixels = struct.pack("<H", 0x8000) * 64 * 64
    for mode, expected in (("L", 128), ("RGB", (128, 128, 128))):
        output = BytesIO()
        data = pixels * len(expected) if isinstance(expected, tuple) else pixels
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        try:
            pillow_heif.encode(f"{mode};16", (64, 64), data, output)
        finally:
            pillow_heif.options.SAVE_HDR_TO_12_BIT = False
        result = converted(output.getvalue(), "HEIF")
        assert result.mode == mode
        assert_similar(result, Image.new(mode, (64, 64), expected), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["WEBP", "AVIF", "HEIF", "TIFF"])
def test_image_with_orientation_becomes_upright(image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photo((128, 64))  # Old versions of libheif pad other sizes with arbitrary pixels.
    image.info["exif"] = exif.tobytes()
    if image_format == "HEIF":  # pillow-heif writes the orientation to the container.
        data = encoded(image, "HEIF", exif=exif.tobytes())
        expected = pillow_heif.open_heif(data).to_pillow()
    else:
        data = encoded(image, image_format, exif=exif)
        image.getexif()[0x0112] = orientation
        expected = ImageOps.exif_transpose(image)
    result = converted(data, image_format)
    assert_similar(result, expected.convert("RGB"))
    assert not result.getexif()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_result_of_large_image_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photo().resize((4100, 4000))
    data = encoded(image, "WEBP", exif=exif, quality=50, method=0)
    image.getexif()[0x0112] = orientation
    assert_similar(converted(data, "WEBP"), ImageOps.exif_transpose(image))


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "I;16"])
def test_large_image_is_converted_in_bands(mode: str) -> None:
    image = photo().resize((4100, 4000))
    source = (
        image.convert("L").convert("I").point(lambda value: value * 257) if "I" in mode else image
    )
    result = converted(encoded(source.convert(mode), "TIFF"), "TIFF")
    assert_similar(result, image.convert(result.mode))


@each_format
def test_converted_image_has_no_metadata(image_format: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0131] = "Secret software"
    metadata: dict[str, Any] = {} if image_format == "BMP" else {"exif": exif}
    if image_format in ("WEBP", "AVIF"):
        metadata["xmp"] = b"<x:xmpmeta>secret</x:xmpmeta>"
    elif image_format == "HEIF":
        metadata["exif"] = exif.tobytes()
    for image in (photo(), translucent()):
        if image_format != "BMP" or image.mode == "RGB":
            result = converted(encoded(image, image_format, **metadata), image_format)
            assert result.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert not result.getexif()


@each_format
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (16_383, 1)])
def test_extreme_sizes_are_converted(image_format: str, size: tuple[int, int]) -> None:
    if image_format == "HEIF" and max(size) > 8_192:
        pytest.skip("x265 does not encode such a file")
    data = encoded(Image.new("RGB", size, (90, 90, 90)), image_format)
    assert converted(data, image_format).size == size


@each_format
def test_too_many_pixels_raise_before_decoding(image_format: str) -> None:
    data = encoded(photo(), image_format)
    error = rejection(data, image_format, max_pixels=4_799)
    assert error.code == "too_many_pixels"
    assert error.params == {"pixels": 4_800, "limit": 4_799}
    assert converted(data, image_format, max_pixels=4_800).size == (80, 60)


@pytest.mark.parametrize("kind", [b"VP8 ", b"VP8L", b"VP8X"])
def test_huge_webp_is_rejected_by_its_header(kind: bytes) -> None:
    data = huge_webp(kind)
    assert rejection(data, "WEBP").code == "too_many_pixels"
    for allowed_formats in (("jpeg",), ("webp",)):  # In the second case, it is not converted.
        with pytest.raises(ImageRejected) as caught:
            inspect_image(
                BytesIO(data), options(allowed_formats=allowed_formats, convert_formats=("webp",))
            )
        assert caught.value.code == "too_many_pixels"


def huge_webp(kind: bytes) -> bytes:
    """Return the header of a WebP of 268 million pixels, followed by nothing."""
    head = {
        b"VP8 ": bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383),
        b"VP8L": b"\x2f\xff\xff\xff\x0f" + bytes(5),
        b"VP8X": bytes(4) + b"\xfe\x3f\0\xfe\x3f\0",
    }[kind]
    body = b"WEBP" + kind + struct.pack("<L", len(head)) + head
    return b"RIFF" + struct.pack("<L", len(body)) + body


@each_format
def test_format_of_result_that_is_not_allowed_is_rejected(image_format: str) -> None:
    error = rejection(encoded(photo(), image_format), image_format, allowed_formats=("png",))
    assert (error.code, error.params["new_format"]) == ("format_not_allowed", "jpeg")
    if image_format in WITH_ALPHA:
        data = encoded(translucent(), image_format)
        error = rejection(data, image_format, allowed_formats=("jpeg",))
        assert (error.code, error.params["new_format"]) == ("format_not_allowed", "png")


def test_format_without_decoder_is_rejected() -> None:
    error = rejection(b"", "JXL")
    assert (error.code, error.params) == ("no_decoder", {"format": "JXL"})


@pytest.mark.parametrize(
    ("image_format", "changes"),
    [
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
        ("HEIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_truncated_file_is_rejected(image_format: str, changes: dict[str, Any]) -> None:
    data = encoded(photo(), image_format, **changes)
    for size in {*range(0, len(data), max(1, len(data) // 40)), *range(len(data) - 3, len(data))}:
        assert rejection(data[:size], image_format).code == "truncated", size


def ispe(width: int, height: int) -> bytes:
    return b"ispe\0\0\0\0" + struct.pack(">LL", width, height)


# Older versions crop the image to the smaller size.
rejects_larger_images = Version(pillow_heif.libheif_version()) >= Version("1.23")


@pytest.mark.parametrize(
    "claimed",
    [
        pytest.param(
            100, marks=pytest.mark.skipif(not rejects_larger_images, reason="libheif before 1.23")
        ),
        4000,
    ],
)
def test_heif_with_wrong_size_in_header_is_rejected(claimed: int) -> None:
    data = encoded(Image.new("RGB", (2048, 2048)), "HEIF", tile_size=0)
    data = data.replace(ispe(2048, 2048), ispe(claimed, claimed))
    assert rejection(data, "HEIF").code == "truncated"


@pytest.mark.parametrize("image_format", ["HEIF", "TIFF"])
def test_first_image_of_several_is_converted(image_format: str) -> None:
    others = [Image.new("RGB", (80, 60))] * 2
    if image_format == "HEIF":
        container = pillow_heif.from_pillow(others[0])
        container.add_from_pillow(photo())
        output = BytesIO()
        container.save(output, primary_index=1)
        data = output.getvalue()
    else:
        data = encoded(photo(), "TIFF", save_all=True, append_images=others)
    assert_similar(converted(data, image_format), photo(), 16)


@pytest.mark.parametrize("image_format", ["WEBP", "AVIF"])
def test_first_frame_of_animation_is_converted(image_format: str) -> None:
    others = [Image.new("RGB", (80, 60))] * 2
    data = encoded(photo(), image_format, save_all=True, append_images=others)
    assert_similar(converted(data, image_format, allowed_formats=("jpeg",)), photo())


@each_format
def test_max_dimension_scales_result(image_format: str) -> None:
    image = photo((800, 600))
    data = encoded(image, image_format)
    assert_similar(converted(data, image_format, max_dimension=400), image.resize((400, 300)))
    assert converted(data, image_format, max_dimension=800).size == (800, 600)


class FailingFile(BytesIO):
    """A file whose ``read()`` raises an exception after a number of calls."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__(data)
        self.left = reads

    def read(self, *args: Any) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ValueError("the disk is on fire")
        return super().read(*args)


@each_format
def test_convert_of_failing_file_raises_its_error(image_format: str) -> None:
    data = encoded(photo((300, 200)), image_format)
    counter = FailingFile(data, 10_000)
    convert_image(counter, image_format, options(), BytesIO())
    for reads in range(10_000 - counter.left):
        with pytest.raises(ValueError, match="the disk is on fire"):
            convert_image(FailingFile(data, reads), image_format, options(), BytesIO())


def test_convert_to_failing_output_raises_its_error() -> None:
    class FullDisk(BytesIO):
        def write(self, data: Any) -> int:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        convert_image(BytesIO(encoded(photo(), "BMP")), "BMP", options(), FullDisk())


def test_convert_image_keeps_file_open() -> None:
    for image_format in FORMATS:
        file = BytesIO(encoded(photo(), image_format))
        convert_image(file, image_format, options(), BytesIO())
        assert not file.closed


def test_write_png_writes_color_chunks() -> None:
    output = BytesIO()
    write_png(photo(), output, [(b"gAMA", struct.pack(">L", 45_455))])
    assert Image.open(output).info["gamma"] == pytest.approx(0.45455)
