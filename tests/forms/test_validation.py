"""``check_image`` and ``check_format``: accepted and rejected files, messages, and memory use."""

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

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.forms.validation import check_image, format_list, require_format
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.signatures import display_name
from tests import ROOT
from tests.support import odd_images, photographs
from tests.support.emulator_pictures import plain, rotated

pytestmark = pytest.mark.any_django

FORMATS = ("jpeg", "png", "gif")
PHOTOS = ROOT / "example_project" / "club" / "photos"
NBSP = "\N{NO-BREAK SPACE}"


def check(data: bytes, name: str = "cat.jpg", **options: Any) -> Any:
    """Check an image from the middle of its file, and assert that the file is rewound and open."""
    file = ContentFile(data, name)
    file.seek(len(data) // 2)
    try:
        return check_image(file, ImageOptions(**{"allowed_formats": FORMATS, **options}))
    finally:
        assert not file.closed
        assert file.tell() == 0


def rejection(data: bytes, name: str = "cat.jpg", **options: Any) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as caught:
        check(data, name, **options)
    (message,) = caught.value.messages
    return caught.value.code, message


@pytest.mark.parametrize("kind", odd_images.GOOD)
def test_check_image_of_accepted_kind_returns_image(kind: str) -> None:
    data = odd_images.GOOD[kind]
    image = check(data, max_upload_size=len(data))
    assert image.format.lower() in FORMATS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert image.size == Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize(
    "path", [path for path in PHOTOS.iterdir() if path.suffix != ".md"], ids=lambda path: path.name
)
def test_check_image_of_photograph_returns_size_and_format(path: Path) -> None:
    with path.open("rb") as file, Image.open(path) as expected:
        image = check_image(File(file), ImageOptions(allowed_formats=FORMATS))
        assert (image.size, image.format) == (expected.size, expected.format)


def test_check_image_result_matches_pillow_and_keeps_file_open() -> None:
    for data in (rotated(6), odd_images.GIF, plain("PNG")):
        file = ContentFile(data, "cat.jpg")
        image = check_image(file, ImageOptions(allowed_formats=FORMATS))
        with Image.open(io.BytesIO(data)) as expected:
            assert image.size == expected.size
            assert image.mode == expected.mode
            assert image.info == expected.info
        with image:
            pass
        image.close()
        assert file.read() == data


def test_check_image_of_mpo_treats_it_as_jpeg() -> None:
    assert Image.open(io.BytesIO(odd_images.MPO)).format == "MPO"
    assert check(odd_images.MPO, allowed_formats=["jpeg"]).get_format_mimetype() == "image/jpeg"
    assert rejection(odd_images.MPO, allowed_formats=["png"])[0] == "format_not_allowed"


def test_check_image_of_too_large_file_rejects_without_reading() -> None:
    class UnreadableFile(ContentFile):
        def read(self, *args: Any) -> bytes:
            raise AssertionError

    with pytest.raises(ValidationError) as caught:
        check_image(
            UnreadableFile(bytes(5 << 20), "cat.jpg"),
            ImageOptions(allowed_formats=FORMATS, max_upload_size=1 << 20),
        )
    assert caught.value.code == "too_large"
    assert caught.value.messages == [
        f"“cat.jpg” is too large (5.0{NBSP}MB). The maximum size is 1.0{NBSP}MB."
    ]


def test_check_image_one_byte_over_limit_reports_exact_sizes() -> None:
    assert check(plain(), max_upload_size=len(plain()))
    assert rejection(bytes((1 << 20) + 1), max_upload_size=1 << 20) == (
        "too_large",
        "“cat.jpg” is too large (1,048,577 bytes). The maximum size is 1,048,576 bytes.",
    )
    assert rejection(plain(), max_upload_size=0)[0] == "too_large"


@pytest.mark.parametrize("name", odd_images.NOT_IMAGES)
def test_check_image_of_other_content_rejects(name: str) -> None:
    assert rejection(odd_images.NOT_IMAGES[name], name) == (
        "invalid_image",
        f"“{name}” is not a valid image. Please upload a JPEG, PNG or GIF file.",
    )


@pytest.mark.parametrize("kind", odd_images.OTHER_FORMATS)
def test_check_image_of_disallowed_format_rejects_without_decoding(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", fail)
    monkeypatch.setitem(Image.OPEN, kind, (fail, Image.OPEN[kind][1]))
    assert rejection(odd_images.OTHER_FORMATS[kind], "cat.jpg") == (
        "format_not_allowed",
        f"{display_name(kind)} images are not supported. "
        "Please upload “cat.jpg” as JPEG, PNG or GIF.",
    )


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "ICO"])
def test_check_image_of_other_allowed_format_returns_image(kind: str) -> None:
    data = plain(kind, (16, 16))
    allowed = [kind.lower()]
    assert check(data, allowed_formats=allowed).format == kind
    assert rejection(data[: len(data) // 2], allowed_formats=allowed)[0] == "truncated"


def test_check_format_with_disallowed_format_raises() -> None:
    require_format("https://example.org/cat.jpg", "jpeg", FORMATS)
    with pytest.raises(ValidationError) as caught:
        require_format("https://example.org/cat.bmp", "bmp", FORMATS)
    assert caught.value.code == "format_not_allowed"
    assert caught.value.messages == [
        "BMP images are not supported. Please upload “https://example.org/cat.bmp” as JPEG, PNG or "
        "GIF."
    ]


def test_format_list_returns_uppercase_names() -> None:
    assert format_list(["jpeg"]) == "JPEG"
    assert format_list(FORMATS) == "JPEG, PNG or GIF"


@pytest.mark.parametrize("kind", odd_images.BOMBS)
def test_check_image_with_too_many_pixels_rejects(kind: str) -> None:
    pixels, data = odd_images.BOMBS[kind]
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    assert rejection(data) == (
        "too_many_pixels",
        f"“cat.jpg” has too many pixels ({pixels:,}). The maximum is {limit:,} pixels.",
    )


def test_check_image_uses_pixel_limit_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50.0)
    assert check(plain("PNG", size=(10, 10)))
    assert rejection(plain("PNG", size=(101, 1)))[0] == "too_many_pixels"
    assert check(plain("JPEG", size=(101, 1)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert check(odd_images.BOMBS["png"][1])


def test_check_image_with_many_pixels_emits_no_warning() -> None:
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(odd_images.GOOD["108 megapixels"])
        check(odd_images.GOOD["108 megapixels, jpeg"])
        check(odd_images.GOOD["mpo, wrong list of images"])
    assert caught == []
    assert warnings.filters == filters


@pytest.mark.parametrize(
    "data", [pytest.param(data, id=kind) for kind, data in odd_images.truncated()]
)
def test_check_image_of_truncated_file_rejects(data: bytes) -> None:
    assert rejection(data) == (
        "truncated",
        "“cat.jpg” is incomplete or corrupted. Please upload the original file.",
    )


@pytest.mark.parametrize("kind", odd_images.TOLERATED)
def test_check_image_of_tolerated_file_returns_image(kind: str) -> None:
    assert check(odd_images.TOLERATED[kind]).size in ((48, 32), (160, 120), (65_000, 65_000))


@pytest.mark.parametrize("kind", odd_images.DAMAGED)
def test_check_image_of_damaged_file_rejects(kind: str) -> None:
    assert rejection(odd_images.DAMAGED[kind])[0] == "truncated"


@pytest.mark.parametrize("kind", ["jpeg, segments", "jpeg, exif", "png, chunks before its pixels"])
def test_check_image_of_many_segments_uses_little_memory(kind: str) -> None:
    data = odd_images.HOSTILE[kind]()
    assert peak_memory(ContentFile(data, "cat.jpg")) < 1_000_000


@pytest.mark.parametrize("kind", odd_images.LOST)
def test_check_image_with_inseparable_metadata_rejects(kind: str) -> None:
    data = odd_images.LOST[kind]
    with Image.open(io.BytesIO(data)) as image, pytest.raises(OSError, match="broken|truncated"):
        image.load()
    assert any(trace in data for trace in photographs.TRACES)
    assert rejection(data)[0] == "truncated"


def intact(kind: str) -> bytes:
    return odd_images.GOOD[kind] if kind in odd_images.GOOD else photographs.MAKERS[kind]()


def damaged(kind: str, changes: dict[int, int]) -> bytes:
    content = bytearray(intact(kind)[:20_000])
    for position, byte in changes.items():
        content[position % len(content)] = byte
    return bytes(content)


kinds = st.sampled_from([*odd_images.GOOD, *photographs.MAKERS])
changes = st.dictionaries(st.integers(0, 400), st.integers(0, 255), min_size=1, max_size=20)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of invalid EXIF data.
@settings(max_examples=300)
@given(st.builds(damaged, kinds, changes) | kinds.map(intact))
def test_any_bytes_are_rejected_or_metadata_can_be_stripped(data: bytes) -> None:
    with suppress(ValidationError), TestCase().assertNoLogs("django_groupme_images", "WARNING"):
        check(data)
        assert_can_be_stripped(data)


def assert_can_be_stripped(data: bytes) -> None:
    try:
        assert without_metadata(io.BytesIO(data)).read(1)
    except ImageRejected as error:
        # Viewers show such a GIF, so it is rejected only if its metadata has to be removed.
        assert "the metadata of the GIF is damaged" in str(error)  # noqa: PT017


def test_gif_with_damaged_extension_is_accepted_but_cannot_be_stripped() -> None:
    data = odd_images.GOOD["animated"]
    with_short_extension = data.replace(b"!\xf9\x04\1\5", b"!\xf9\2\1\5")
    assert with_short_extension != data
    check(with_short_extension)
    assert_can_be_stripped(with_short_extension)
    with pytest.raises(ImageRejected, match="metadata of the GIF is damaged"):
        without_metadata(io.BytesIO(with_short_extension))


@pytest.mark.parametrize("maker", photographs.MAKERS)
def test_check_image_of_camera_photograph_accepts(maker: str) -> None:
    assert check(photographs.MAKERS[maker]())


def test_check_image_with_offset_past_end_rejects() -> None:
    data = b"II*\0" + struct.pack("<L", 1 << 20) + bytes(8)
    assert rejection(data, allowed_formats=["tiff"])[0] == "truncated"


def test_pillow_warning_rejects_image_only_if_raised_as_error() -> None:
    data = plain("PNG")
    data = data[:33] + odd_images.chunk(b"acTL", bytes(8)) + data[33:]
    assert rejection(data)[0] == "truncated"
    with pytest.warns(UserWarning, match="Invalid APNG"):
        assert check(data)


@pytest.mark.parametrize(
    "error", [OSError("disk"), ConnectionError("CDN"), ValueError("closed"), EOFError("early")]
)
@pytest.mark.parametrize("reads", [0, 1, 2])
def test_check_image_with_read_error_raises_it_unchanged(error: Exception, reads: int) -> None:
    class FailingFile(ContentFile):
        left = reads

        def read(self, *args: Any) -> Any:
            if not self.left:
                raise error
            self.left -= 1
            return super().read(*args)

    file = FailingFile(odd_images.JPEG, "cat.jpg")
    with pytest.raises(type(error)) as caught:
        check_image(file, ImageOptions(allowed_formats=FORMATS))
    assert caught.value is error
    assert file.tell() == 0


def test_check_image_of_text_mode_file_raises_type_error() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        check_image(File(io.StringIO("x"), "x"), ImageOptions(allowed_formats=FORMATS))


def in_memory(data: bytes) -> File[bytes]:
    return InMemoryUploadedFile(io.BytesIO(data), None, "cat.jpg", None, len(data), None)


def temporary(data: bytes) -> File[bytes]:
    file = TemporaryUploadedFile("cat.jpg", None, len(data), None)
    file.write(data)
    return file


def on_disk(data: bytes) -> File[bytes]:
    return File(temporary(data).file)


@pytest.mark.parametrize("make", [in_memory, temporary, on_disk, SimpleUploadedFile, ContentFile])
@pytest.mark.parametrize("data", [plain(), b"no image", plain("PNG")[:-20]])
def test_check_image_of_each_file_class_leaves_it_open_and_rewound(
    make: Callable[..., File[bytes]], data: bytes
) -> None:
    with make("cat.jpg", data) if make is SimpleUploadedFile else make(data) as file:
        try:
            check_image(file, ImageOptions(allowed_formats=FORMATS))
        except ValidationError:
            assert data != plain()
        assert not file.closed
        assert file.read() == data


def peak_memory(file: File[bytes]) -> int:
    tracemalloc.start()
    try:
        with suppress(ValidationError):
            check_image(file, ImageOptions(allowed_formats=FORMATS))
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
def test_check_image_of_large_file_uses_little_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(LARGE_FILES[kind]())
    with path.open("rb") as file:
        assert peak_memory(File(file)) < 1_000_000


@pytest.mark.parametrize(
    ("name", "displayed"),
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
def test_error_message_contains_shortened_printable_name(name: str, displayed: str) -> None:
    assert rejection(b"text", name)[1].startswith(f"“{displayed}” is not a valid image.")


def test_import_of_validation_does_not_import_pillow() -> None:
    code = "import sys, django_groupme_images.forms.validation; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_check_image_of_too_many_segments_rejects() -> None:
    jpeg, png, gif = plain(), plain("PNG"), odd_images.animated("GIF")
    exif = b"\xff\xe1\0\x09Exif\0\0x"
    header_length = len(b"\x89PNG\r\n\x1a\n") + 25  # signature and IHDR
    for data in (
        jpeg[:2] + exif * 101 + jpeg[2:],
        jpeg[:2] + b"\xff\xe5\0\2" * 50_001 + jpeg[2:],
        png[:header_length] + odd_images.chunk(b"teXt", b"") * 50_001 + png[header_length:],
        gif[:-1] + bytes(2_000_001) + b";",
    ):
        assert rejection(data)[0] == "truncated"


def test_check_image_of_large_png_chunk_uses_little_memory() -> None:
    data = plain("PNG")
    large = data[:-12] + odd_images.chunk(b"teXt", bytes(20_000_000)) + data[-12:]
    file = ContentFile(large, "cat.png")
    tracemalloc.start()
    try:
        check_image(file, ImageOptions(allowed_formats=FORMATS))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
