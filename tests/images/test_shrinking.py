"""``shrink_image`` with JPEG files, and with files that are not changed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.converting.color_profiles import adobe_rgb_profile
from django_groupme_images.images.converting.shrinking import shrink_image
from django_groupme_images.images.options import ImageOptions
from tests.support import odd_images, photographs
from tests.support.emulator_pictures import encoded, opened, plain
from tests.support.odd_images import resized_jpeg
from tests.support.photographs import app1, exif, icc, jpeg, scene, segment

pytestmark = pytest.mark.any_django

QUADRANTS = ((0, "red"), (1, "lime"), (2, "blue"), (3, "white"))


def shrunk(
    data: bytes, max_dimension: int | None = 20, image_format: str = "JPEG", **options: Any
) -> bytes | None:
    """Return the scaled copy, or ``None`` if the file does not have to be scaled."""
    output = io.BytesIO()
    settings = ImageOptions(
        allowed_formats=("jpeg", "png", "gif"), max_dimension=max_dimension, **options
    )
    result = shrink_image(io.BytesIO(data), image_format, settings, output)
    assert result == (image_format.lower() if output.getvalue() else None)
    return output.getvalue() or None


def shrunk_image(data: bytes, max_dimension: int = 20, **options: Any) -> Image.Image:
    result = shrunk(data, max_dimension, **options)
    assert result
    return opened(result)


def error_of(data: bytes, max_dimension: int = 20, **options: Any) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        shrunk(data, max_dimension, **options)
    return caught.value


def quadrants(size: tuple[int, int] = (64, 32)) -> Image.Image:
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for number, color in QUADRANTS:
        left, top = number % 2 * width, number // 2 * height
        image.paste(color, (left, top, left + width, top + height))
    return image


def difference(first: Image.Image, second: Image.Image) -> float:
    """Return the mean difference of two images of the same size and mode."""
    assert (first.size, first.mode) == (second.size, second.mode)
    return max(ImageStat.Stat(ImageChops.difference(first, second)).mean)


def multi_scan_jpeg(image: Image.Image) -> bytes:
    """Return a baseline JPEG that contains each of its three components in a scan of its own."""
    scans = []
    for number, channel in enumerate(image.convert("YCbCr").split(), 1):
        data = encoded(channel, "JPEG")
        start = data.index(b"\xff\xda")
        scans.append(segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + data[start + 10 : -2])
    frame = data.index(b"\xff\xc0")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    header = data[frame + 4 : frame + 9] + b"\3" + components
    tables = data[frame + 13 : start]
    return data[:frame] + segment(0xC0, header) + tables + b"".join(scans) + b"\xff\xd9"


# Files that are not changed


@pytest.mark.parametrize("max_dimension", [None, 96, 97])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_file_within_limit_is_not_decoded(max_dimension, image_format):
    data = encoded(scene((96, 64)), image_format)
    for content in (data, data[:-1000]):
        assert shrunk(content, max_dimension, image_format) is None


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "BMP"])
def test_other_format_is_not_changed(image_format):
    assert shrunk(plain(image_format), 20, image_format) is None


def test_animated_png_is_not_changed():
    assert shrunk(odd_images.animated("PNG"), 1, "PNG") is None


def test_large_file_within_limit_is_read_only_at_its_beginning():
    comments = [photographs.comment("x" * 60_000)] * 3
    file = CountingFile(jpeg(*comments, image=scene((800, 800)), quality=100))
    options = ImageOptions(allowed_formats=("jpeg",), max_dimension=800)
    assert shrink_image(file, "JPEG", options, io.BytesIO()) is None
    assert file.bytes_read < 400_000 < len(file.getvalue())


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data


# The size and the pixels


@pytest.mark.parametrize(
    ("size", "max_dimension", "expected"),
    [
        ((1000, 3), 200, (200, 1)),
        ((3, 1000), 200, (1, 200)),
        ((1000, 1), 1, (1, 1)),
        ((301, 200), 300, (300, 199)),
        ((300, 199), 100, (100, 66)),
        ((200, 301), 100, (66, 100)),
        ((401, 403), 50, (50, 50)),
    ],
)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_longer_side_of_copy_is_max_dimension(size, max_dimension, expected, image_format):
    data = plain(image_format, size)
    assert shrunk_image(data, max_dimension, image_format=image_format).size == expected


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("max_dimension", [30, 100, 250, 300])
def test_scaled_jpeg_is_similar_to_lanczos(mode, progressive, max_dimension):
    image = Image.radial_gradient("L").resize((401, 301))
    image = Image.merge("RGB", (image, ImageOps.mirror(image), ImageOps.flip(image))).convert(mode)
    result = shrunk_image(
        encoded(image, "JPEG", progressive=progressive, quality=95), max_dimension
    )
    assert (result.format, result.mode) == ("JPEG", mode)
    assert difference(result, image.resize(result.size, Image.Resampling.LANCZOS)) < 2


def test_jpeg_with_scan_for_each_component_is_scaled():
    image = scene((160, 120))
    data = multi_scan_jpeg(image)
    assert difference(opened(data), image) < 20
    assert difference(shrunk_image(data, 40), opened(data).resize((40, 30))) < 10


def test_mpo_is_scaled_without_its_other_images():
    data = photographs.iphone()
    result = shrunk_image(data)
    assert (result.format, result.size) == ("JPEG", (13, 20))


@pytest.mark.parametrize("maker", photographs.MAKERS)
def test_photograph_of_each_maker_is_scaled_without_metadata(maker):
    data = photographs.MAKERS[maker]()
    if data[:2] == b"\xff\xd8":
        result = shrunk(data)
        assert opened(result).info.keys() <= JFIF_INFO | {"icc_profile"}
        assert b"Exif" not in result
        assert b"adobe.com" not in result


JFIF_INFO = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_with_orientation_becomes_upright(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = encoded(quadrants(), "JPEG", exif=tags, quality=95)
    expected = ImageOps.exif_transpose(opened(data))
    result = shrunk_image(data, 32)
    assert result.size == ((32, 16) if orientation < 5 else (16, 32))
    assert difference(result, expected.resize(result.size)) < 8
    assert not result.getexif()


def test_jpeg_with_orientation_in_xmp_becomes_upright():
    attribute = b'<rdf:Description tiff:Orientation="6"/>'
    element = b"<tiff:Orientation>6</tiff:Orientation>"
    for packet in (attribute, element):
        assert shrunk_image(jpeg(photographs.xmp(packet)), 32).size == (21, 32)
    upright = app1(exif("<", {0x0112: [1]}))
    assert shrunk_image(jpeg(upright, photographs.xmp(attribute)), 32).size == (32, 21)


def test_jpeg_with_damaged_exif_is_scaled():
    for tags in (b"", b"II*\0\xff\xff\xff\xff", exif("<", {0x0112: [6]})[:20]):
        assert shrunk_image(jpeg(app1(tags))).size == (20, 13)


# Colors


def test_jpeg_keeps_color_profile():
    profile = photographs.profile(100_000)
    assert shrunk_image(jpeg(*icc(profile))).info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("camera", "is_adobe"),
    [
        ({0xA001: [2]}, True),
        ({0xA001: [1]}, False),
        ({0xA001: [65535]}, False),
        ({}, False),
    ],
)
def test_jpeg_with_color_space_in_exif_gets_its_profile(camera, is_adobe):
    data = jpeg(app1(exif(">", {0x010F: "Canon"}, camera)))
    expected = adobe_rgb_profile() if is_adobe else None
    assert shrunk_image(data).info.get("icc_profile") == expected


def test_color_profile_takes_precedence_over_exif():
    profile = photographs.profile()
    data = jpeg(app1(exif(">", {0x010F: "Canon"}, {0xA001: [2]})), *icc(profile))
    assert shrunk_image(data).info["icc_profile"] == profile
    gray = jpeg(app1(exif(">", {0x010F: "Canon"}, {0xA001: [2]})), image=scene(mode="L"))
    assert shrunk_image(gray).info.get("icc_profile") is None


def test_cmyk_jpeg_becomes_rgb():
    image = Image.new("CMYK", (64, 32), (0, 255, 255, 0))
    result = shrunk_image(encoded(image, "JPEG", quality=95))
    assert (result.mode, result.info.get("icc_profile")) == ("RGB", None)
    assert difference(result, Image.new("RGB", (20, 10), "red")) < 4


def test_adobe_rgb_in_camera_exif_gets_its_profile():
    tags = Image.Exif()
    tags[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    assert shrunk_image(encoded(scene(), "JPEG", exif=tags)).info["icc_profile"]


# Limits


@pytest.mark.filterwarnings("error")
def test_jpeg_of_200_megapixels_is_scaled():
    # The decoder fills the missing pixels.
    data = resized_jpeg(jpeg(), 16_320, 12_240)
    assert shrunk_image(data, 400).size == (400, 300)


def test_baseline_jpeg_is_limited_by_pixels_after_decoding():
    data = jpeg(image=scene((800, 600)))
    assert shrunk_image(data, 100, max_pixels=200 * 150).size == (100, 75)
    # With the usual reserve, 400×300 pixels would be decoded.
    assert shrunk_image(data, 200, max_pixels=200 * 150).size == (200, 150)
    error = error_of(data, 200, max_pixels=200 * 150 - 1)
    assert (error.code, error.params) == (
        "too_many_pixels",
        {"pixels": 480_000, "limit": 29_999},
    )


@pytest.mark.parametrize("kind", ["progressive", "multi-scan"])
def test_jpeg_with_several_scans_is_limited_by_all_pixels(kind):
    image = scene((800, 600))
    data = jpeg(image=image, progressive=True) if kind == "progressive" else multi_scan_jpeg(image)
    assert shrunk_image(data, 20, max_pixels=480_000).size == (20, 15)
    assert error_of(data, 20, max_pixels=479_999).code == "too_many_pixels"


def test_jpeg_with_more_than_100_scans_is_rejected():
    data = jpeg(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    count = data.count(b"\xff\xda")
    assert shrunk(data[:-2] + scan * (100 - count) + data[-2:])
    assert error_of(data[:-2] + scan * (101 - count) + data[-2:]).code == "truncated"


# Damaged files and errors


@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpeg_is_rejected(progressive):
    data = jpeg(progressive=progressive)
    for stop in (300, len(data) // 2, len(data) - 20):
        error = error_of(data[:stop])
        assert (error.code, str(error)) == ("truncated", "the file is damaged or incomplete")


@pytest.mark.parametrize("damage", ["no frame", "short frame", "no scan", "no height"])
def test_jpeg_without_size_is_rejected(damage):
    data = jpeg()
    start, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    data = {
        "no frame": data[:start] + data[start + 19 :],
        "short frame": data[:start] + segment(0xC0, b"\x08\0\x40") + data[start + 19 :],
        "no scan": data[:scan],
        "no height": resized_jpeg(data, 96, 0),
    }[damage]
    assert error_of(data).code == "truncated"


def test_twelve_bit_jpeg_is_rejected():
    data = jpeg()
    assert error_of(data.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")).code == "truncated"


def test_lossless_jpeg_is_not_reduced_by_decoder():
    # Pillow cannot write lossless JPEGs. The limit is checked before the pixels are decoded.
    data = jpeg(image=scene((800, 600))).replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11")
    assert error_of(data, max_pixels=479_999).code == "too_many_pixels"
    assert error_of(data).code == "truncated"


def test_jpeg_without_end_is_scaled_if_its_data_is_complete():
    data = jpeg()
    assert error_of(data[:-9]).code == "truncated"
    for unfinished in (data[:-2], data[:-2] + b"\0\0", data[:-2] + b"\0\0" + data[-2:]):
        assert shrunk(unfinished) == shrunk(data)


class FileThatFails(io.BytesIO):
    """A file whose bytes after a position cannot be read."""

    failing_from = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self.failing_from:
            raise TimeoutError("the disk does not respond")
        return super().read(size)


@pytest.mark.parametrize("failing_from", [0, 140_000])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_shrink_of_failing_file_raises_its_error(failing_from, image_format):
    file = FileThatFails(encoded(scene((600, 600)), image_format, quality=98))
    file.failing_from = failing_from
    options = ImageOptions(allowed_formats=("jpeg", "png"), max_dimension=100)
    with pytest.raises(TimeoutError, match="does not respond"):
        shrink_image(file, image_format, options, io.BytesIO())


class FullOutput(io.BytesIO):
    def write(self, data: Any, /) -> int:
        raise OSError("no space left")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_shrink_to_failing_output_raises_its_error(image_format):
    options = ImageOptions(allowed_formats=("jpeg", "png"), max_dimension=20)
    file = io.BytesIO(encoded(scene(), image_format))
    with pytest.raises(OSError, match="no space left"):
        shrink_image(file, image_format, options, FullOutput())
