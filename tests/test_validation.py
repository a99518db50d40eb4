from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import TestCase

import pytest
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import (
    InMemoryUploadedFile,
    SimpleUploadedFile,
    TemporaryUploadedFile,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from django_groupme_images.metadata import without_metadata
from django_groupme_images.validation import check_format, check_image, listed

from . import odd_images, photographs
from .emulator_pictures import plain, turned

pytestmark = pytest.mark.any_django

FORMATS = ("jpeg", "png", "gif")
PHOTOS = Path(__file__).parent.parent / "example_project" / "club" / "photos"
NBSP = "\N{NO-BREAK SPACE}"


def check(data: bytes, name: str = "cat.jpg", **options: Any) -> Any:
    """Check it from where it happens to stand, and see that it is rewound and open."""
    file = ContentFile(data, name)
    file.seek(len(data) // 2)
    try:
        return check_image(file, **{"allowed_formats": FORMATS, "max_size": None, **options})
    finally:
        assert not file.closed
        assert file.tell() == 0


def refusal(data: bytes, name: str = "cat.jpg", **options: Any) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as caught:
        check(data, name, **options)
    (message,) = caught.value.messages
    return caught.value.code, message


@pytest.mark.parametrize("kind", odd_images.GOOD)
def test_good(kind: str) -> None:
    data = odd_images.GOOD[kind]
    image = check(data, max_size=len(data))
    assert image.format.lower() in FORMATS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert image.size == Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize(
    "path", [path for path in PHOTOS.iterdir() if path.suffix != ".md"], ids=lambda path: path.name
)
def test_real_photographs(path: Path) -> None:
    with path.open("rb") as file, Image.open(path) as expected:
        image = check_image(File(file), allowed_formats=FORMATS, max_size=None)
        assert (image.size, image.format) == (expected.size, expected.format)


def test_the_image_tells_its_size_and_closes_nothing() -> None:
    for data in (turned(6), odd_images.GIF, plain("PNG")):
        file = ContentFile(data, "cat.jpg")
        image = check_image(file, allowed_formats=FORMATS, max_size=None)
        with Image.open(io.BytesIO(data)) as expected:
            assert image.size == expected.size
            assert image.mode == expected.mode
            assert image.info == expected.info
        with image:
            pass
        image.close()
        assert file.read() == data


def test_an_mpo_is_a_jpeg() -> None:
    assert Image.open(io.BytesIO(odd_images.MPO)).format == "MPO"
    assert check(odd_images.MPO, allowed_formats=["jpeg"]).get_format_mimetype() == "image/jpeg"
    assert refusal(odd_images.MPO, allowed_formats=["png"])[0] == "format_not_allowed"


def test_too_large() -> None:
    class Unread(ContentFile):
        def read(self, *args: Any) -> bytes:
            raise AssertionError

    with pytest.raises(ValidationError) as caught:
        check_image(Unread(bytes(5 << 20), "cat.jpg"), allowed_formats=FORMATS, max_size=1 << 20)
    assert caught.value.code == "too_large"
    assert caught.value.messages == [
        f"“cat.jpg” has 5.0{NBSP}MB; at most 1.0{NBSP}MB can be uploaded. Make it smaller."
    ]


def test_too_large_by_a_byte() -> None:
    assert check(plain(), max_size=len(plain()))
    assert refusal(bytes((1 << 20) + 1), max_size=1 << 20) == (
        "too_large",
        "“cat.jpg” has 1,048,577 bytes; at most 1,048,576 bytes can be uploaded. Make it smaller.",
    )
    assert refusal(plain(), max_size=0)[0] == "too_large"


@pytest.mark.parametrize("name", odd_images.NO_IMAGES)
def test_no_image(name: str) -> None:
    assert refusal(odd_images.NO_IMAGES[name], name) == (
        "invalid_image",
        f"“{name}” is not an image. Choose a picture saved as JPEG, PNG or GIF.",
    )


@pytest.mark.parametrize("kind", odd_images.OTHER_FORMATS)
def test_format_not_allowed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*args: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", opened)
    monkeypatch.setitem(Image.OPEN, kind, (opened, Image.OPEN[kind][1]))
    assert refusal(odd_images.OTHER_FORMATS[kind], "cat.jpg") == (
        "format_not_allowed",
        f"“cat.jpg” is a picture saved as {kind}. Save it as JPEG, PNG or GIF.",
    )


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "ICO"])
def test_other_formats_can_be_allowed(kind: str) -> None:
    data = odd_images.OTHER_FORMATS[kind]
    allowed = [kind.lower()]
    assert check(data, allowed_formats=allowed).format == kind
    assert refusal(data[: len(data) // 2], allowed_formats=allowed)[0] == "truncated"


def test_check_format() -> None:
    check_format("https://example.org/cat.jpg", "jpeg", FORMATS)
    with pytest.raises(ValidationError) as caught:
        check_format("https://example.org/cat.bmp", "bmp", FORMATS)
    assert caught.value.code == "format_not_allowed"
    assert "“https://example.org/cat.bmp” is a picture saved as BMP." in caught.value.messages[0]


def test_listed() -> None:
    assert listed(["jpeg"]) == "JPEG"
    assert listed(FORMATS) == "JPEG, PNG or GIF"


@pytest.mark.parametrize("kind", odd_images.BOMBS)
def test_too_many_pixels(kind: str) -> None:
    pixels, data = odd_images.BOMBS[kind]
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    assert refusal(data) == (
        "too_many_pixels",
        f"“cat.jpg” has {pixels:,} pixels; at most {limit:,} can be uploaded. Make it smaller.",
    )


def test_the_limit_of_pixels_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50.0)
    assert check(plain(size=(10, 10)))
    assert refusal(plain(size=(101, 1)))[0] == "too_many_pixels"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert check(odd_images.BOMBS["png"][1])


def test_many_pixels_are_no_warning() -> None:
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(odd_images.GOOD["108 megapixels"])
        check(odd_images.GOOD["108 megapixels, jpeg"])
        check(odd_images.GOOD["mpo, wrong list of images"])
    assert caught == []
    assert warnings.filters == filters


@pytest.mark.parametrize("data", [pytest.param(data, id=kind) for kind, data in odd_images.cut()])
def test_cut_off(data: bytes) -> None:
    assert refusal(data) == (
        "truncated",
        "“cat.jpg” is cut off or damaged. Copy it again from where it came from.",
    )


@pytest.mark.parametrize("kind", odd_images.DAMAGED)
def test_damaged(kind: str) -> None:
    assert refusal(odd_images.DAMAGED[kind])[0] == "truncated"


@pytest.mark.parametrize("kind", ["jpeg, segments", "jpeg, exif", "png, chunks before its pixels"])
def test_too_many_pieces_are_not_kept(kind: str) -> None:
    data = odd_images.HOSTILE[kind]()
    assert peak_of_memory(ContentFile(data, "cat.jpg")) < 1_000_000


@pytest.mark.parametrize("kind", odd_images.LOST)
def test_metadata_that_cannot_be_told_from_the_picture(kind: str) -> None:
    data = odd_images.LOST[kind]
    with Image.open(io.BytesIO(data)) as image, pytest.raises(OSError, match="broken|truncated"):
        image.load()
    assert any(trace in data for trace in photographs.TRACES)
    assert refusal(data)[0] == "truncated"


def whole(kind: str) -> bytes:
    return odd_images.GOOD[kind] if kind in odd_images.GOOD else photographs.MAKERS[kind]()


def broken(kind: str, damage: dict[int, int]) -> bytes:
    content = bytearray(whole(kind)[:20_000])
    for position, byte in damage.items():
        content[position % len(content)] = byte
    return bytes(content)


kinds = st.sampled_from([*odd_images.GOOD, *photographs.MAKERS])
damages = st.dictionaries(st.integers(0, 400), st.integers(0, 255), min_size=1, max_size=20)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of EXIF
@settings(max_examples=300)
@given(st.builds(broken, kinds, damages) | kinds.map(whole))
def test_any_bytes_are_refused_or_can_be_stripped(data: bytes) -> None:
    with suppress(ValidationError), TestCase().assertNoLogs("django_groupme_images", "WARNING"):
        check(data)
        assert without_metadata(io.BytesIO(data)).read(1)


@pytest.mark.parametrize("maker", photographs.MAKERS)
def test_the_makers_photographs(maker: str) -> None:
    assert check(photographs.MAKERS[maker]())


def test_an_offset_past_the_end_of_the_file() -> None:
    data = b"II*\0" + struct.pack("<L", 1 << 20) + bytes(8)
    assert refusal(data, allowed_formats=["tiff"])[0] == "truncated"


def test_a_warning_of_pillow_is_no_error_unless_the_project_makes_it_one() -> None:
    data = plain("PNG")
    data = data[:33] + odd_images.chunk(b"acTL", bytes(8)) + data[33:]
    assert refusal(data)[0] == "truncated"
    with pytest.warns(UserWarning, match="Invalid APNG"):
        assert check(data)


@pytest.mark.parametrize(
    "error", [OSError("disk"), ConnectionError("CDN"), ValueError("closed"), EOFError("early")]
)
@pytest.mark.parametrize("reads", [0, 1, 2])
def test_an_error_of_reading_is_raised_as_it_is(error: Exception, reads: int) -> None:
    class Broken(ContentFile):
        left = reads

        def read(self, *args: Any) -> Any:
            if not self.left:
                raise error
            self.left -= 1
            return super().read(*args)

    file = Broken(odd_images.JPEG, "cat.jpg")
    with pytest.raises(type(error)) as caught:
        check_image(file, allowed_formats=FORMATS, max_size=None)
    assert caught.value is error
    assert file.tell() == 0


def test_a_file_of_text_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        check_image(File(io.StringIO("x"), "x"), allowed_formats=FORMATS, max_size=None)


def in_memory(data: bytes) -> File[bytes]:
    return InMemoryUploadedFile(io.BytesIO(data), None, "cat.jpg", None, len(data), None)


def temporary(data: bytes) -> File[bytes]:
    file = TemporaryUploadedFile("cat.jpg", None, len(data), None)
    file.write(data)
    return file


def on_disk(data: bytes) -> File[bytes]:
    return File(temporary(data).file)


@pytest.mark.parametrize("make", [in_memory, temporary, on_disk, SimpleUploadedFile, ContentFile])
@pytest.mark.parametrize("data", [plain(), b"no picture", plain("PNG")[:-20]])
def test_every_kind_of_file(make: Callable[..., File[bytes]], data: bytes) -> None:
    with make("cat.jpg", data) if make is SimpleUploadedFile else make(data) as file:
        try:
            check_image(file, allowed_formats=FORMATS, max_size=None)
        except ValidationError:
            assert data != plain()
        assert not file.closed
        assert file.read() == data


def peak_of_memory(file: File[bytes]) -> int:
    tracemalloc.start()
    try:
        with suppress(ValidationError):
            check_image(file, allowed_formats=FORMATS, max_size=None)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LARGE_FILES = {
    "jpeg": lambda: odd_images.JPEG[:-2] + bytes(20_000_000) + odd_images.END_OF_JPEG,
    "png": lambda: odd_images.stored_png(5_000, 2_000),
    "png, cut off": lambda: odd_images.stored_png(5_000, 2_000)[:-100],
    "png, another chunk": lambda: (
        plain("PNG")[:-12] + odd_images.chunk(b"teXt", bytes(30_000_000)) + plain("PNG")[-12:]
    ),
}


@pytest.mark.parametrize("kind", LARGE_FILES)
def test_a_file_is_never_read_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE_FILES[kind]())
    with path.open("rb") as file:
        assert peak_of_memory(File(file)) < 1_000_000


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat.jpg", "cat.jpg"),
        (None, "?"),
        ("/home/someone/cat.jpg", "cat.jpg"),
        (f"{'a' * 5000}.jpg", f"{'a' * 80}…{'a' * 15}.jpg"),
        ("a\r\nb\0\x1b[31m\x85\u2028.jpg", "a��b��[31m��.jpg"),
        ("gpj.\u202etac\ud800", "gpj.�tac�"),
        ("Katze – schön 猫 \N{CAT FACE}.jpg", "Katze – schön 猫 \N{CAT FACE}.jpg"),
        ("100% %(size)s.jpg", "100% %(size)s.jpg"),
    ],
)
def test_the_name_in_a_text(name: str, shown: str) -> None:
    assert refusal(b"", name)[1].startswith(f"“{shown}” is not an image.")


def test_importing_does_not_import_pillow() -> None:
    code = "import sys, django_groupme_images.validation; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_of_countless_pieces_is_refused_before_pillow_meets_them() -> None:
    jpeg, png, gif = plain(), plain("PNG"), odd_images.animated("GIF")
    exif = b"\xff\xe1\0\x09Exif\0\0x"
    head = len(b"\x89PNG\r\n\x1a\n") + 25  # the signature and IHDR
    for data in (
        jpeg[:2] + exif * 101 + jpeg[2:],
        jpeg[:2] + b"\xff\xe5\0\2" * 50_001 + jpeg[2:],
        png[:head] + odd_images.chunk(b"teXt", b"") * 50_001 + png[head:],
        gif[:-1] + bytes(2_000_001) + b";",
    ):
        assert refusal(data)[0] == "truncated"


def test_the_largest_chunk_of_a_png_is_never_in_memory() -> None:
    data = plain("PNG")
    large = data[:-12] + odd_images.chunk(b"teXt", bytes(20_000_000)) + data[-12:]
    file = ContentFile(large, "cat.png")
    tracemalloc.start()
    try:
        check_image(file, allowed_formats=FORMATS, max_size=None)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
