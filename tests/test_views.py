"""What Pillow gets to parse of a file, and what a project can still ask of the image."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from PIL import Image

from django_groupme_images.metadata import without_metadata
from django_groupme_images.structure import Broken
from django_groupme_images.validation import check_image
from django_groupme_images.views import limited_view

from . import hostile_images, odd_images, photographs
from .emulator_pictures import encoded
from .odd_images import JPEG, chunk, noise, segment

pytestmark = pytest.mark.any_django

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico", "ppm")
ORDINARY = [
    *(pytest.param(data, id=kind) for kind, data in odd_images.GOOD.items()),
    *(pytest.param(make(), id=f"photograph: {kind}") for kind, make in photographs.MAKERS.items()),
]
SCAN = JPEG.index(b"\xff\xda")


def checked(data: bytes) -> Any:
    return check_image(ContentFile(data, "cat"), allowed_formats=FORMATS, max_size=None)


def code_of_error(data: bytes) -> str | None:
    with pytest.raises(ValidationError) as caught:
        checked(data)
    return caught.value.code


def view(data: bytes, image_format: str) -> bytes:
    file = limited_view(io.BytesIO(data), image_format)
    file.seek(0)
    return file.read()


def text(name: bytes, length: int, *, compressed: bool = False) -> bytes:
    if compressed:
        return chunk(b"zTXt", name + b"\0\0" + zlib.compress(bytes(length)))
    return chunk(b"tEXt", name + b"\0" + bytes(length))


def with_chunks(*parts: bytes) -> bytes:
    return hostile_images.after_palette(*parts)


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO:UserWarning")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("data", ORDINARY)
def test_checked_image_of_ordinary_file_has_all_info(data: bytes) -> None:
    image = checked(data)
    with Image.open(io.BytesIO(data)) as expected:
        assert (image.size, image.mode) == (expected.size, expected.mode)
        assert {**image.info, "mpoffset": 0} == {**expected.info, "mpoffset": 0}


def test_checked_gif_tells_its_frames() -> None:
    assert checked(odd_images.GIF).n_frames == 5
    comment = b"!\xfe" + hostile_images.blocks(bytes(100_000))
    start = odd_images.GIF.index(b",\0\0\0\0")
    image = checked(odd_images.GIF[:start] + comment + odd_images.GIF[start:])
    assert (image.n_frames, image.is_animated) == (5, True)
    assert checked(hostile_images.GIF).is_animated is False
    long = hostile_images.gif_frame(hostile_images.blocks(bytes(50_000)))
    assert checked(hostile_images.after_frame(long * 3)).n_frames == 4


def test_checked_apng_tells_its_type() -> None:
    image = checked(odd_images.animated("PNG"))
    assert (image.n_frames, image.get_format_mimetype()) == (5, "image/apng")


def test_view_of_jpeg_leaves_out_padding_and_excessive_metadata() -> None:
    profile = photographs.icc(bytes(14 * 65_519))
    small = segment(b"\xff\xfe", b"cat")
    data = JPEG[:2] + b"\xff\xff\0" + b"".join(profile) + small + JPEG[2:]
    seen = view(data, "JPEG")
    assert seen == JPEG[:2] + b"".join(profile[:7]) + small + JPEG[2:]
    assert checked(data).info["icc_profile"] is None


def test_view_of_jpeg_leaves_out_exif_of_overlapping_values() -> None:
    good = photographs.app1(photographs.exif("<", photographs.described("x")))
    other = photographs.app1(b"more")
    data = photographs.jpeg(good, other)
    assert view(data, "JPEG") == data
    overlapping = photographs.app1(hostile_images.overlapping_exif(60_000))
    assert view(photographs.jpeg(overlapping, other), "JPEG") == photographs.jpeg()


def test_view_of_png_leaves_out_text_that_unpacks_to_much() -> None:
    small, large = text(b"a", 100, compressed=True), text(b"b", 1_000_000, compressed=True)
    packed = chunk(b"iTXt", b"c\0\1\0\0\0" + zlib.compress(bytes(1_000_000)))
    plain_text = chunk(b"iTXt", b"d\0\0\0\0\0cat")
    data = with_chunks(small, large, packed, plain_text, text(b"e", 600_000), text(b"f", 3))
    assert view(data, "PNG") == with_chunks(small, plain_text, text(b"f", 3))
    assert checked(data).info.keys() >= {"a", "d", "f"}


def test_view_of_png_has_its_color_profile() -> None:
    profile = photographs.profile(200_000)
    data = encoded(noise("P"), "PNG", icc_profile=profile)
    assert checked(data).info["icc_profile"] == profile


def test_png_of_two_color_profiles_is_rejected() -> None:
    profile = chunk(b"iCCP", b"A\0\0" + zlib.compress(bytes(100)))
    assert checked(with_chunks(profile))
    assert code_of_error(with_chunks(profile, profile)) == "truncated"


@pytest.mark.parametrize(
    ("data", "image_format"),
    [
        (hostile_images.in_jpeg(segment(b"\xff\xdb", bytes(65)) * 300), "JPEG"),
        (hostile_images.in_jpeg(segment(b"\xff\xc4", bytes(65_000)) * 2), "JPEG"),
        (with_chunks(chunk(b"PLTE", bytes(66_000))), "PNG"),
    ],
    ids=["quantization tables", "huffman tables", "palette"],
)
def test_view_of_too_many_tables_raises(data: bytes, image_format: str) -> None:
    with pytest.raises(Broken, match="too many tables"):
        view(data, image_format)
    assert code_of_error(data) == "truncated"


def test_jpeg_of_many_scans_is_rejected() -> None:
    scan = JPEG[SCAN:-2]
    assert checked(JPEG[:-2] + scan * 999 + JPEG[-2:])
    assert code_of_error(JPEG[:-2] + scan * 1_000 + JPEG[-2:]) == "truncated"


def test_jpeg_whose_end_follows_damaged_data_is_accepted() -> None:
    damaged = JPEG[: SCAN + 500] + b"\xff\xd8" + JPEG[SCAN + 500 :]
    assert checked(damaged)
    assert code_of_error(damaged[:-2]) == "truncated"


def test_jpeg_of_much_padding_is_accepted_up_to_a_megabyte() -> None:
    for padding in (b"\xff", b"\0", b"\xff\0"):
        assert checked(hostile_images.in_jpeg(padding * 400_000))
        assert code_of_error(hostile_images.in_jpeg(padding * 1_000_001)) == "truncated"


@pytest.mark.parametrize("between", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\1", b"\xd9"])
def test_marker_after_dense_data_is_found(between: bytes) -> None:
    comment = segment(b"\xff\xfe", b"cat")
    for length in (131_070, 131_071, 131_072, 300_000, 300_001):
        data = hostile_images.filled(between, length)
        assert checked(hostile_images.in_scan(data + comment + data))
        assert without_metadata(io.BytesIO(hostile_images.in_scan(comment + data))).read() == (
            hostile_images.in_scan(b"")[:-2] + JPEG[-2:]
        )


def test_gif_with_extension_without_data_is_accepted() -> None:
    for junk in (b"", b"\5\0\0"):
        assert checked(hostile_images.in_gif(b"!\xf9\0" + junk)).size == (64, 48)


def test_gif_of_many_frames_is_rejected() -> None:
    frame = hostile_images.gif_frame(b"\1\0\0")
    assert checked(hostile_images.after_frame(frame * 99_990))
    assert code_of_error(hostile_images.after_frame(frame * 100_001)) == "truncated"


def test_gif_of_many_small_blocks_is_rejected() -> None:
    for place, most in ((hostile_images.in_gif, 499_000), (hostile_images.after_frame, 1_990_000)):
        assert checked(place(b"!\xfe" + b"\1x" * most + b"\0"))
        assert code_of_error(place(b"!\xfe" + b"\1x" * (most + 20_000) + b"\0")) == "truncated"


@pytest.mark.parametrize("at", [9, 10, 12, 780, 785, 790])
def test_gif_cut_off_before_its_pixels_is_rejected(at: int) -> None:
    assert code_of_error(hostile_images.GIF[:at]) == "truncated"


def test_tiff_with_excessive_values_is_opened_without_them() -> None:
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
def test_tiff_without_ordinary_directory_is_rejected(data: bytes) -> None:
    assert code_of_error(data.ljust(16, b"\0") if len(data) > 16 else data) == "truncated"


def test_uncompressed_and_tiled_images_that_are_cut_off_are_rejected() -> None:
    for image_format, options in (
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"tile": (64, 64)}),
    ):
        data = encoded(noise(), image_format, **options)
        assert checked(data)
        assert code_of_error(data[: len(data) * 9 // 10]) == "truncated"
    assert checked(encoded(noise(), "PPM"))


def test_header_of_another_format_is_read_up_to_a_limit() -> None:
    limit = 4 * 1024 * 1024
    file = limited_view(io.BytesIO(bytes(limit + 100)), "BMP")
    assert len(file.read(limit)) == limit
    with pytest.raises(OSError, match="too much in its header"):
        file.read(1)
    file = limited_view(io.BytesIO(b"cat"), "BMP")
    assert file.read() == b"cat"
    with pytest.raises(OSError, match="too much in its header"):
        for _ in range(25_001):
            file.read(1)


def test_webp_with_excessive_chunks_is_rejected() -> None:
    empty, riff, part = hostile_images.riff_chunk(b"JUNK", 0), hostile_images.riff, bytes(3)
    assert checked(riff(empty * 19_990))
    assert code_of_error(riff(empty * 20_001)) == "truncated"
    for kind in (b"ICCP", b"EXIF", b"XMP "):
        assert checked(riff(hostile_images.riff_chunk(kind, 2 << 20)))
        assert code_of_error(riff(hostile_images.riff_chunk(kind, (2 << 20) + 2))) == "truncated"
    assert checked(hostile_images.WEBP + part)
    assert code_of_error(hostile_images.WEBP[:-1]) == "truncated"
