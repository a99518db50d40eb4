"""``open_view`` with metadata that Pillow rejects, and with errors of the file."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.decoding import open_image
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.preparation import prepared_image
from tests.support import odd_images, photographs
from tests.support.metadata import UnreadableFile
from tests.support.odd_images import JPEG, segment
from tests.support.unfinished_jpegs import UNFINISHED, decoded

pytestmark = pytest.mark.any_django

OPTIONS = ImageOptions(allowed_formats=("jpeg", "png", "gif"))

REJECTED_BY_PILLOW = {
    "short JFIF": segment(b"\xff\xe0", b"JFIF\0"),
    "short Adobe": segment(b"\xff\xee", b"Adobe"),
    "short Photoshop": segment(b"\xff\xed", b"Photoshop 3.0\x008BIM\0\1"),
    "short profile": segment(b"\xff\xe2", b"ICC_PROFILE\0"),
}


def loaded(data: bytes, image_format: str = "JPEG") -> Any:
    image = open_image(io.BytesIO(data), image_format, 10_000_000)
    image.load()
    return image


@pytest.mark.parametrize("kind", REJECTED_BY_PILLOW)
def test_jpeg_with_metadata_that_pillow_rejects_is_accepted_without_it(kind: str) -> None:
    comment = segment(b"\xff\xfe", b"cat")
    data = JPEG[:2] + comment + REJECTED_BY_PILLOW[kind] + JPEG[2:]
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(data))
    assert inspect_image(io.BytesIO(data), OPTIONS).info["comment"] == b"cat"
    assert loaded(data).tobytes() == decoded(JPEG[:-2])
    assert without_metadata(io.BytesIO(data)).read(2) == b"\xff\xd8"


def test_jpeg_with_rejected_metadata_keeps_orientation() -> None:
    bad = b"".join(REJECTED_BY_PILLOW.values())
    exif = photographs.app1(photographs.exif("<", {0x0112: [6]}, gps=False))
    data = JPEG[:2] + bad + exif + bad + JPEG[2:]
    assert loaded(data).getexif()[0x0112] == 6


def test_unfinished_jpeg_with_rejected_metadata_can_be_decoded() -> None:
    data = UNFINISHED["progressive"]
    damaged = data[:2] + REJECTED_BY_PILLOW["short Adobe"] + data[2:] + bytes(9)
    assert loaded(damaged).tobytes() == decoded(data)
    assert inspect_image(io.BytesIO(damaged), OPTIONS).size == (97, 75)


def test_file_that_pillow_rejects_for_other_reasons_raises_its_error() -> None:
    for data in (odd_images.DAMAGED["jpeg of 12 bits"], UNFINISHED["gray"][:30]):
        with pytest.raises((SyntaxError, MalformedImage)):
            loaded(data)


def test_open_image_to_decode_keeps_incomplete_data_incomplete() -> None:
    png, gif = odd_images.GOOD["noisy 16 bits"], odd_images.GOOD["interlaced gif"]
    for data, image_format in ((png, "PNG"), (gif, "GIF")):
        with pytest.raises((OSError, SyntaxError)):
            loaded(data[: len(data) // 2], image_format)


def test_open_image_of_unreadable_file_raises_its_error() -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        open_image(UnreadableFile(JPEG), "JPEG")


@pytest.mark.parametrize("kind", odd_images.GOOD)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_open_image_of_ordinary_file_decodes_same_pixels(kind: str) -> None:
    data = odd_images.GOOD[kind]
    if kind.startswith("108 megapixels"):
        return
    with Image.open(io.BytesIO(data)) as expected:
        image_format = str(expected.format).replace("MPO", "JPEG")
        assert loaded(data, image_format).tobytes() == expected.tobytes()


SHRINKING = ImageOptions(allowed_formats=("jpeg", "png"), max_dimension=50)


def shrunk(data: bytes, options: ImageOptions = SHRINKING) -> bytes:
    with prepared_image(io.BytesIO(data), options) as prepared:
        return prepared.file.read()


@pytest.mark.parametrize("kind", ["sequential", "progressive", "restart markers", "cmyk"])
def test_shrink_of_unfinished_jpeg_equals_shrink_of_finished_jpeg(kind: str) -> None:
    data = UNFINISHED[kind]
    expected = shrunk(data + b"\xff\xd9")
    for tail in (b"", b"\xff", bytes(100), b"a trailer"):
        assert shrunk(data + tail) == expected


def test_shrink_of_truncated_jpeg_raises() -> None:
    for kind in ("sequential", "progressive"):
        with pytest.raises(ImageRejected) as caught:
            shrunk(UNFINISHED[kind][:-100])
        assert caught.value.code == "truncated"


def test_shrink_of_png_without_end_equals_shrink_of_complete_png() -> None:
    data = photographs.png()
    bad = odd_images.chunk(b"gAMA", b"")
    assert shrunk(data[:-12]) == shrunk(data[:33] + bad + data[33:]) == shrunk(data)
