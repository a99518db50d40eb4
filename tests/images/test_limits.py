"""``limited_view`` and ``check_image`` with files near the limits of each format."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from PIL import Image

from django_groupme_images.forms.validation import check_image
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.limits import limited_view
from django_groupme_images.images.options import ImageOptions
from tests.support import hostile_images, odd_images, photographs
from tests.support.emulator_pictures import encoded
from tests.support.hostile_images import after_palette
from tests.support.odd_images import JPEG, chunk, noise, segment

pytestmark = pytest.mark.any_django

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico", "ppm")
ORDINARY_FILES = [
    *(pytest.param(data, id=kind) for kind, data in odd_images.GOOD.items()),
    *(pytest.param(make(), id=f"photograph: {kind}") for kind, make in photographs.MAKERS.items()),
]
SCAN = JPEG.index(b"\xff\xda")


def checked(data: bytes) -> Any:
    return check_image(ContentFile(data, "cat"), ImageOptions(allowed_formats=FORMATS))


def error_code(data: bytes) -> str | None:
    with pytest.raises(ValidationError) as caught:
        checked(data)
    return caught.value.code


def view_of(data: bytes, image_format: str) -> bytes:
    file = limited_view(io.BytesIO(data), image_format)
    file.seek(0)
    return file.read()


def text_chunk(name: bytes, length: int, *, compressed: bool = False) -> bytes:
    if compressed:
        return chunk(b"zTXt", name + b"\0\0" + zlib.compress(bytes(length)))
    return chunk(b"tEXt", name + b"\0" + bytes(length))


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO:UserWarning")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("data", ORDINARY_FILES)
def test_check_image_of_ordinary_file_keeps_info(data: bytes) -> None:
    image = checked(data)
    with Image.open(io.BytesIO(data)) as expected:
        assert (image.size, image.mode) == (expected.size, expected.mode)
        assert {**image.info, "mpoffset": 0} == {**expected.info, "mpoffset": 0}


def test_check_image_of_gif_returns_number_of_frames() -> None:
    assert checked(odd_images.GIF).n_frames == 5
    comment = b"!\xfe" + hostile_images.blocks(bytes(100_000))
    start = odd_images.GIF.index(b",\0\0\0\0")
    image = checked(odd_images.GIF[:start] + comment + odd_images.GIF[start:])
    assert (image.n_frames, image.is_animated) == (5, True)
    assert checked(hostile_images.GIF).is_animated is False
    frame = hostile_images.gif_frame(hostile_images.blocks(bytes(50_000)))
    assert checked(hostile_images.after_frame(frame * 3)).n_frames == 4


def test_check_image_of_apng_returns_its_mime_type() -> None:
    image = checked(odd_images.animated("PNG"))
    assert (image.n_frames, image.get_format_mimetype()) == (5, "image/apng")


def test_limited_view_of_jpeg_omits_padding_and_excessive_metadata() -> None:
    profile = photographs.icc(bytes(14 * 65_519))
    small = segment(b"\xff\xfe", b"cat")
    data = JPEG[:2] + b"\xff\xff\0" + b"".join(profile) + small + JPEG[2:]
    view = view_of(data, "JPEG")
    assert view == JPEG[:2] + b"".join(profile[:7]) + small + JPEG[2:]
    assert checked(data).info["icc_profile"] is None


def test_limited_view_of_jpeg_omits_exif_with_overlapping_values() -> None:
    good = photographs.app1(photographs.exif("<", photographs.described("x")))
    other = photographs.app1(b"more")
    data = photographs.jpeg(good, other)
    assert view_of(data, "JPEG") == data
    overlapping = photographs.app1(hostile_images.overlapping_exif(60_000))
    assert view_of(photographs.jpeg(overlapping, other), "JPEG") == photographs.jpeg()


def test_limited_view_of_png_omits_text_that_decompresses_to_much() -> None:
    small, large = (
        text_chunk(b"a", 100, compressed=True),
        text_chunk(b"b", 1_000_000, compressed=True),
    )
    compressed = chunk(b"iTXt", b"c\0\1\0\0\0" + zlib.compress(bytes(1_000_000)))
    plain_text = chunk(b"iTXt", b"d\0\0\0\0\0cat")
    data = after_palette(
        small, large, compressed, plain_text, text_chunk(b"e", 600_000), text_chunk(b"f", 3)
    )
    assert view_of(data, "PNG") == after_palette(small, plain_text, text_chunk(b"f", 3))
    assert checked(data).info.keys() >= {"a", "d", "f"}


def test_check_image_of_png_keeps_color_profile() -> None:
    profile = photographs.profile(200_000)
    data = encoded(noise("P"), "PNG", icc_profile=profile)
    assert checked(data).info["icc_profile"] == profile


def test_check_image_of_png_with_two_color_profiles_rejects_it() -> None:
    profile = chunk(b"iCCP", b"A\0\0" + zlib.compress(bytes(100)))
    assert checked(after_palette(profile))
    assert error_code(after_palette(profile, profile)) == "truncated"


@pytest.mark.parametrize(
    ("data", "image_format"),
    [
        (hostile_images.in_jpeg(segment(b"\xff\xdb", bytes(65)) * 300), "JPEG"),
        (hostile_images.in_jpeg(segment(b"\xff\xc4", bytes(65_000)) * 2), "JPEG"),
        (after_palette(chunk(b"PLTE", bytes(66_000))), "PNG"),
    ],
    ids=["quantization tables", "huffman tables", "palette"],
)
def test_limited_view_of_too_many_tables_raises(data: bytes, image_format: str) -> None:
    with pytest.raises(MalformedImage, match="too many tables"):
        view_of(data, image_format)
    assert error_code(data) == "truncated"


def test_check_image_of_jpeg_with_many_scans_rejects_it() -> None:
    scan = JPEG[SCAN:-2]
    assert checked(JPEG[:-2] + scan * 999 + JPEG[-2:])
    assert error_code(JPEG[:-2] + scan * 1_000 + JPEG[-2:]) == "truncated"


def test_check_image_of_jpeg_with_end_after_damaged_data_accepts_it() -> None:
    damaged = JPEG[: SCAN + 500] + b"\xff\xd8" + JPEG[SCAN + 500 :]
    assert checked(damaged)
    assert error_code(damaged[:-2]) == "truncated"


def test_check_image_of_jpeg_with_padding_accepts_up_to_a_megabyte() -> None:
    for padding in (b"\xff", b"\0", b"\xff\0"):
        assert checked(hostile_images.in_jpeg(padding * 400_000))
        assert error_code(hostile_images.in_jpeg(padding * 1_000_001)) == "truncated"


@pytest.mark.parametrize("pattern", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\1", b"\xd9"])
def test_jpeg_marker_after_dense_data_is_found(pattern: bytes) -> None:
    comment = segment(b"\xff\xfe", b"cat")
    for length in (131_070, 131_071, 131_072, 300_000, 300_001):
        data = hostile_images.filled(pattern, length)
        assert checked(hostile_images.in_scan(data + comment + data))
        assert without_metadata(io.BytesIO(hostile_images.in_scan(comment + data))).read() == (
            hostile_images.in_scan(b"")[:-2] + JPEG[-2:]
        )


def test_check_image_of_gif_with_empty_extension_accepts_it() -> None:
    for junk in (b"", b"\5\0\0"):
        assert checked(hostile_images.in_gif(b"!\xf9\0" + junk)).size == (64, 48)


def test_check_image_of_gif_with_many_frames_rejects_it() -> None:
    frame = hostile_images.gif_frame(b"\1\0\0")
    assert checked(hostile_images.after_frame(frame * 99_990))
    assert error_code(hostile_images.after_frame(frame * 100_001)) == "truncated"


def test_check_image_of_gif_with_many_small_blocks_rejects_it() -> None:
    limits = ((hostile_images.in_gif, 499_000), (hostile_images.after_frame, 1_990_000))
    for insert, count in limits:
        assert checked(insert(b"!\xfe" + b"\1x" * count + b"\0"))
        assert error_code(insert(b"!\xfe" + b"\1x" * (count + 20_000) + b"\0")) == "truncated"


@pytest.mark.parametrize("size", [9, 10, 12, 780, 785, 790])
def test_check_image_of_gif_truncated_before_pixels_rejects_it(size: int) -> None:
    assert error_code(hostile_images.GIF[:size]) == "truncated"


def test_check_image_of_tiff_with_excessive_values_omits_them() -> None:
    data = hostile_images.tiff({700: (7, 2_000_000, 1000), 305: (2, 4, 0x746163)}, 2_100_000)
    image = checked(data)
    assert 700 not in image.tag_v2
    assert image.tag_v2[305] == "cat"


@pytest.mark.parametrize(
    "data",
    [
        b"II*\0\x08",
        b"II*\0\x08\0\0\0\1",
        b"II*\0\x08\0\0\0\2\0" + bytes(12),
        b"II*\0\x08\0\0\0" + struct.pack("<H", 1_001) + bytes(1_001 * 12),
        b"II+\0\x08\0\0\0\x10" + bytes(100),
    ],
    ids=["header", "count", "entries", "too many entries", "BigTIFF"],
)
def test_check_image_of_tiff_with_unusual_directory_rejects_it(data: bytes) -> None:
    assert error_code(data.ljust(16, b"\0") if len(data) > 16 else data) == "truncated"


def test_check_image_of_truncated_uncompressed_or_tiled_image_rejects_it() -> None:
    for image_format, options in (
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"tile": (64, 64)}),
    ):
        data = encoded(noise(), image_format, **options)
        assert checked(data)
        assert error_code(data[: len(data) * 9 // 10]) == "truncated"
    assert checked(encoded(noise(), "PPM"))


def test_limited_view_of_other_format_raises_beyond_header_limit() -> None:
    limit = 4 * 1024 * 1024
    file = limited_view(io.BytesIO(bytes(limit + 100)), "BMP")
    assert len(file.read(limit)) == limit
    with pytest.raises(OSError, match="header of the file is too large"):
        file.read(1)
    file = limited_view(io.BytesIO(b"cat"), "BMP")
    assert file.read() == b"cat"
    with pytest.raises(OSError, match="header of the file is too large"):
        for _ in range(25_001):
            file.read(1)


def test_check_image_of_webp_with_excessive_chunks_rejects_it() -> None:
    empty, riff, part = hostile_images.riff_chunk(b"JUNK", 0), hostile_images.riff, bytes(3)
    assert checked(riff(empty * 19_990))
    assert error_code(riff(empty * 20_001)) == "truncated"
    for kind in (b"ICCP", b"EXIF", b"XMP "):
        assert checked(riff(hostile_images.riff_chunk(kind, 2 << 20)))
        assert error_code(riff(hostile_images.riff_chunk(kind, (2 << 20) + 2))) == "truncated"
    assert checked(hostile_images.WEBP + part)
    assert error_code(hostile_images.WEBP[:-1]) == "truncated"
