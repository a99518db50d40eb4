"""GIF files without their trailer, and without the terminator of their last frame."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.gif import gif_blocks
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.decoding import open_image
from django_groupme_images.images.options import ImageOptions
from tests.support import odd_images, photographs
from tests.support.emulator_pictures import encoded
from tests.support.odd_images import noise

pytestmark = pytest.mark.any_django

MAX_PIXELS = 100_000


def with_local_palette() -> bytes:
    """Return a GIF whose only frame has a palette of its own, and whose screen has none."""
    data = encoded(photographs.scene().quantize(64), "GIF")
    flags = data[10]
    palette, frame = (
        data[13 : 13 + (6 << (flags & 7))],
        data.index(b",\0\0\0\0", 13 + (6 << (flags & 7))),
    )
    head = data[:10] + b"\0" + data[11:13]
    return head + data[frame : frame + 9] + bytes([flags & 0x87]) + palette + data[frame + 10 :]


GIFS = {
    "noise": encoded(noise("P", (40, 30)), "GIF"),
    "scene": encoded(photographs.scene().quantize(64), "GIF"),
    "gray": encoded(photographs.scene(mode="L"), "GIF"),
    "interlaced": encoded(noise("P", (40, 31)), "GIF", interlace=1),
    "one color": encoded(Image.new("P", (300, 200), 3), "GIF"),
    "one pixel": encoded(Image.new("L", (1, 1)), "GIF"),
    "local palette": with_local_palette(),
    "animated": odd_images.GIF,
}
each_kind = pytest.mark.parametrize("kind", GIFS)


def frames(data: bytes) -> list[bytes]:
    """Return the pixels of all frames."""
    image: Any = open_image(io.BytesIO(data), "GIF", MAX_PIXELS)
    result = []
    for number in range(image.n_frames):
        image.seek(number)
        result.append(image.convert("RGB").tobytes())
    return result


def is_accepted(data: bytes, max_pixels: int = MAX_PIXELS) -> bool:
    options = ImageOptions(allowed_formats=("gif",), max_pixels=max_pixels)
    with suppress(ImageRejected):
        inspect_image(io.BytesIO(data), options)
        return True
    return False


@each_kind
def test_gif_without_end_is_accepted_and_can_be_decoded(kind: str) -> None:
    data = GIFS[kind]
    assert data.endswith(b"\0;")
    for unfinished in (data[:-1], data[:-2], data[:-2] + b";"):
        assert is_accepted(unfinished)
        assert frames(unfinished) == frames(data)
        assert without_metadata(io.BytesIO(unfinished)).read(4) == b"GIF8"


@each_kind
def test_gif_truncated_anywhere_is_accepted_only_if_its_frames_are_complete(kind: str) -> None:
    data = GIFS[kind]
    whole = frames(data)
    generator = random.Random(kind)
    sizes = {generator.randrange(13, len(data)) for _ in range(200)}
    sizes |= set(range(max(13, len(data) - 300), len(data)))
    ends = [block.stop for kind, block in gif_blocks(BlockReader(io.BytesIO(data))) if kind == b","]
    for size in sizes:
        for unfinished in (data[:size], data[:size] + b";"):
            if is_accepted(unfinished):
                count = sum(end <= size + 1 for end in ends)
                assert frames(unfinished)[:count] == whole[:count]
        # A missing trailer or terminator is the only thing that may be missing.
        assert not is_accepted(data[:size]) or any(end - 1 <= size for end in ends)


def test_gif_truncated_between_data_blocks_is_rejected() -> None:
    data = GIFS["noise"]
    start = data.index(b",\0\0\0\0") + 11
    while data[start] and start + data[start] + 1 < len(data) - 2:
        assert not is_accepted(data[:start])
        start += data[start] + 1


def test_gif_without_terminator_and_with_more_pixels_than_allowed_is_rejected() -> None:
    data = GIFS["noise"]
    assert is_accepted(data[:-2], 1_200)
    assert not is_accepted(data[:-2], 1_199)
    assert is_accepted(data[:-1], 1_199)


def test_gif_with_frame_without_data_is_rejected() -> None:
    data = GIFS["one pixel"]
    frame = data.index(b",\0\0\0\0")
    for size in range(frame, frame + 12):
        assert not is_accepted(data[:size])
        assert not is_accepted(data[:size] + b";")


@pytest.mark.parametrize("extension", [b"!\xfe\3cat", b"!\xff\x0bNETSCAPE2.0\3\1\0\0"])
def test_gif_without_terminator_of_extension_after_frames_is_accepted(extension: bytes) -> None:
    for name in ("noise", "animated"):
        data = GIFS[name][:-1] + extension
        for unfinished in (data, data + b";", data + b"\0"):
            assert is_accepted(unfinished)
            assert frames(unfinished) == frames(GIFS[name])
            assert frames(without_metadata(io.BytesIO(unfinished)).read()) == frames(GIFS[name])
        assert not is_accepted(data[:-1])


def test_gif_without_terminator_of_other_extension_is_rejected() -> None:
    data = GIFS["animated"]
    frame = data.index(b",\0\0\0\0")
    assert not is_accepted(data[:-1] + b"!\xf9\4\0\0\0\0")
    assert not is_accepted(data[:frame] + b"!\xfe\3cat")
    assert not is_accepted(data[:-1] + b"!\xfe")


def test_gif_with_extension_that_pillow_rejects_is_accepted() -> None:
    data = GIFS["animated"]
    frame = data.index(b",\0\0\0\0")
    for extension in (b"!\xf9\1\1\0", b"!\xf9\2\0\0\0"):
        damaged = data[:frame] + extension + data[frame:]
        with pytest.raises((OSError, SyntaxError)):
            Image.open(io.BytesIO(damaged))
        assert is_accepted(damaged)
        assert open_image(io.BytesIO(damaged), "GIF").size == (40, 30)
