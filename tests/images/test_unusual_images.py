"""``without_metadata`` with unusual, truncated, and damaged images."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFile

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.metadata import without_metadata
from tests.support import emulator_pictures as pictures
from tests.support import photographs
from tests.support.metadata import camera_image, each_maker, frames, stripped, traces
from tests.support.photographs import MAKERS, app1, chunk, comment, exif, jpeg, png, segment

pytestmark = pytest.mark.any_django


def test_jfif_with_thumbnail_keeps_only_density():
    image = pictures.opened(stripped(camera_image("scanner")))
    assert [name for name, _ in image.applist] == ["APP0"]
    assert len(image.app["APP0"]) == 14
    assert image.info["dpi"] == (300, 300)


def test_jpeg_segments_similar_to_kept_ones_are_removed():
    segments = [
        segment(0xE0, b"AVI1" + bytes(9)),
        segment(0xE2, b"ICC_PROFILE"),
        segment(0xE2, b"FPXR\0" + photographs.CITY.encode()),
        segment(0xE1, b"JFIF\0" + photographs.CITY.encode()),
        segment(0xEE, b"adobe"),
        segment(0xEF, b""),
        segment(0xFE, b""),
    ]
    assert stripped(jpeg(*segments)) == jpeg()


@pytest.mark.parametrize("code", [0xE0, 0xE2, 0xEE])
def test_jpeg_segment_with_signature_after_its_end_is_removed(code):
    signatures = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
    assert stripped(jpeg(segment(code, b""), signatures[code])) == jpeg()


def test_jpeg_bytes_between_segments_are_removed():
    fill, junk = b"\xff\xff\xff", b"\0\x11" + photographs.CITY.encode() + b"\xff\0\xff\x41\xff\xd3"
    data = jpeg(fill + comment("x"), junk, fill)
    result = stripped(data)
    assert result == jpeg()


def test_jpeg_segment_with_impossible_length_is_removed():
    assert stripped(jpeg(b"\xff\xe1\0\0", b"\xff\xe4\0\1")) == jpeg()


def test_jpeg_comment_inside_scan_is_removed():
    data = jpeg()
    scan = data.index(b"\xff\xda") + 400
    result = stripped(data[:scan] + comment(photographs.CITY) + data[scan:])
    assert result.startswith(data[:scan])
    assert traces(result) == []


def test_jpeg_second_image_after_scan_without_end_is_removed():
    assert stripped(jpeg()[:-2] + camera_image("Canon")) == jpeg()


def test_jpeg_truncated_in_scan_is_stripped(monkeypatch):
    data = camera_image("iPhone")
    truncated = data[: data.index(b"\xff\xda") + 1500]
    result = stripped(truncated)
    assert traces(result) == []
    assert truncated.endswith(result[-1500:])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert next(frames(result)) == next(frames(truncated))


def test_jpeg_truncated_in_tables_after_scan_stays_truncated():
    data = jpeg(progressive=True)
    scan = data.index(b"\xff\xda")
    tables = data.index(b"\xff\xc4", scan)
    for end in (b"", b"\xff", data[tables:][:3], data[tables:][:9], comment(photographs.CITY)[:9]):
        assert stripped(data[:tables] + end) == data[:tables]


def test_png_with_ancillary_chunks_keeps_only_color_chunks():
    color = {b"cHRM": bytes(32), b"sBIT": b"\x08\x08\x08", b"pHYs": bytes(9)}
    kept = [chunk(kind, data) for kind, data in color.items()]
    dropped = [chunk(kind, b"x") for kind in (b"iDOT", b"prVt", b"dSIG", b"sTER", b"tIME", b"eXIf")]
    mixed = [part for pair in zip(kept, dropped, strict=False) for part in pair] + dropped
    assert stripped(png(*mixed)) == png(*kept)
    assert stripped(png(chunk(b"NEWc", b"x"), *dropped)) == png(chunk(b"NEWc", b"x"))


def test_png_truncated_in_pixel_data_is_stripped(monkeypatch):
    data = camera_image("screenshot")
    truncated = data[: data.index(b"IDAT") + 9000]
    result = stripped(truncated)
    assert traces(result) == []
    assert result[-9000:] == truncated[-9000:]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert list(frames(result)) == list(frames(truncated))


def test_png_malformed_after_pixel_data_is_stripped():
    data = png()[:-12]
    for end in (b"", b"\0", b"\0\0\0\4tE", chunk(b"t\0Xt", photographs.CITY.encode())):
        assert stripped(data + end) == data
    text = chunk(b"tEXt", photographs.CITY.encode())
    assert stripped(data + text[:-5]) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Reykjavik", "its format is unknown. Save"),
        (b"\x89PNG\r\n\x1a", "its format is unknown. Save"),
        (pictures.plain("WEBP"), "its format, WebP, is not supported. Remove"),
        (pictures.plain("TIFF"), "its format, TIFF, is not supported. Remove"),
        (b"\xff\xd8\xff", "the JPEG is damaged or truncated before its image data"),
        (b"\xff\xd8\xff\xd9", "the JPEG is damaged or truncated before its image data"),
        (camera_image("Canon")[:99], "the JPEG is damaged or truncated before its image data"),
        (b"\xff\xd8" + jpeg(), "the JPEG is damaged or truncated before its image data"),
        (jpeg()[: jpeg().index(b"\xff\xda") + 5], "the JPEG is damaged or truncated before"),
        (camera_image("screenshot")[:8], "the PNG is damaged or truncated before its image"),
        (camera_image("screenshot")[:99], "the PNG is damaged or truncated before its image"),
        (png()[:33] + png()[-12:], "the PNG is damaged or truncated before its image data"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 50_000 + jpeg()[2:], "the file has too many parts"),
        (b"GIF87a", "the GIF is truncated"),
        (photographs.gif()[:-100], "the GIF is truncated"),
    ],
    ids=range(15),
)
def test_without_metadata_of_other_or_malformed_image_raises(data, reason):
    file = io.BytesIO(data)
    file.seek(3)
    with pytest.raises(ImageRejected) as caught:
        without_metadata(file)
    assert file.tell() == 0
    assert (caught.value.code, caught.value.params) == ("metadata", {})
    message = str(caught.value)
    assert message.startswith("the metadata of the file cannot be removed: " + reason)
    assert message.endswith(", or turn off 'strip_metadata'.")
    assert traces(message.encode()) == []


def test_without_metadata_of_empty_file_raises():
    with pytest.raises(ImageRejected) as caught:
        without_metadata(io.BytesIO())
    assert caught.value.code == "empty"


def check_stripped(data):
    """Check that stripping fails or is repeatable, and that it leaves the original unchanged."""
    file = io.BytesIO(data)
    try:
        result = without_metadata(file)
    except ImageRejected:
        assert file.tell() == 0
        return
    assert result.tell() == 0
    size = result.seek(0, io.SEEK_END)
    result.seek(0)
    content = result.read()
    assert len(content) == size
    assert file.getvalue() == data
    assert result is not file or content == data
    assert stripped(content) == content


@each_maker
def test_photograph_truncated_anywhere_is_stripped_consistently(maker):
    data = camera_image(maker)
    for tenths in range(11):
        check_stripped(data[: len(data) * tenths // 10])
    for length in range(0, min(len(data), 1000), 7):
        check_stripped(data[:length])


damages = st.dictionaries(
    st.integers(0, 2000) | st.integers(0, 200_000), st.sampled_from([0, 0xFF]) | st.integers(0, 255)
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(MAKERS)), damages)
def test_photograph_damaged_anywhere_is_stripped_consistently(maker, damage):
    data = bytearray(camera_image(maker))
    for position, byte in damage.items():
        data[position % len(data)] = byte
    check_stripped(bytes(data))


codes = st.sampled_from([0xC4, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE])
contents = st.binary(max_size=40)
pieces = (
    st.builds(segment, codes, contents)
    | st.builds(
        lambda code, length, content: b"\xff" + struct.pack(">BH", code, length) + content,
        st.integers(0, 255),
        st.integers(0, 99),
        contents,
    )
    | st.builds(lambda fill, content: b"\xff" * fill + content, st.integers(0, 3), contents)
    | st.integers(0, 8).map(lambda number: app1(exif("<", {0x0112: [number]}, gps=False)))
)


@settings(max_examples=200)
@given(st.lists(pieces, max_size=60))
def test_jpeg_with_segments_in_any_order_is_stripped_consistently(pieces):
    check_stripped(b"\xff\xd8" + b"".join(pieces))
