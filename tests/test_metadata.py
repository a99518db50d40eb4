from __future__ import annotations

import errno
import io
import logging
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import ServiceUnavailable
from django_groupme_images.metadata import without_metadata
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.structure import Broken, check_chunks, follow

from . import emulator_pictures as pictures
from . import photographs
from .photographs import MAKERS, TRACES, app1, chunk, comment, exif, jpeg, png, segment

pytestmark = pytest.mark.any_django

PHOTOS = Path(__file__).parent.parent / "example_project" / "club" / "photos"

photograph = cache(lambda name: MAKERS[name]())
every_maker = pytest.mark.parametrize("maker", MAKERS)


def stripped(data):
    return without_metadata(io.BytesIO(data)).read()


def traces(data):
    return [trace for trace in TRACES if trace in data]


def orientation(data):
    return pictures.opened(data).getexif().get(ExifTags.Base.Orientation, 1)


def frames(data):
    """Every frame of a picture; of an MPO the first, the only one that is the picture."""
    with Image.open(io.BytesIO(data)) as image:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        for number in range(count):
            image.seek(number)
            yield image.mode, image.size, image.tobytes(), image.info.get("duration")


@contextmanager
def peak_of_memory():
    tracemalloc.start()
    try:
        yield lambda: peak
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Trickle(io.BytesIO):
    """Gives few bytes at a time, so that everything is on the edge of what was read."""

    def __init__(self, data, amount):
        super().__init__(data)
        self.amount = amount

    def read(self, size=-1):
        return super().read(self.amount if size < 0 else min(size, self.amount))


# The makers' photographs


@every_maker
def test_the_place_and_the_person_are_gone(maker):
    data = photograph(maker)
    assert traces(data)
    result = stripped(data)
    assert traces(result) == []
    assert len(result) < len(data)


@every_maker
def test_the_tags_are_gone(maker):
    image = pictures.opened(stripped(photograph(maker)))
    assert set(image.getexif()) <= {ExifTags.Base.Orientation}
    for described in ("xmp", "XML:com.adobe.xmp", "comment", "photoshop", "flashpix", "mp"):
        assert described not in image.info
    assert not getattr(image, "text", {})
    assert {name for name, _ in getattr(image, "applist", [])} <= {"APP0", "APP1", "APP2", "APP14"}


@every_maker
def test_the_picture_is_the_same(maker):
    data = photograph(maker)
    result = stripped(data)
    assert list(frames(result)) == list(frames(data))
    assert orientation(result) == orientation(data)
    before, after = pictures.opened(data), pictures.opened(result)
    for kept in ("icc_profile", "transparency", "gamma", "adobe", "adobe_transform", "progressive"):
        assert after.info.get(kept) == before.info.get(kept)


@every_maker
def test_a_second_time_changes_nothing(maker):
    once = stripped(photograph(maker))
    assert stripped(once) == once


@every_maker
@pytest.mark.parametrize("amount", [1, 2, 3, 5, 4093])
def test_a_file_that_gives_few_bytes_at_a_time(maker, amount):
    data = photograph(maker)
    result = without_metadata(Trickle(data, amount))
    assert b"".join(iter(lambda: result.read(5000), b"")) == stripped(data)


def test_the_photographs_are_what_they_say():
    info = {maker: pictures.opened(photograph(maker)).info for maker in MAKERS}
    assert Image.open(io.BytesIO(photograph("iPhone"))).n_frames == 2
    assert orientation(photograph("iPhone")) == 6
    assert orientation(photograph("Canon")) == orientation(photograph("PNG on its side")) == 8
    assert len(info["Photoshop"]["icc_profile"]) > 65_535
    assert "photoshop" in info["Photoshop"]
    assert info["palette"]["transparency"] == 3
    assert photograph("progressive").count(b"\xff\xda") > 5
    assert b"\xff\xd3" in photograph("scanner")
    for maker in ("iPhone", "Samsung", "Pixel", "Canon", "screenshot", "PNG on its side"):
        gps = pictures.opened(photograph(maker)).getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert gps[ExifTags.GPS.GPSLatitude] == pytest.approx((64, 8, 47.7612))


# The bytes that arrive


@pytest.fixture
def storage(emulator):
    return GroupMeStorage()


@every_maker
def test_the_bytes_that_arrive(storage, maker):
    data = photograph(maker)
    file = io.BytesIO(data)
    picture = storage.client.upload(without_metadata(file))
    arrived = storage.open(picture.url).read()
    assert arrived == stripped(data)
    assert traces(arrived) == []
    assert list(frames(arrived)) == list(frames(data))
    original = storage.client.upload(data)
    assert (picture.width, picture.height) == (original.width, original.height)
    assert file.getvalue() == data
    assert not file.closed


def test_a_gif_arrives_as_it_is(storage):
    data = photographs.gif()
    picture = storage.client.upload(without_metadata(io.BytesIO(data)))
    assert storage.open(picture.url).read() == data


@pytest.mark.parametrize(
    "path", sorted({*PHOTOS.iterdir()} - {PHOTOS / "README.md"}), ids=lambda path: path.name
)
def test_real_photographs(storage, path):
    data = path.read_bytes()
    with path.open("rb") as file:
        picture = storage.client.upload(without_metadata(file))
    arrived = storage.open(picture.url).read()
    assert list(frames(arrived)) == list(frames(data))
    assert pictures.opened(arrived).info.get("icc_profile") == pictures.opened(data).info.get(
        "icc_profile"
    )
    assert orientation(arrived) == orientation(data)
    assert path.suffix == ".gif" or set(pictures.opened(arrived).getexif()) <= {0x0112}


def test_a_failed_upload_leaves_the_file_at_its_beginning(free_port):
    client = GroupMeClient("t", upload_url=f"http://127.0.0.1:{free_port}/pictures", max_retries=0)
    file = io.BytesIO(photograph("iPhone"))
    with pytest.raises(ServiceUnavailable):
        client.upload(without_metadata(file))
    assert file.tell() == 0
    assert not file.closed


def test_a_picture_of_the_storage(storage):
    name = storage.client.upload(photograph("Canon")).url
    picture = storage.client.upload(without_metadata(storage.open(name)))
    assert storage.open(picture.url).read() == stripped(photograph("Canon"))


# The file that is returned


def test_the_same_file_if_there_is_nothing_to_remove():
    for data in (pictures.plain("JPEG"), pictures.plain("PNG"), stripped(photograph("Pixel"))):
        file = io.BytesIO(data)
        file.seek(7)
        assert without_metadata(file) is file
        assert file.tell() == 0


def test_every_kind_of_file(tmp_path):
    data = photograph("Canon")
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


def test_reading_from_anywhere():
    data = photograph("Samsung")
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


def test_reading_of_many_small_parts_returns_as_much_as_is_asked_for():
    data = jpeg(*[comment("x") + photographs.icc(b"y")[0]] * 1_000)
    result = without_metadata(io.BytesIO(data))
    assert len(result.read(10_000)) == 10_000
    assert result.read() == stripped(data)[10_000:]


def test_the_first_exif_of_a_png_is_the_one_that_counts():
    upright, turned = (chunk(b"eXIf", exif("<", {0x0112: [turn]})) for turn in (1, 6))
    assert stripped(png(upright, turned)) == png()
    assert orientation(stripped(png(turned, upright))) == 6
    assert stripped(png(turned, upright)) == stripped(png(turned))


@pytest.mark.parametrize("amount", [1, 2, 3, 7, 13, 100, 65536])
def test_reading_so_much_at_a_time(amount):
    result = without_metadata(io.BytesIO(photograph("Canon")))
    chunks = list(iter(lambda: result.read(amount), b""))
    assert b"".join(chunks) == stripped(photograph("Canon"))
    assert max(map(len, chunks)) <= amount


def test_closing_it_leaves_the_original_open():
    file = io.BytesIO(photograph("Canon"))
    without_metadata(file).close()
    assert file.read() == photograph("Canon")


def test_memory_does_not_grow_with_the_file(tmp_path):
    scan = b"\x12\x34\xff\x00" * 250_000 + b"\xff\xd0"
    data = jpeg(app1(exif("<", photographs.described("x", 6))))
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(data[:-2])
        file.writelines(scan for _ in range(55))
        file.write(comment(photographs.CITY) + data[-2:])
    with path.open("rb") as file, peak_of_memory() as peak:
        result = without_metadata(file)
        size = sum(map(len, iter(lambda: result.read(65536), b"")))
    assert 55_000_000 < size < path.stat().st_size
    assert peak() < 2_000_000


def test_importing_it_does_not_import_pillow():
    code = "import sys, django_groupme_images.metadata; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Orientation


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("number", [*range(10), 65535])
def test_every_orientation(order, number):
    tags = exif(order, photographs.described("x", number))
    upright = number not in range(2, 9)
    for data in (jpeg(app1(tags)), jpeg(app1(tags), jfif=False)):
        result = stripped(data)
        assert (b"Exif\0\0" not in result) == upright
        assert orientation(result) == (1 if upright else number)
    data = png(chunk(b"eXIf", tags))
    result = stripped(data)
    assert (b"eXIf" not in result) == upright
    assert orientation(result) == (1 if upright else number)


def test_it_stays_behind_jfif():
    result = stripped(photograph("Canon"))
    assert re.match(rb"\xff\xd8\xff\xe0..JFIF\0.{9}\xff\xe1..Exif\0\0", result, re.DOTALL)


def test_the_first_exif_is_the_one_that_counts():
    upright, turned = (app1(exif("<", photographs.described("x", number))) for number in (1, 6))
    assert orientation(stripped(jpeg(upright, turned))) == 1
    assert orientation(stripped(jpeg(turned, upright))) == 6


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of the original too
@pytest.mark.parametrize(
    "tags",
    [
        b"",
        b"II",
        b"II*\0\x08\0\0\0",
        b"no TIFF at all",
        b"MM\0*\xff\xff\xff\xff",
        exif("<", photographs.described("x", 6))[:20],
        exif("<", {0x0112: "six"}),
        exif("<", {0x0112: b"\6\6\6\6\6\6"}),
        exif("<", {0x010F: "x"}),
    ],
)
def test_an_exif_that_cannot_be_read_goes_too(tags):
    for data in (jpeg(app1(tags)), png(chunk(b"eXIf", tags))):
        result = stripped(data)
        assert b"Exif\0\0" not in result
        assert b"eXIf" not in result
        assert list(frames(result)) == list(frames(data))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of the original too
def test_the_orientation_in_an_exif_that_is_damaged_elsewhere():
    tags = exif("<", photographs.described("x", 6), gps=False)[:-30]
    for data in (jpeg(app1(tags)), png(chunk(b"eXIf", tags))):
        assert orientation(stripped(data)) == orientation(data) == 6


def test_an_exif_in_a_png_that_begins_as_in_a_jpeg():
    data = png(chunk(b"eXIf", b"Exif\0\0" + exif(">", {0x0112: [6]})))
    assert orientation(stripped(data)) == orientation(data) == 6
    assert b"eXIfMM\0*" in stripped(data)


def test_a_huge_exif_in_a_png():
    tags = exif(">", photographs.described("x", 6), {0x927C: bytes(20_000_000)})
    file = io.BytesIO(png(last=chunk(b"eXIf", tags)))
    with peak_of_memory() as peak:
        result = without_metadata(file).read()
    assert peak() < 2_000_000
    assert len(result) < len(png()) + 100
    assert orientation(result) == 6


# Odd JPEGs


def test_a_thumbnail_in_jfif_goes_and_the_density_stays():
    image = pictures.opened(stripped(photograph("scanner")))
    assert [name for name, _ in image.applist] == ["APP0"]
    assert len(image.app["APP0"]) == 14
    assert image.info["dpi"] == (300, 300)


def test_segments_that_only_look_like_those_that_stay():
    odd = [
        segment(0xE0, b"AVI1" + bytes(9)),
        segment(0xE2, b"ICC_PROFILE"),
        segment(0xE2, b"FPXR\0" + photographs.CITY.encode()),
        segment(0xE1, b"JFIF\0" + photographs.CITY.encode()),
        segment(0xEE, b"adobe"),
        segment(0xEF, b""),
        segment(0xFE, b""),
    ]
    assert stripped(jpeg(*odd)) == jpeg()


@pytest.mark.parametrize("code", [0xE0, 0xE2, 0xEE])
def test_a_segment_that_looks_like_one_that_stays_only_past_its_end(code):
    words = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
    assert stripped(jpeg(segment(code, b""), words[code])) == jpeg()


def test_what_stands_between_segments_is_skipped():
    fill, junk = b"\xff\xff\xff", b"\0\x11" + photographs.CITY.encode() + b"\xff\0\xff\x41\xff\xd3"
    data = jpeg(fill + comment("x"), junk, fill)
    result = stripped(data)
    assert result == jpeg()


def test_a_segment_with_an_impossible_length():
    assert stripped(jpeg(b"\xff\xe1\0\0", b"\xff\xe4\0\1")) == jpeg()


def test_a_comment_in_the_midst_of_a_scan():
    data = jpeg()
    scan = data.index(b"\xff\xda") + 400
    result = stripped(data[:scan] + comment(photographs.CITY) + data[scan:])
    assert result.startswith(data[:scan])
    assert traces(result) == []


def test_a_scan_that_another_picture_follows_without_an_end():
    data = photograph("Canon")
    assert stripped(jpeg()[:-2] + data) == jpeg()[:-2]


def test_a_jpeg_that_is_cut_off_in_its_scan(monkeypatch):
    data = photograph("iPhone")
    cut = data[: data.index(b"\xff\xda") + 1500]
    result = stripped(cut)
    assert traces(result) == []
    assert cut.endswith(result[-1500:])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert next(frames(result)) == next(frames(cut))


def test_a_jpeg_that_is_cut_off_in_a_segment_after_a_scan():
    data = jpeg(progressive=True)
    scan = data.index(b"\xff\xda")
    tables = data[data.index(b"\xff\xc4", scan) :][:9]
    head = data[: data.index(b"\xff\xc4", scan)]
    assert stripped(head + tables) == head + tables
    assert stripped(head + tables[:3]) == head + tables[:3]
    assert stripped(head + comment(photographs.CITY)[:9]) == head
    assert stripped(head + b"\xff") == head + b"\xff"


# Odd PNGs


def test_only_known_chunks_stay():
    color = {b"cHRM": bytes(32), b"sBIT": b"\x08\x08\x08", b"pHYs": bytes(9)}
    kept = [chunk(kind, data) for kind, data in color.items()]
    dropped = [chunk(kind, b"x") for kind in (b"iDOT", b"prVt", b"dSIG", b"sTER", b"tIME", b"eXIf")]
    mixed = [part for pair in zip(kept, dropped, strict=False) for part in pair] + dropped
    assert stripped(png(*mixed)) == png(*kept)
    assert stripped(png(chunk(b"NEWc", b"x"), *dropped)) == png(chunk(b"NEWc", b"x"))


def test_a_png_that_is_cut_off_in_its_data(monkeypatch):
    data = photograph("screenshot")
    cut = data[: data.index(b"IDAT") + 9000]
    result = stripped(cut)
    assert traces(result) == []
    assert result[-9000:] == cut[-9000:]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert list(frames(result)) == list(frames(cut))


def test_a_png_that_is_broken_after_its_data():
    data = png()[:-12]
    for end in (b"", b"\0", b"\0\0\0\4tE", chunk(b"t\0Xt", photographs.CITY.encode())):
        assert stripped(data + end) == data
    text = chunk(b"tEXt", photographs.CITY.encode())
    assert stripped(data + text[:-5]) == data


# Left as they are


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is not a JPEG, PNG or GIF"),
        (b"Reykjavik", "it is not a JPEG, PNG or GIF"),
        (b"\x89PNG\r\n\x1a", "it is not a JPEG, PNG or GIF"),
        (pictures.plain("WEBP"), "it is not a JPEG, PNG or GIF"),
        (pictures.plain("TIFF"), "it is not a JPEG, PNG or GIF"),
        (b"\xff\xd8", "it is a JPEG that is broken before its picture data"),
        (b"\xff\xd8\xff\xd9", "it is a JPEG that is broken before its picture data"),
        (photograph("Canon")[:99], "it is a JPEG that is broken before its picture data"),
        (b"\xff\xd8" + jpeg(), "it is a JPEG that is broken before its picture data"),
        (jpeg()[: jpeg().index(b"\xff\xda") + 5], "it is a JPEG that is broken before"),
        (photograph("screenshot")[:8], "it is a PNG that is broken before its picture data"),
        (photograph("screenshot")[:99], "it is a PNG that is broken before its picture data"),
        (png()[:33] + png()[-12:], "it is a PNG that is broken before its picture data"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 50_000 + jpeg()[2:], "it is in too many pieces"),
    ],
    ids=range(14),
)
def test_what_cannot_be_read_is_left_as_it_is(data, why, caplog):
    file = io.BytesIO(data)
    assert without_metadata(file) is file
    assert file.tell() == 0
    assert file.getvalue() == data
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "django_groupme_images.metadata"
    message = record.getMessage()
    assert message.startswith("The metadata of a file without a name could not be removed: " + why)
    assert traces(message.encode()) == []


# Followed


def refused(data):
    with pytest.raises(Broken) as caught:
        follow(io.BytesIO(data))
    return str(caught.value)


@every_maker
def test_a_photograph_can_be_followed(maker):
    for data in (photograph(maker), stripped(photograph(maker))):
        follow(io.BytesIO(data))
        follow(Trickle(data, 7))


def test_what_is_left_as_it_is_cannot_be_followed():
    canon, screenshot = photograph("Canon"), photograph("screenshot")
    for data in (b"\xff\xd8", canon[:99], b"\xff\xd8" + canon, canon[:2] + canon[-2:]):
        assert refused(data) == "it is a JPEG that is broken before its picture data"
    for data in (screenshot[:8], screenshot[:99], screenshot[:33] + screenshot[-12:]):
        assert refused(data) == "it is a PNG that is broken before its picture data"
    assert refused(jpeg(b"\xff\xfe\0\2" * 50_000)) == "it is in too many pieces"
    assert refused(png(chunk(b"tEXt", b"") * 50_000)) == "it is in too many pieces"


def test_a_photograph_of_much_exif_is_not_for_pillow_but_can_be_stripped():
    tags = exif("<", photographs.described("x"))
    for data, one in ((jpeg(app1(tags) * 101), jpeg()), (png(chunk(b"eXIf", tags) * 101), png())):
        assert refused(data) == "it has too much EXIF"
        assert stripped(data) == one


def test_what_is_cut_off_in_its_picture_can_be_followed():
    for maker, start in (("iPhone", b"\xff\xda"), ("screenshot", b"IDAT")):
        data = photograph(maker)
        follow(io.BytesIO(data[: data.rindex(start) + 1500]))


def test_following_reads_a_chunk_at_a_time():
    file = io.BytesIO(jpeg()[:-2] + b"\x12\x34\xff\x00" * 5_000_000 + b"\xff\xd9")
    with peak_of_memory() as peak:
        follow(file)
    assert peak() < 1_000_000


def test_the_checksums_of_a_png():
    data = photograph("screenshot")
    end = data.index(b"IEND") + 8
    check_chunks(io.BytesIO(data))
    check_chunks(io.BytesIO(data[:end]))
    for position in range(12, end):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(Broken):
            check_chunks(io.BytesIO(damaged))
    for length in range(8, end):
        with pytest.raises(Broken):
            check_chunks(io.BytesIO(data[:length]))


def test_checking_what_cannot_be_read():
    for check_it in (follow, check_chunks):
        with pytest.raises(OSError, match="the disk is gone"):
            check_it(Failing(png()))


# Left as they are


@pytest.mark.parametrize("data", [photographs.gif(), b"GIF87a", b"GIF89a and so on"])
def test_a_gif_is_left_as_it_is(data, caplog):
    file = io.BytesIO(data)
    file.seek(3)
    assert without_metadata(file) is file
    assert file.tell() == 0
    assert caplog.records == []


def test_the_name_in_the_log(caplog):
    without_metadata(SimpleUploadedFile("cat\n\u202e.jpg", b"meow"))
    without_metadata(SimpleUploadedFile("x" * 250, b"meow"))
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("The metadata of 'cat\\n\\u202e.jpg' could not be removed: ")
    assert len(second) < 200


def test_a_photograph_says_nothing_in_the_log(caplog):
    for maker in MAKERS:
        stripped(photograph(maker))
    assert [record for record in caplog.records if record.name.startswith("django_groupme")] == []


class Failing(io.BytesIO):
    def read(self, size=-1):
        raise OSError(errno.EIO, "the disk is gone")


def test_what_reading_raises_is_raised():
    with pytest.raises(OSError, match="the disk is gone"):
        without_metadata(Failing(jpeg()))
    file = io.BytesIO(photograph("Canon"))
    result = without_metadata(file)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        result.read(1)
    with pytest.raises(ValueError, match="closed"):
        without_metadata(file)


# Damaged in every way


def check(data):
    file = io.BytesIO(data)
    result = without_metadata(file)
    assert result.tell() == 0
    size = result.seek(0, io.SEEK_END)
    result.seek(0)
    once = result.read()
    assert len(once) == size
    assert file.getvalue() == data
    if result is not file:
        assert stripped(once) == once
    else:
        assert once == data


@every_maker
def test_cut_off_anywhere(maker):
    data = photograph(maker)
    for tenth in range(11):
        check(data[: len(data) * tenth // 10])
    for length in range(0, min(len(data), 1000), 7):
        check(data[:length])


damages = st.dictionaries(
    st.integers(0, 2000) | st.integers(0, 200_000), st.sampled_from([0, 0xFF]) | st.integers(0, 255)
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(MAKERS)), damages)
def test_damaged_anywhere(maker, damage):
    data = bytearray(photograph(maker))
    for position, byte in damage.items():
        data[position % len(data)] = byte
    check(bytes(data))


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
    | st.integers(0, 8).map(lambda turn: app1(exif("<", {0x0112: [turn]}, gps=False)))
)


@settings(max_examples=200)
@given(st.lists(pieces, max_size=60))
def test_segments_in_any_order(pieces):
    check(b"\xff\xd8" + b"".join(pieces))
