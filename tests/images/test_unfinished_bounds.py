"""CPU time and memory for files without an end, which are decoded to check their completeness."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.emulator_pictures import encoded
from tests.support.hostile_images import SIZE, entropy
from tests.support.measuring import Measurer
from tests.support.odd_images import chunk
from tests.support.photographs import scene
from tests.support.unfinished_jpegs import SOS, unfinished

pytestmark = pytest.mark.any_django

SIDE = 2_800  # pixels
MEGAPIXELS = SIDE * SIDE / 1_000_000

# For each pixel, a copy of a sequential JPEG takes a byte, and of a progressive one three bytes. In
# addition, buffers and the last part of a file take memory.
BYTES_PER_PIXEL = {"jpeg": 1, "progressive": 3, "cmyk": 4, "gif": 1, "png": 0}
_OTHER_MEGABYTES = 8
# The CPU time for a file, in loops of measuring.py. The loop runs before each attempt, because a
# busy machine slows both down. Most files take one loop for a megapixel, and many scans take three.
# Newer versions of Python run the loop faster, so that many scans take up to seven.
_MAX_LOOPS = 12 * MEGAPIXELS
_MAX_RUNS = 5


def large(mode: str = "RGB") -> Image.Image:
    return scene((700, 700), mode).resize((SIDE, SIDE))


def with_scans(data: bytes, count: int) -> bytes:
    """Return a JPEG without EOI whose last scan is repeated."""
    return data + data[data.rindex(SOS) :] * count


def png_bomb() -> bytes:
    """Return a PNG without IEND whose pixels expand a thousandfold, followed by other data."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(SIDE * (SIDE + 1)), 9)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
    return image + chunk(b"IDAT", bytes(SIZE))


UNFINISHED = {
    "jpeg": lambda: unfinished(large(), quality=90),
    "jpeg, gray": lambda: unfinished(large("L")),
    "jpeg, many zeros": lambda: unfinished(scene()) + bytes(SIZE),
    "jpeg, a large trailer": lambda: unfinished(scene()) + entropy(),
    "cmyk": lambda: unfinished(large("CMYK")),
    "progressive": lambda: unfinished(large(), progressive=True, subsampling=0),
    "progressive, plain": lambda: unfinished(Image.new("L", (SIDE, SIDE)), progressive=True),
    "progressive, many scans": lambda: with_scans(
        unfinished(Image.new("L", (SIDE, SIDE)), progressive=True), 70
    ),
    "progressive, a large trailer": lambda: unfinished(large("L"), progressive=True) + entropy(),
    "png": png_bomb,
    "gif": lambda: encoded(Image.new("P", (SIDE, SIDE)), "GIF")[:-2],
}


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    measurer = Measurer()
    yield measurer
    measurer.close()


@pytest.mark.parametrize("kind", UNFINISHED)
def test_check_of_unfinished_file_takes_bounded_time_and_memory(
    kind: str, measurer: Measurer, tmp_path: Path
) -> None:
    path = tmp_path / "image"
    path.write_bytes(UNFINISHED[kind]())
    max_megabytes = BYTES_PER_PIXEL[kind.partition(",")[0]] * MEGAPIXELS + _OTHER_MEGABYTES
    for _ in range(_MAX_RUNS):
        max_seconds = _MAX_LOOPS * measurer("loop", path).seconds
        run = measurer("check", path)
        if run.seconds <= max_seconds and run.megabytes <= max_megabytes:
            break
    assert run.result == "accepted"
    assert run.seconds <= max_seconds
    assert run.megabytes <= max_megabytes
