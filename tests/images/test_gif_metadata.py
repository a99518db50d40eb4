"""``without_metadata`` with GIFs."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import pytest

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.metadata import without_metadata
from tests.support import photographs
from tests.support.hidden_metadata import GIF, GIF_EXTENSIONS, MAGIC_TRAILER, application, gif_xmp
from tests.support.hostile_images import blocks, gif_frame
from tests.support.metadata import frames, stripped, traces
from tests.support.photographs import CITY, XMP

pytestmark = pytest.mark.any_django

COMMENT = GIF_EXTENSIONS["comment"]
LOOP = b"!\xff\x0bNETSCAPE2.0\3\1\3\0\0"
CONTROL = GIF.index(b"!\xf9\4")
FRAME = GIF.index(b",\0\0\0\0")


def test_source_gif_has_loop_and_durations():
    assert LOOP in GIF
    assert [duration for *_, duration in frames(GIF)] == [50, 100, 70, 80, 300]


@pytest.mark.parametrize("kind", GIF_EXTENSIONS)
def test_gif_extension_with_metadata_is_removed(kind):
    extension = GIF_EXTENSIONS[kind]
    for position in (CONTROL, FRAME, len(GIF) - 1):
        data = GIF[:position] + extension + GIF[position:]
        assert stripped(data) == GIF
    assert stripped(GIF[:-1] + extension) == GIF[:-1]
    everything = b"".join(GIF_EXTENSIONS.values())
    assert stripped(GIF[:CONTROL] + everything + GIF[CONTROL:-1] + everything) == GIF[:-1]


def test_gif_of_support_module_keeps_frames_without_traces():
    data = photographs.gif()
    result = stripped(data)
    assert traces(data)
    assert traces(result) == []
    assert list(frames(result)) == list(frames(data))


def test_gif_without_metadata_is_returned_unchanged():
    for data in (GIF, GIF[:-1], GIF[:-1] + b"!\xf9\4\0\0\0\0\0;", GIF.replace(LOOP, b"")):
        file = io.BytesIO(data)
        file.seek(3)
        assert without_metadata(file) is file
        assert file.tell() == 0


@pytest.mark.parametrize("end", [b"\0", CITY.encode(), b";" + GIF, COMMENT, bytes(100_000)])
def test_gif_data_after_trailer_is_removed(end):
    assert stripped(GIF + end) == GIF


@pytest.mark.parametrize("name", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
def test_gif_loop_keeps_only_its_count(name):
    plain = application(name, b"\1\3\0")
    for loop in (
        plain,
        application(name, b"\1\3\0" + CITY.encode()),
        application(name, b"\1\3\0", CITY.encode() * 20),
        application(name, b"\2\0\0\0\1", b"\1\3\0", CITY.encode()),
    ):
        result = stripped(GIF.replace(LOOP, loop))
        assert result == GIF.replace(LOOP, plain)
        assert traces(result) == []


def test_gif_graphic_control_keeps_only_its_values():
    control = GIF[CONTROL : CONTROL + 8]
    for data in (b"\x0d" + control[3:7] + CITY.encode() + b"\0", control[2:7] + blocks(b"x" * 300)):
        result = stripped(GIF[:CONTROL] + b"!\xf9" + data + GIF[CONTROL + 8 :])
        assert result == GIF


@pytest.mark.parametrize("junk", [b"\0", b"\0\0\0", b"\xff\xfe" + CITY.encode()])
def test_gif_bytes_between_frames_are_removed(junk):
    second = GIF.index(b"!\xf9\4", FRAME)
    assert stripped(GIF[:second] + junk + GIF[second:]) == GIF
    assert stripped(GIF[:-1] + junk + b";") == GIF


def test_gif_with_local_palettes_keeps_them():
    frame = gif_frame(blocks(bytes(range(100))), palette=bytes(range(256)) * 3)
    data = GIF[:-1] + frame
    assert stripped(data + COMMENT + b";") == data + b";"


@pytest.mark.parametrize(
    "extension",
    [
        gif_xmp(b"\1 \0" + XMP),
        gif_xmp(XMP.decode().encode("utf-16-le")),
        application(b"ICCRGBG1012", b"abc") + b"x, " + bytes(20) + CITY.encode(),
    ],
    ids=["zero", "utf-16", "other application"],
)
def test_gif_with_metadata_after_end_of_its_extension_raises(extension):
    with pytest.raises(ImageRejected, match="the metadata of the GIF is damaged") as caught:
        stripped(GIF[:CONTROL] + extension + GIF[CONTROL:])
    assert caught.value.code == "metadata"


@pytest.mark.parametrize("size", range(0, 258, 7))
def test_gif_with_xmp_of_short_trailer_keeps_no_traces(size):
    data = GIF[:CONTROL] + gif_xmp(trailer=MAGIC_TRAILER[:size]) + GIF[CONTROL:]
    with suppress(ImageRejected):
        assert traces(stripped(data)) == []


def test_gif_with_many_comments_is_stripped_or_rejected():
    many = (b"!\xfe" + blocks(b"x")) * 99_000
    assert stripped(GIF[:CONTROL] + many + GIF[CONTROL:]) == GIF
    with pytest.raises(ImageRejected, match="too many parts"):
        stripped(GIF[:CONTROL] + many * 2 + GIF[CONTROL:])


def test_gif_of_version_87a_keeps_palette():
    data = b"GIF87a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + gif_frame(b"\1\0\0")
    assert stripped(data + b";" + CITY.encode()) == data + b";"
