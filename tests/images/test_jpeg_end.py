"""``without_metadata`` with JPEG files without EOI."""

from __future__ import annotations

import errno
import io
import itertools
import random

import pytest
from PIL import Image

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.metadata import without_metadata
from tests.support import hostile_images, photographs
from tests.support.emulator_pictures import encoded, plain
from tests.support.metadata import camera_image, frames, stripped, traces
from tests.support.odd_images import noise
from tests.support.photographs import CITY, app1, comment, exif, jpeg, scene

pytestmark = pytest.mark.any_django

EOI = b"\xff\xd9"

#: Data that follows the image data in place of EOI.
TRAILERS = {
    "nothing": b"",
    "half": b"\xff",
    "zero": b"\0",
    "zeros": bytes(200_000),
    "fill bytes": b"\xff" * 200_000,
    "text": (CITY + ", 64° N").encode(),
    "long text": CITY.encode() * 20_000,
    "samsung": photographs.samsung().partition(EOI + b"\0\0")[2],
    "second image": camera_image("Canon"),
    "comment": comment(CITY),
    "exif": app1(exif("<", photographs.described("x"))) * 2 + CITY.encode(),
    "invalid code": b"\xff\x41" + CITY.encode(),
    "invalid code and eoi": CITY.encode() + b"\xff\x41" + CITY.encode() + EOI,
    "binary": random.Random(1).randbytes(300).replace(b"\xff", b"\xfe"),
}
KINDS = {
    "sequential": jpeg(),
    "high quality": jpeg(quality=98, subsampling=0, jfif=False),
    "optimized": jpeg(optimize=True, image=scene((33, 17))),
    "gray": jpeg(image=scene(mode="L")),
    "cmyk": jpeg(image=scene(mode="CMYK")),
    "white": plain(color="white"),
    "restart markers": jpeg(restart_marker_blocks=1),
    "restart markers in rows": jpeg(restart_marker_rows=1, quality=90),
    "progressive": jpeg(progressive=True),
    "progressive, gray": jpeg(progressive=True, image=scene(mode="L")),
    "progressive, restart markers": jpeg(progressive=True, restart_marker_rows=1),
    "noise": encoded(noise(), "JPEG"),
}


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_without_eoi_gets_it_in_place_of_trailer(kind, trailer):
    data = KINDS[kind]
    assert stripped(data[:-2] + TRAILERS[trailer]) == data


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"progressive": True, "quality": 99}]
)
@pytest.mark.parametrize("color", ["black", "white", "teal", "gray"])
def test_jpeg_of_one_color_without_eoi_keeps_pixels(color, options):
    data = jpeg(image=Image.new("RGB", (40, 40), color), optimize=True, **options)
    for trailer in ("nothing", "zeros", "text"):
        result = stripped(data[:-2] + TRAILERS[trailer])
        assert list(frames(result)) == list(frames(data))
        assert result.endswith(EOI)
        assert traces(result) == []
        assert stripped(result) == result


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_jpeg_without_eoi_gets_no_eoi(kind):
    data = KINDS[kind]
    start = data.rindex(b"\xff\xda") + 18
    for length in (*range(start, len(data) - 4, len(data) // 40), len(data) - 10, len(data) - 4):
        assert EOI not in stripped(data[:length])


def test_jpeg_with_metadata_without_eoi_loses_both():
    data = camera_image("Canon")
    start = data.rindex(b"\xff\xda")
    end = data.index(EOI, start)
    assert stripped(data[:end] + CITY.encode()) == stripped(data)


def test_jpeg_of_separate_scans_without_eoi_loses_trailer():
    """A sequential JPEG may have a scan for each component."""
    data = b"".join(separate_scans())
    assert list(frames(data + EOI))
    for trailer in TRAILERS.values():
        assert stripped(data + trailer) == data + EOI
    without_last = data[: data.rindex(b"\xff\xda")]
    assert stripped(without_last) == without_last


def separate_scans():
    """Yield the parts of a JPEG of three components, each of which has its own gray scan."""
    data = jpeg(image=scene((32, 32), mode="L"), jfif=False)
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    yield data[:frame]
    yield b"\xff\xc0\0\x11" + data[frame + 4 : frame + 9] + b"\3\1\x11\0\2\x11\0\3\x11\0"
    yield data[frame + 13 : scan]
    for number in (1, 2, 3):
        yield b"\xff\xda\0\x08\1" + bytes([number, 0]) + data[scan + 7 : -2]


def test_jpeg_with_eoi_in_trailer_with_invalid_codes_loses_it():
    data = jpeg()
    for junk in (b"\xff\1", b"\xff\xbf" + CITY.encode()):
        assert stripped(data[:-2] + junk + EOI) == data


def test_jpeg_with_damaged_scan_and_eoi_keeps_pixels():
    data = jpeg(restart_marker_blocks=1)
    position = data.index(b"\xff\xd3")
    damaged = data[:position] + b"\xff\x41" + data[position + 2 :]
    assert list(frames(stripped(damaged))) == list(frames(damaged))
    lossless = damaged.replace(b"\xff\xc0", b"\xff\xc3")  # Pillow does not decode it.
    assert stripped(lossless) == lossless


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (jpeg().replace(b"\xff\xc0", b"\xff\xc3")[:-2], "the JPEG could not be decoded"),
        (
            jpeg().replace(b"\xff\xc0\0\x11", b"\xff\xcc\0\x11")[:-2],
            "the JPEG has no frame header",
        ),
        (hostile_images.in_scan(hostile_images.JPEG[-400:-2] * 200)[:-2], None),
        (hostile_images.in_scan(jpeg()[jpeg().index(b"\xff\xda") : -2] * 101)[:-2], "many scans"),
        (
            hostile_images.in_jpeg(photographs.segment(0xDB, bytes(65)) * 1_000)[:-2],
            "the file has too many tables",
        ),
    ],
    ids=["lossless", "frame", "data", "scans", "tables"],
)
def test_jpeg_without_eoi_of_unknown_end_raises(data, reason):
    if reason is None:
        assert stripped(data)
        return
    with pytest.raises(ImageRejected, match=reason) as caught:
        stripped(data)
    assert caught.value.code == "metadata"


def test_jpeg_without_eoi_above_pixel_limit_raises():
    for data, limit in ((jpeg(), 96 * 64), (jpeg(progressive=True), 4 * 96 * 64)):
        file = io.BytesIO(data[:-2] + CITY.encode())
        assert without_metadata(file, max_pixels=limit).read() == data
        with pytest.raises(ImageRejected, match="too many pixels"):
            without_metadata(file, max_pixels=limit - 1)
        assert without_metadata(io.BytesIO(data), max_pixels=1).read() == data


def test_jpeg_of_maximum_height_without_eoi_loses_trailer():
    data = plain("JPEG", (8, 65_496))
    result = stripped(data[:-2] + CITY.encode())
    assert list(frames(result)) == list(frames(data))
    assert traces(result) == []


def test_jpeg_whose_data_ends_with_escaped_byte_keeps_it():
    images = (scene((24, 24), "L", seed) for seed in range(2_000))
    files = (jpeg(image=image, progressive=True) for image in images)
    data = next(data for data in files if data[-4:-2] == b"\xff\0")
    for trailer in TRAILERS.values():
        assert stripped(data[:-2] + trailer) == data


class FailingFile(io.BytesIO):
    """A file that raises an error after a number of reads."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__(data)
        self._reads_left = reads

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise OSError(errno.EIO, "the disk is gone")
        return super().read(size)


@pytest.mark.parametrize("kind", ["sequential", "progressive"])
def test_jpeg_without_eoi_that_becomes_unreadable_raises_its_error(kind):
    data = KINDS[kind][:-2]
    assert reads_until_success(data) > 10


def reads_until_success(data):
    """Return the number of reads that are needed. With fewer, the error of the file is raised."""
    for reads in itertools.count():
        try:
            assert without_metadata(FailingFile(data, reads)).seek(0) == 0
        except OSError as error:
            if "the disk is gone" not in str(error):
                raise
        else:
            break
    return reads
