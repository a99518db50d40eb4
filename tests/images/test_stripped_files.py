"""File objects that ``without_metadata`` reads, and that it returns."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import pytest
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile

from django_groupme_images.images.metadata import without_metadata
from tests.support import emulator_pictures as pictures
from tests.support import photographs
from tests.support.memory import peak_memory
from tests.support.metadata import ShortReadFile, UnreadableFile, camera_image, each_maker, stripped
from tests.support.photographs import app1, comment, exif, jpeg

pytestmark = pytest.mark.any_django


def test_without_metadata_of_plain_image_returns_same_file():
    for data in (pictures.plain("JPEG"), pictures.plain("PNG"), stripped(camera_image("Pixel"))):
        file = io.BytesIO(data)
        file.seek(7)
        assert without_metadata(file) is file
        assert file.tell() == 0


def test_without_metadata_of_any_file_object_keeps_it_open(tmp_path):
    data = camera_image("Canon")
    path = tmp_path / "cat.jpg"
    path.write_bytes(data)
    with zipfile.ZipFile(tmp_path / "cats.zip", "w") as archive:
        archive.write(path, "cat.jpg")
    with (
        TemporaryUploadedFile("cat.jpg", "image/jpeg", len(data), None) as temporary,
        path.open("rb", buffering=0) as unbuffered,
        zipfile.ZipFile(tmp_path / "cats.zip") as archive,
        archive.open("cat.jpg") as zipped,
    ):
        temporary.write(data)
        uploaded = SimpleUploadedFile("cat.jpg", data, "image/jpeg")
        for file in (temporary, unbuffered, zipped, uploaded, File(io.BytesIO(data))):
            file.seek(7)
            result = without_metadata(file)
            assert file.tell() == 0
            assert result.read() == stripped(data)
            assert not file.closed


@each_maker
@pytest.mark.parametrize("size", [1, 2, 3, 5, 4093])
def test_without_metadata_of_file_with_short_reads_is_complete(maker, size):
    data = camera_image(maker)
    result = without_metadata(ShortReadFile(data, size))
    assert b"".join(iter(lambda: result.read(5000), b"")) == stripped(data)


def test_without_metadata_of_unreadable_file_raises_its_error():
    with pytest.raises(OSError, match="the disk is gone"):
        without_metadata(UnreadableFile(jpeg()))
    file = io.BytesIO(camera_image("Canon"))
    result = without_metadata(file)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        result.read(1)
    with pytest.raises(ValueError, match="closed"):
        without_metadata(file)


def test_stripped_file_after_seek_reads_from_that_position():
    data = camera_image("Samsung")
    expected = stripped(data)
    file = io.BytesIO(data)
    result = without_metadata(file)
    assert result.readable()
    assert result.seekable()
    assert not result.writable()
    assert result.seek(0, io.SEEK_END) == result.tell() == len(expected)
    assert result.read(10) == b""
    assert result.seek(-9, io.SEEK_END) == len(expected) - 9
    assert result.read() == expected[-9:]
    assert result.seek(-1000) == 0
    assert result.read(2) == expected[:2]
    assert result.seek(3, io.SEEK_CUR) == 5
    assert result.read(2) == expected[5:7]
    assert result.seek(len(expected) + 5) == len(expected) + 5
    assert result.read() == b""
    assert result.seek(0) == 0
    assert file.tell() == 0
    pictures.opened(result.read())


def test_read_of_many_small_parts_returns_requested_size():
    data = jpeg(*[comment("x") + photographs.icc(b"y")[0]] * 1_000)
    result = without_metadata(io.BytesIO(data))
    assert len(result.read(10_000)) == 10_000
    assert result.read() == stripped(data)[10_000:]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 13, 100, 65536])
def test_read_with_size_returns_at_most_that_size(size):
    result = without_metadata(io.BytesIO(camera_image("Canon")))
    chunks = list(iter(lambda: result.read(size), b""))
    assert b"".join(chunks) == stripped(camera_image("Canon"))
    assert max(map(len, chunks)) <= size


def test_close_of_stripped_file_keeps_original_open():
    file = io.BytesIO(camera_image("Canon"))
    without_metadata(file).close()
    assert file.read() == camera_image("Canon")


def test_read_of_large_stripped_file_uses_little_memory(tmp_path):
    scan = b"\x12\x34\xff\x00" * 250_000 + b"\xff\xd0"
    data = jpeg(app1(exif("<", photographs.described("x", 6))))
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(data[:-2])
        file.writelines(scan for _ in range(55))
        file.write(data[-2:] + photographs.CITY.encode())
    with path.open("rb") as file, peak_memory() as peak:
        result = without_metadata(file)
        size = sum(map(len, iter(lambda: result.read(65536), b"")))
    assert 55_000_000 < size < path.stat().st_size
    assert peak() < 2_000_000


def test_metadata_module_when_imported_does_not_import_pillow():
    code = "import sys, django_groupme_images.images.metadata; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
