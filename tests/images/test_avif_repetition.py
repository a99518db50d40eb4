"""The number of times that an animated AVIF is played."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from django_groupme_images.images.converting.avif_repetition import avif_plays
from tests.support.animations import BLUE, RED, animated, needs_avif, plain, to_gif

pytestmark = pytest.mark.any_django

REPEAT = 1


def box(name, content):
    return struct.pack(">L4s", 8 + len(content), name) + content


def large_box(name, content):
    return struct.pack(">L4sQ", 1, name, 16 + len(content)) + content


def tkhd(duration, version=0):
    head = struct.pack(">B11x4x4x" if version == 0 else ">B19x4x4x", version)
    return box(b"tkhd", head + duration.to_bytes(8 if version else 4, "big") + bytes(60))


def elst(duration, version=0, flags=REPEAT):
    head = struct.pack(">B3sL", version, flags.to_bytes(3, "big"), 1)
    return box(b"elst", head + duration.to_bytes(8 if version else 4, "big") + bytes(12))


def track(*boxes):
    return box(b"trak", b"".join(boxes))


def edits(*boxes):
    return box(b"edts", b"".join(boxes))


def avif(*tracks):
    return box(b"ftyp", b"avis\0\0\0\0") + box(b"meta", b"") + box(b"moov", b"".join(tracks))


def plays(data):
    return avif_plays(io.BytesIO(data))


@pytest.mark.parametrize("header_version", [0, 1])
@pytest.mark.parametrize("edit_version", [0, 1])
@pytest.mark.parametrize(
    ("total", "expected"), [(40, 1), (80, 2), (200, 5), (201, 6), (2**32 - 2, 107374183)]
)
def test_repeated_edit_is_played_for_duration_of_track(
    header_version, edit_version, total, expected
):
    edit = edits(elst(40, edit_version))
    assert plays(avif(track(tkhd(total, header_version), edit))) == expected


def test_edit_without_repetition_is_played_once():
    assert plays(avif(track(tkhd(400), edits(elst(40, flags=0))))) == 1


@pytest.mark.parametrize("version", [0, 1])
def test_track_of_unlimited_duration_is_repeated_forever(version):
    unlimited = 2 ** (64 if version else 32) - 1
    assert plays(avif(track(tkhd(unlimited, version), edits(elst(40))))) == 0


def test_second_track_is_used_if_first_has_no_edits():
    assert plays(avif(track(tkhd(80)), track(tkhd(120), edits(elst(40))))) == 3


def test_boxes_of_large_or_unlimited_size_are_read():
    content = large_box(b"trak", tkhd(80) + edits(elst(40)))
    assert plays(large_box(b"free", b"") + struct.pack(">L4s", 0, b"moov") + content) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"moov",
        box(b"moov", b""),
        avif(track(tkhd(80))),
        avif(track(edits(elst(40)))),
        avif(track(tkhd(80), edits())),
        avif(track(tkhd(80), edits(elst(0)))),
        avif(track(tkhd(80), edits(elst(40, version=2)))),
        avif(track(box(b"tkhd", bytes(20)), edits(elst(40)))),
        avif(track(tkhd(80), edits(box(b"elst", b"\0")))),
        avif(track(tkhd(80), edits(elst(40))))[:-10],
        box(b"free", b"") * 1_000 + avif(track(tkhd(80), edits(elst(40)))),
        struct.pack(">L4s", 4, b"free") + avif(track(tkhd(80), edits(elst(40)))),
        struct.pack(">L4s", 1, b"free"),
    ],
)
def test_animation_without_valid_edits_is_repeated_forever(data):
    assert plays(data) == 0


@needs_avif
@pytest.mark.parametrize(
    ("factor", "repetitions"), [(1, None), (4, 3), (70_000, 65_535), (None, 0)]
)
def test_repetition_of_real_file_is_kept(factor, repetitions):
    data = animated(plain(RED, BLUE), "AVIF")
    if factor:
        position = data.index(b"tkhd") + 4 + 28
        assert data[position : position + 8] == b"\xff" * 8
        data = data[:position] + (200 * factor).to_bytes(8, "big") + data[position + 8 :]
    gif = Image.open(io.BytesIO(to_gif(data)))
    assert gif.info.get("loop") == repetitions
