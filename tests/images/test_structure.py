"""``check_jpeg`` and ``check_png`` with photographs and malformed images."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.completeness.structure import check_jpeg, check_png
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.formats.png import PNG_SIGNATURE, png_chunks
from django_groupme_images.images.opening.decoding import open_image
from tests.support import photographs
from tests.support.memory import peak_memory
from tests.support.metadata import ShortReadFile, UnreadableFile, camera_image, each_maker, stripped
from tests.support.odd_images import flipped
from tests.support.photographs import app1, chunk, exif, jpeg, png

pytestmark = pytest.mark.any_django


def check(file):
    if file.getvalue().startswith(PNG_SIGNATURE):
        check_png(file, 10**6)
    else:
        check_jpeg(file, 10**6)


def decoded(data):
    image = open_image(io.BytesIO(data), "PNG", 10**6)
    image.load()
    return image.tobytes()


def error_message(data):
    with pytest.raises(MalformedImage) as caught:
        check(io.BytesIO(data))
    return str(caught.value)


@each_maker
def test_checks_of_photograph_accept_it(maker):
    for data in (camera_image(maker), stripped(camera_image(maker))):
        check(io.BytesIO(data))
        check(ShortReadFile(data, 7))


def test_checks_of_malformed_image_raise():
    canon, screenshot = camera_image("Canon"), camera_image("screenshot")
    for data in (b"\xff\xd8", canon[:99], b"\xff\xd8" + canon, canon[:2] + canon[-2:]):
        assert error_message(data) == "the JPEG is damaged or truncated before its image data"
    for data in (screenshot[:8], screenshot[:99], screenshot[:33] + screenshot[-12:]):
        assert error_message(data) == "the PNG is damaged or truncated before its image data"
    assert error_message(jpeg(b"\xff\xfe\0\2" * 50_000)) == "the file has too many parts"
    assert error_message(png(chunk(b"tEXt", b"") * 50_000)) == "the file has too many parts"


def test_checks_of_excessive_exif_raise_but_it_can_be_stripped():
    tags = exif("<", photographs.described("x"))
    for data, expected in (
        (jpeg(app1(tags) * 101), jpeg()),
        (png(chunk(b"eXIf", tags) * 101), png()),
    ):
        assert error_message(data) == "the file has too much EXIF metadata"
        assert stripped(data) == expected


def test_check_jpeg_of_large_file_uses_little_memory():
    file = io.BytesIO(jpeg()[:-2] + b"\x12\x34\xff\x00" * 5_000_000 + b"\xff\xd9")
    with peak_memory() as peak:
        check_jpeg(file, 10**6)
    assert peak() < 1_000_000


def test_check_png_of_damaged_or_truncated_file_raises_or_pixels_are_the_same():
    data = camera_image("screenshot")
    pixels = decoded(data)
    size = data.index(b"IEND") + 8
    files = [data[:length] for length in range(8, size + 1)]
    files += [flipped(data, position) for position in range(12, size)]
    accepted = 0
    for file in files:
        with suppress(MalformedImage):
            check_png(io.BytesIO(file), 10**6)
            accepted += 1
            assert decoded(file) == pixels
    assert 0 < accepted < len(files) // 2
    chunks = dict(png_chunks(BlockReader(io.BytesIO(data))))
    for length in range(8, chunks[b"IDAT"].stop):
        assert error_message(data[:length])


def test_checks_of_unreadable_file_raise_its_error():
    for check_format in (check_jpeg, check_png):
        with pytest.raises(OSError, match="the disk is gone"):
            check_format(UnreadableFile(png()), 10**6)
