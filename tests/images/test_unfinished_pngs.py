"""PNG files without IEND, and with damaged metadata: accepted if their pixels are complete."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from django_groupme_images.images.completeness.structure import check_png
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.decoding import open_image
from django_groupme_images.images.options import ImageOptions
from tests.support import odd_images, photographs
from tests.support.corpus import interlaced_png
from tests.support.emulator_pictures import encoded
from tests.support.odd_images import chunk, flipped, noise

pytestmark = pytest.mark.any_django

MAX_PIXELS = 100_000
OPTIONS = ImageOptions(allowed_formats=("png",))
IEND = chunk(b"IEND", b"")

UNFINISHED = {
    "rgb": encoded(noise(size=(40, 30)), "PNG")[:-12],
    "several chunks": encoded(noise(size=(200, 150)), "PNG")[:-12],
    "rgba": encoded(noise("RGBA", (40, 30)), "PNG")[:-12],
    "gray": encoded(noise("L", (41, 30)), "PNG")[:-12],
    "gray, alpha": encoded(noise("LA", (41, 30)), "PNG")[:-12],
    "palette": encoded(noise("P", (40, 30)), "PNG")[:-12],
    "1 bit": encoded(noise("1", (41, 30)), "PNG")[:-12],
    "16 bits": encoded(noise("I;16", (40, 30)), "PNG")[:-12],
    "interlaced": interlaced_png()[:-12],
    "plain": encoded(Image.new("RGB", (200, 300)), "PNG")[:-12],
    "animated": odd_images.animated("PNG")[:-12],
}
each_kind = pytest.mark.parametrize("kind", UNFINISHED)


def frames(data: bytes) -> list[bytes]:
    """Return the pixels of all frames."""
    image: Any = open_image(io.BytesIO(data), "PNG", MAX_PIXELS)
    result = []
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        result.append(image.tobytes())
    return result


def is_accepted(data: bytes, max_pixels: int = MAX_PIXELS) -> bool:
    with suppress(MalformedImage):
        check_png(io.BytesIO(data), max_pixels)
        return True
    return False


def with_chunks(*chunks: bytes) -> bytes:
    """Return a PNG with these chunks before its pixels."""
    return photographs.png(*chunks)


def after_pixels(*chunks: bytes) -> bytes:
    return photographs.png()[:-12] + b"".join(chunks) + IEND


@each_kind
@pytest.mark.parametrize(
    "end",
    [
        b"",
        *(IEND[:size] for size in range(1, 12)),
        bytes(12),
        b"trailer",
        chunk(b"tEXt", b"a\0cat"),
        chunk(b"tEXt", b"a\0cat")[:-1],
    ],
)
def test_png_without_end_is_accepted_and_can_be_decoded(kind: str, end: bytes) -> None:
    data = UNFINISHED[kind] + end
    assert is_accepted(data)
    assert frames(data) == frames(UNFINISHED[kind] + IEND)
    assert without_metadata(io.BytesIO(data)).read(4) == b"\x89PNG"


@each_kind
def test_png_truncated_anywhere_is_rejected(kind: str) -> None:
    data = UNFINISHED[kind]
    for size in [*range(8, len(data), 1 + len(data) // 150), *range(len(data) - 20, len(data))]:
        assert not is_accepted(data[:size])


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 9), (5, 1), (8, 8), (17, 13)])
def test_interlaced_png_of_any_size_without_end_is_accepted(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 1)
    data = b""
    for column, row, columns, rows in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        width = len(range(column, size[0], columns))
        data += bytes(len(range(row, size[1], rows)) * (width + 1)) if width else b""
    for content, expected in ((data, True), (data[:-1], False)):
        image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        image += chunk(b"IDAT", zlib.compress(content))
        assert is_accepted(image) is expected


def test_apng_truncated_between_frames_is_rejected() -> None:
    data = UNFINISHED["animated"]
    positions = [
        position for position in range(len(data)) if data[position : position + 4] == b"fcTL"
    ]
    assert len(positions) == 5
    for position in positions[1:]:
        assert not is_accepted(data[: position - 4])
        assert not is_accepted(data[: position + 34])


def apng(*frame_data: bytes) -> bytes:
    """Return an APNG of 8×8 gray pixels without IEND, with the compressed data of each frame."""
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">LL", len(frame_data), 0))
    for number, content in enumerate(frame_data):
        data += chunk(b"fcTL", struct.pack(">LLLLLHHBB", number, 8, 8, 0, 0, 1, 10, 0, 0))
        data += chunk(b"fdAT", bytes(4) + content) if number else chunk(b"IDAT", content)
    return data


def test_apng_with_incomplete_frame_is_rejected() -> None:
    whole, short = (zlib.compress(bytes(size)) for size in (72, 71))
    assert is_accepted(apng(whole, whole, whole))
    assert not is_accepted(apng(whole, short, whole))
    assert not is_accepted(apng(short, whole, whole))
    assert not is_accepted(apng(whole, whole[:-1], whole))
    assert not is_accepted(apng(whole, whole, whole).replace(chunk(b"IDAT", whole), b""))


def test_png_without_end_respects_pixel_limit() -> None:
    assert is_accepted(UNFINISHED["rgb"], 1_200)
    assert not is_accepted(UNFINISHED["rgb"], 1_199)
    assert is_accepted(UNFINISHED["rgb"] + IEND, 1_199)
    assert is_accepted(UNFINISHED["animated"], 6_000)
    assert not is_accepted(UNFINISHED["animated"], 5_999)


@pytest.mark.parametrize(
    ("width", "height", "depth", "color", "data"),
    [
        (8, 8, 8, 0, zlib.compress(bytes(71))),
        (8, 8, 8, 0, zlib.compress(bytes(73))),
        (8, 8, 8, 0, zlib.compress(bytes(10_000_000))),
        (8, 8, 8, 0, zlib.compress(bytes(72))[:-4]),
        (8, 8, 8, 0, flipped(zlib.compress(bytes(72)), -1)),
        (8, 8, 8, 0, b"no zlib data"),
        (8, 8, 8, 7, zlib.compress(bytes(72))),
    ],
    ids=["too little", "too much", "bomb", "no checksum", "wrong checksum", "text", "color type"],
)
def test_png_without_end_and_with_other_data_is_rejected(
    width: int, height: int, depth: int, color: int, data: bytes
) -> None:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)
    assert not is_accepted(image)


def test_png_with_damaged_critical_chunk_is_rejected() -> None:
    data = encoded(noise("P", (40, 30)), "PNG")
    for kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        end = data.index(kind) + 4 + struct.unpack(">L", data[data.index(kind) - 4 :][:4])[0]
        assert not is_accepted(flipped(data, end + 3))
    data = odd_images.animated("PNG")
    for kind in (b"acTL", b"fcTL", b"fdAT"):
        assert not is_accepted(flipped(data, data.index(kind) + 5))


def test_apple_png_is_rejected() -> None:
    data = photographs.png()
    compressor = zlib.compressobj(wbits=-15)
    pixels = compressor.compress(bytes(64 * (1 + 96 * 4))) + compressor.flush()
    start = data.index(b"IDAT") - 4
    apple = data[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + data[8:start] + chunk(b"IDAT", pixels)
    assert not is_accepted(apple + IEND)
    assert not is_accepted(apple)
    assert not is_accepted(data[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + data[8:])


REJECTED_BY_PILLOW = {
    "large text": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    "large international text": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
    "text of unknown compression": chunk(b"zTXt", b"a\0\7" + zlib.compress(b"cat")),
    "large profile": chunk(b"iCCP", b"A\0\0" + zlib.compress(bytes(1_500_000))),
    "empty profile": chunk(b"iCCP", b"A\0"),
    "profile of unknown compression": chunk(b"iCCP", b"A\0\7cat"),
    "short gamma": chunk(b"gAMA", b"\0"),
    "short chromaticities": chunk(b"cHRM", bytes(8)),
    "short intent": chunk(b"sRGB", b""),
    "short density": chunk(b"pHYs", bytes(4)),
    "wrong checksum of text": flipped(chunk(b"tEXt", b"a\0cat"), -1),
    "wrong checksum of time": flipped(chunk(b"tIME", bytes(7)), -1),
    "wrong checksum of EXIF": flipped(chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0"), -1),
}


@pytest.mark.parametrize("kind", REJECTED_BY_PILLOW)
def test_png_with_metadata_that_pillow_rejects_is_accepted_without_it(kind: str) -> None:
    text = chunk(b"tEXt", b"Title\0cat")
    data = with_chunks(text, REJECTED_BY_PILLOW[kind], chunk(b"pHYs", bytes(4) * 2 + b"\1"))
    with suppress(OSError, SyntaxError, ValueError), warnings.catch_warnings():
        Image.open(io.BytesIO(data)).load()
        assert kind == "short chromaticities"
        pytest.skip("this Pillow accepts short chromaticities")
    image = inspect_image(io.BytesIO(data), OPTIONS)
    assert image.info == {"Title": "cat", "dpi": (0.0, 0.0)}
    assert frames(data) == frames(with_chunks())
    assert without_metadata(io.BytesIO(data)).read(4) == b"\x89PNG"


@pytest.mark.parametrize("kind", REJECTED_BY_PILLOW)
def test_png_with_metadata_after_pixels_can_be_decoded(kind: str) -> None:
    data = after_pixels(REJECTED_BY_PILLOW[kind])
    assert inspect_image(io.BytesIO(data), OPTIONS).size == (96, 64)
    assert frames(data) == frames(with_chunks())


def test_png_with_broken_compression_of_metadata_is_accepted() -> None:
    parts = [chunk(b"iCCP", b"A\0\0cat"), chunk(b"zTXt", b"a\0\0cat"), chunk(b"eXIf", b"cat")]
    parts.append(chunk(b"iTXt", b"b\0\1\0\0\0cat"))
    assert inspect_image(io.BytesIO(with_chunks(*parts)), OPTIONS).size == (96, 64)
    assert frames(with_chunks(*parts)) == frames(with_chunks())


def test_png_with_rejected_text_keeps_orientation_and_profile() -> None:
    profile = photographs.profile()
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photographs.scene(), "PNG", icc_profile=profile, exif=exif)
    start = data.index(b"IDAT") - 4
    data = data[:start] + REJECTED_BY_PILLOW["large text"] * 3 + data[start:]
    image = open_image(io.BytesIO(data), "PNG", MAX_PIXELS)
    assert image.info["icc_profile"] == profile
    assert image.getexif()[0x0112] == 6


def test_png_with_exif_after_pixels_keeps_orientation() -> None:
    data = after_pixels(chunk(b"eXIf", photographs.exif("<", {0x0112: [6]}, gps=False)))
    image = open_image(io.BytesIO(data), "PNG", MAX_PIXELS)
    image.load()
    assert image.getexif()[0x0112] == 6


def test_png_with_much_rejected_metadata_is_opened_without_the_last_of_it() -> None:
    bad = REJECTED_BY_PILLOW["short gamma"]
    texts = [chunk(b"tEXt", b"%d\0cat" % number) for number in range(64)]
    mixed = [part for text in texts for part in (text, bad)]
    image = inspect_image(io.BytesIO(with_chunks(*mixed)), OPTIONS)
    assert 0 < len(image.info) < 64
    assert set(image.info.values()) == {"cat"}
    assert frames(with_chunks(*mixed)) == frames(with_chunks())
