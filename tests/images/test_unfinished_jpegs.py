"""JPEG files without EOI: complete ones are accepted, and truncated ones are rejected."""

from __future__ import annotations

import io
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.completeness.jpeg import end_of_complete_jpeg
from django_groupme_images.images.completeness.jpeg_scans import read_scans
from django_groupme_images.images.completeness.structure import check_jpeg
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.decoding import open_image
from tests.support import photographs
from tests.support.emulator_pictures import encoded
from tests.support.odd_images import JPEG, segment
from tests.support.unfinished_jpegs import (
    EOI,
    SOS,
    TAILS,
    UNFINISHED,
    decoded,
    unfinished,
    white_below,
)

pytestmark = pytest.mark.any_django

MAX_PIXELS = 100_000

each_kind = pytest.mark.parametrize("kind", UNFINISHED)


def end_of(data: bytes, max_pixels: int = MAX_PIXELS) -> int | None:
    return end_of_complete_jpeg(io.BytesIO(data), max_pixels)


@each_kind
@pytest.mark.parametrize("tail", TAILS)
def test_complete_jpeg_without_eoi_is_accepted_and_can_be_decoded(kind: str, tail: str) -> None:
    data = UNFINISHED[kind]
    file = io.BytesIO(data + TAILS[tail])
    check_jpeg(file, MAX_PIXELS)
    image = open_image(file, "JPEG", MAX_PIXELS)
    image.load()
    assert image.tobytes() == decoded(data)
    assert without_metadata(file).read(2) == b"\xff\xd8"


@each_kind
def test_jpeg_truncated_anywhere_is_accepted_only_if_its_pixels_are_complete(kind: str) -> None:
    data = UNFINISHED[kind]
    pixels = decoded(data)
    first_scan = data.index(SOS)
    generator = random.Random(kind)
    sizes = {generator.randrange(first_scan, len(data)) for _ in range(150)}
    sizes |= set(range(max(first_scan, len(data) - 30), len(data)))
    accepted = [size for size in sizes if end_of(data[:size]) is not None]
    for size in accepted:
        assert decoded(data[:size]) == pixels
    assert len(accepted) < 12


@each_kind
def test_jpeg_truncated_in_its_headers_is_rejected(kind: str) -> None:
    data = UNFINISHED[kind]
    for size in range(2, data.index(SOS) + 12, 5):
        assert end_of(data[:size]) is None


@pytest.mark.parametrize("kind", [kind for kind in UNFINISHED if kind.startswith("progressive")])
def test_progressive_jpeg_truncated_between_scans_is_rejected(kind: str) -> None:
    data = UNFINISHED[kind]
    scans = read_scans(BlockReader(io.BytesIO(data))).scans
    assert len(scans) > 4
    for scan in scans[:-1]:
        for size in (scan.data.stop, scan.data.stop - 1, scan.data.stop + 1):
            assert end_of(data[:size]) is None


def test_jpeg_truncated_between_scans_of_colors_is_rejected() -> None:
    data = UNFINISHED["a scan for each color"]
    first, second, third = read_scans(BlockReader(io.BytesIO(data))).scans
    for scan in (first, second):
        assert end_of(data[: scan.data.stop]) is None
    assert end_of(data) == third.data.stop


def test_jpeg_with_scan_of_two_of_three_colors_is_accepted() -> None:
    data = UNFINISHED["a scan for each color"]
    head = data[: data.index(SOS)].replace(b"\0\x4b\0\x61\3", b"\0\x08\0\x08\3")
    # A block is the bits 00 1010 in the usual tables. Ones fill the last byte.
    first = SOS + b"\0\x08\1R\0\0\x3f\0" + b"\x2b"
    other = SOS + b"\0\x0a\2G\0B\0\0\x3f\0" + b"\x28\xaf"
    assert end_of(head + first + other) == len(head + first + other)
    for size in (1, 2):
        assert end_of((head + first + other)[:-size]) is None


def test_jpeg_truncated_at_restart_marker_is_rejected() -> None:
    for kind in ("restart markers", "restart markers after rows", "progressive, restart markers"):
        data = UNFINISHED[kind]
        positions = [
            position
            for position in range(data.rindex(SOS), len(data) - 1)
            if data[position] == 0xFF and 0xD0 <= data[position + 1] <= 0xD7
        ]
        assert len(positions) >= 9 or kind == "restart markers after rows"
        for position in positions[-20:]:
            for size in (position, position + 1, position + 2, position + 3):
                assert end_of(data[:size]) is None or decoded(data[:size]) == decoded(data)


@each_kind
def test_jpeg_whose_second_half_is_zeros_is_rejected(kind: str) -> None:
    data = UNFINISHED[kind]
    half = (data.index(SOS) + len(data)) // 2
    damaged = data[:half] + bytes(len(data) - half)
    assert end_of(damaged) is None or decoded(damaged) == decoded(data)
    assert end_of(damaged + bytes(100_000)) is None or decoded(damaged) == decoded(data)


def test_end_of_complete_jpeg_is_before_zeros_that_are_not_data() -> None:
    data = UNFINISHED["sequential"]
    assert end_of(data + bytes(300_000)) == len(data)
    assert end_of(data + b"\xff") == len(data)


@pytest.mark.parametrize("tail", [b"", b"\xff", bytes(2), b"\xff\0", bytes(100)])
def test_data_that_ends_with_zero_or_ff_is_complete(tail: bytes) -> None:
    files = [unfinished(white_below(), quality=quality) for quality in range(20, 90)]
    scene = photographs.scene((97, 75), "L")
    files += [unfinished(scene, quality=quality, progressive=True) for quality in range(85, 96)]
    for ending, min_count in ((b"\0", 10), (b"\xff\0", 1)):
        found = [data for data in files if data.endswith(ending)]
        assert len(found) >= min_count
        for data in found:
            assert end_of(data + tail) in (len(data), len(data + tail))


def test_data_that_ends_with_many_zeros_is_complete() -> None:
    """In an optimized file, each block of a plain area is a few zero bits."""
    data = unfinished(white_below((72, 90)), optimize=True, quality=20)
    assert data.endswith(bytes(20))
    assert end_of(data) == len(data)
    assert end_of(data + b"\xff") == len(data)
    assert end_of(data[:-1]) is None
    assert end_of(data + b"\0") is None


def test_last_byte_replaced_by_zero_is_damaged_unless_decoder_reads_all_its_bits() -> None:
    rejected = 0
    for quality in range(20, 90):
        data = unfinished(white_below(), quality=quality)
        damaged = data[:-1] + bytes(3)
        if not data.endswith(b"\0"):
            rejected += end_of(damaged) is None
    assert rejected > 45


def test_jpeg_with_more_pixels_than_allowed_is_rejected() -> None:
    data = unfinished(white_below((100, 50)))
    assert end_of(data, 5_000) == len(data)
    assert end_of(data, 4_999) is None
    with pytest.raises(MalformedImage, match="has no end"):
        check_jpeg(io.BytesIO(data), 4_999)


def with_scans(count: int) -> bytes:
    """Return a progressive JPEG without EOI whose last scan is repeated up to a number of scans."""
    data = UNFINISHED["progressive, gray"]
    scans = read_scans(BlockReader(io.BytesIO(data))).scans
    last = data[data.rindex(SOS) : scans[-1].data.stop]
    return data + last * (count - len(scans))


def test_jpeg_with_too_many_scans_is_rejected() -> None:
    assert end_of(with_scans(100), 1_000_000)
    assert end_of(with_scans(101), 1_000_000) is None
    pixels = 97 * 75
    assert end_of(with_scans(10), pixels)
    assert end_of(with_scans(11), pixels) is None


def test_jpeg_with_too_many_tables_is_rejected() -> None:
    data = UNFINISHED["gray"]
    start = data.index(SOS)
    restart_interval = segment(b"\xff\xdd", b"\0\0")
    assert end_of(data[:start] + restart_interval * 900 + data[start:])
    assert end_of(data[:start] + restart_interval * 1_000 + data[start:]) is None


@pytest.mark.parametrize("code", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_jpeg_of_other_compression_is_rejected(code: int) -> None:
    data = UNFINISHED["gray"].replace(b"\xff\xc0", b"\xff%c" % code)
    assert end_of(data) is None
    check_jpeg(io.BytesIO(data + EOI), MAX_PIXELS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\xff\xc0\0\x0b\x08", b"\xff\xc0\0\x0b\x0c"),
        (b"\xff\xc0\0\x0b\x08\0\x4b", b"\xff\xc0\0\x0b\x08\0\0"),
        (b"\xff\xc0\0\x0b\x08\0\x4b", b"\xff\xc0\0\x0b\x08\0\x4c\xff"),
        (b"\xff\xda\0\x08\1", b"\xff\xda\0\x08\2"),
        (b"\xff\xda\0\x08\1\1", b"\xff\xda\0\x08\1\2"),
        (b"\xff\xda\0\x08\1\1", b"\xff\xda\0\2\1\1"),
        (b"\xff\xda\0\x08\1\1\0", b"\xff\xda\0\x08\1\1\x99"),
        (b"\xff\xdb\0\x43\0", b"\xff\xdb\0\x43\x10"),
    ],
    ids=[
        "12 bits",
        "height in DNL",
        "length of frame",
        "count of components",
        "unknown component",
        "length of scan",
        "missing table",
        "length of table",
    ],
)
def test_jpeg_with_invalid_segment_is_rejected(old: bytes, new: bytes) -> None:
    data = UNFINISHED["gray"]
    assert old in data
    assert end_of(data.replace(old, new, 1)) is None


@pytest.mark.parametrize(
    "scan",
    [SOS + b"\0\x06\0\0\x3f\0", SOS + b"\0\x08\1\7\0\0\x3f\0"],
    ids=["no color", "unknown color"],
)
def test_jpeg_with_additional_scan_of_no_color_is_rejected(scan: bytes) -> None:
    assert end_of(UNFINISHED["gray"] + scan + b"data") is None


@pytest.mark.parametrize("components", [b"\0", b"\1\1\0\0", b"\2\1\x11\0\2\x11\0"])
def test_jpeg_with_other_components_is_rejected(components: bytes) -> None:
    data = UNFINISHED["gray"]
    start = data.index(b"\xff\xc0")
    frame = segment(b"\xff\xc0", data[start + 4 : start + 9] + components)
    assert end_of(data[:start] + frame + data[start + 13 :]) is None


def damaged(kind: str, changes: dict[int, int], size: int) -> bytes:
    data = bytearray(UNFINISHED[kind])
    for position, byte in changes.items():
        data[position % len(data)] = byte
    return bytes(data[: len(data) - size])


@settings(max_examples=300)
@given(
    st.builds(
        damaged,
        st.sampled_from(sorted(UNFINISHED)),
        st.dictionaries(st.integers(0, 700) | st.integers(0, 20_000), st.integers(0, 255)),
        st.integers(0, 300),
    )
)
def test_end_of_damaged_jpeg_is_a_position_or_none(data: bytes) -> None:
    end = end_of(data, 10_000_000)
    assert end is None or 0 < end <= len(data)


def test_jpeg_without_frame_or_with_two_is_rejected() -> None:
    data = UNFINISHED["gray"]
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 13]
    assert end_of(data.replace(frame, b"")) is None
    assert end_of(data.replace(frame, frame * 2)) is None


def test_jpeg_with_large_quantization_steps_is_accepted() -> None:
    data = UNFINISHED["gray"]
    start = data.index(b"\xff\xdb")
    table = data[start + 5 : start + 69]
    large = segment(b"\xff\xdb", b"\x10" + struct.pack(">64H", *(4 * value for value in table)))
    data = data[:start] + large + data[start + 69 :]
    assert end_of(data) == len(data)
    assert end_of(data[:-2]) is None


def test_check_jpeg_of_damaged_jpeg_with_eoi_accepts_it() -> None:
    data = UNFINISHED["sequential"]
    for complete in (data + EOI, data + EOI + b"more", data[:-300] + b"\xff\xd8" + EOI):
        check_jpeg(io.BytesIO(complete), MAX_PIXELS)
    for cut in (data[:-300], data[:-300] + b"\xff\xd8" + data[-300:]):
        with pytest.raises(MalformedImage, match="has no end"):
            check_jpeg(io.BytesIO(cut), MAX_PIXELS)


def test_jpeg_with_two_soi_markers_is_rejected() -> None:
    for data in (JPEG, UNFINISHED["sequential"]):
        with pytest.raises(MalformedImage, match="truncated before its image data"):
            check_jpeg(io.BytesIO(b"\xff\xd8" + data), MAX_PIXELS)


def test_unfinished_photograph_with_metadata_is_accepted() -> None:
    for maker in ("Canon", "iPhone", "Samsung"):
        image = photographs.scene((160, 120))
        data = encoded(image, "JPEG", exif=photographs.exif("<", photographs.described(maker)))
        assert end_of(data[:-2]) == len(data) - 2
