"""``GroupMeStorage`` converts, shrinks, and strips files on every path to the image service."""

from __future__ import annotations

import io
import logging
from contextlib import suppress
from typing import Any

import pillow_heif
import pytest
from django.core.files.base import ContentFile
from PIL import Image

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.storage import GroupMeStorage
from tests.support import descriptors
from tests.support import emulator_pictures as pictures
from tests.support.animations import HAS_AVIF, needs_avif
from tests.support.outages import fail_uploads
from tests.support.photographs import MAKERS
from tests.support.streams import UnseekableStream

WEBP = pictures.plain("WEBP")
TRANSPARENT_WEBP = pictures.plain("WEBP", mode="RGBA", color=(0, 128, 128, 100))
LARGE_JPEG = pictures.plain(size=(300, 200))
LARGE_PNG = pictures.plain("PNG", size=(300, 200))
IPHONE = MAKERS["iPhone"]()


def stored(emulator: EmulatorServer, name: str) -> bytes:
    path = emulator.store.find(name.removeprefix(emulator.cdn_url))
    assert path
    return path.read_bytes()


def image_in(data: bytes) -> Image.Image:
    return pictures.opened(data)


def test_save_of_webp_uploads_jpeg(storage: GroupMeStorage, emulator: EmulatorServer) -> None:
    content = ContentFile(WEBP, "cat.webp")
    name = storage.save("cat.webp", content)
    assert (storage.picture(name).format, storage.picture(name).width) == ("jpeg", 48)
    assert image_in(stored(emulator, name)).format == "JPEG"
    assert not content.closed


def test_save_of_transparent_webp_uploads_png(
    storage: GroupMeStorage, emulator: EmulatorServer
) -> None:
    name = storage.save("cat.webp", ContentFile(TRANSPARENT_WEBP))
    image = image_in(stored(emulator, name))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert image.getchannel("A").getextrema() == (100, 100)


def test_save_of_animated_webp_uploads_gif(
    storage: GroupMeStorage, emulator: EmulatorServer
) -> None:
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "lime", "blue")]
    data = pictures.encoded(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=[40, 80, 120]
    )
    image = image_in(stored(emulator, storage.save("cat.webp", ContentFile(data))))
    assert (image.format, image.n_frames) == ("GIF", 3)  # type: ignore[attr-defined]


def test_save_of_animation_with_too_many_pixels_uploads_first_frame(
    storage: GroupMeStorage, emulator: EmulatorServer, settings: Any
) -> None:
    settings.GROUPME_MAX_PIXELS = 2 * 40 * 30
    image = image_in(stored(emulator, storage.save("cat.webp", ContentFile(animated_webp()))))
    assert image.format == "JPEG"
    red, green, blue = image.getpixel((5, 5))  # type: ignore[misc]
    assert (red > 250, green < 5, blue < 5) == (True, True, True)


def test_save_of_stream_converts_it(storage: GroupMeStorage) -> None:
    name = storage.save("cat.webp", UnseekableStream(WEBP))  # type: ignore[arg-type]
    assert storage.picture(name).format == "jpeg"


def test_upload_converts_as_save_does(storage: GroupMeStorage) -> None:
    assert storage.upload(ContentFile(WEBP)).format == "jpeg"


@pytest.mark.parametrize("data", [pictures.plain(), pictures.plain("PNG"), LARGE_PNG, LARGE_JPEG])
def test_save_of_small_image_does_not_change_a_byte(
    storage: GroupMeStorage, emulator: EmulatorServer, settings: Any, data: bytes
) -> None:
    settings.GROUPME_MAX_DIMENSION = 300
    assert stored(emulator, storage.save("cat.jpg", ContentFile(data))) == data


@pytest.mark.parametrize("data", [LARGE_PNG, LARGE_JPEG])
def test_save_of_large_image_shrinks_it(
    storage: GroupMeStorage, emulator: EmulatorServer, settings: Any, data: bytes
) -> None:
    settings.GROUPME_MAX_DIMENSION = 299
    picture = storage.picture(storage.save("cat.jpg", ContentFile(data)))
    assert (picture.width, picture.height) == (299, 199)
    assert picture.format == image_in(data).format.lower()  # type: ignore[union-attr]


def test_format_in_allowed_formats_is_not_converted(storage: GroupMeStorage, settings: Any) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["webp"]
    with pytest.raises(Exception, match="WEBP is not accepted"):  # The emulator rejects it.
        storage.save("cat.webp", ContentFile(WEBP))


@pytest.mark.parametrize(
    ("allowed", "data", "result"),
    [(["jpeg"], TRANSPARENT_WEBP, "PNG"), (["png"], WEBP, "JPEG")],
)
def test_converted_format_that_is_not_allowed_is_rejected(
    storage: GroupMeStorage,
    settings: Any,
    list_requests: Any,
    allowed: Any,
    data: bytes,
    result: str,
) -> None:
    settings.GROUPME_ALLOWED_FORMATS = allowed
    content = ContentFile(data)
    with pytest.raises(ImageRejected) as caught:
        storage.save("cat.webp", content)
    assert str(caught.value) == f"WebP is converted to {result}, which is not allowed"
    assert caught.value.code == "format_not_allowed"
    assert list_requests() == []
    assert (content.closed, content.tell()) == (False, 0)


@pytest.mark.parametrize(
    ("name", "data", "image_format"),
    [
        ("cat.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("cat.jxl", b"\xff\x0a" + bytes(60), "JXL"),
        ("cat.cr3", b"\0\0\0\x18ftypcrx " + bytes(60), "RAW"),
        ("cat.dng", b"II*\0\x08\0\0\0" + bytes(60), "RAW"),
    ],
)
def test_unsupported_format_is_rejected_with_its_name(
    storage: GroupMeStorage, list_requests: Any, name: str, data: bytes, image_format: str
) -> None:
    with pytest.raises(ImageRejected) as caught:
        storage.save(name, ContentFile(data, name))
    assert (caught.value.code, caught.value.params["format"]) == (
        "format_not_allowed",
        image_format,
    )
    assert list_requests() == []


def test_unknown_content_is_rejected_by_the_service(storage: GroupMeStorage, settings: Any) -> None:
    settings.GROUPME_MAX_DIMENSION = 100
    with pytest.raises(Exception, match="not a complete image"):
        storage.save("cat.jpg", ContentFile(b"text"))


def test_too_many_pixels_are_not_decoded(storage: GroupMeStorage, settings: Any) -> None:
    settings.GROUPME_MAX_PIXELS = 48 * 32 - 1
    with pytest.raises(ImageRejected) as caught:
        storage.save("cat.webp", ContentFile(WEBP))
    assert caught.value.params == {"pixels": 48 * 32, "limit": 48 * 32 - 1}


def test_max_upload_size_applies_to_both_files(storage: GroupMeStorage, settings: Any) -> None:
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    data = pictures.encoded(noise, "WEBP", quality=1)
    settings.GROUPME_MAX_UPLOAD_SIZE = len(data)
    with pytest.raises(ImageRejected, match="more than"):  # The JPEG is larger.
        storage.save("cat.webp", ContentFile(data))
    settings.GROUPME_MAX_UPLOAD_SIZE = len(WEBP) - 1
    with pytest.raises(ImageRejected, match="more than"):
        storage.save("cat.webp", ContentFile(WEBP))


def test_failed_read_of_content_is_raised_unchanged(storage: GroupMeStorage) -> None:
    class BrokenFile(ContentFile):  # type: ignore[type-arg]
        def read(self, *args: Any) -> bytes:
            if self.tell() > 20:
                raise ConnectionResetError("the disk is gone")
            return super().read(min(*args, 16) if args else 16)

    with pytest.raises(ConnectionResetError, match="the disk is gone"):
        storage.save("cat.webp", BrokenFile(WEBP))


@pytest.mark.usefixtures("fallback")
class TestFallback:
    @pytest.mark.parametrize("deferred", [True, False])
    @pytest.mark.parametrize(
        ("data", "extension"), [(WEBP, ".jpg"), (TRANSPARENT_WEBP, ".png"), (LARGE_PNG, ".png")]
    )
    def test_pending_file_is_converted_and_renamed(
        self,
        storage: GroupMeStorage,
        emulator: EmulatorServer,
        fallback: Any,
        settings: Any,
        deferred: bool,
        data: bytes,
        extension: str,
    ) -> None:
        settings.GROUPME_DEFERRED, settings.GROUPME_MAX_DIMENSION = deferred, 40
        fail_uploads(emulator)
        name = storage.save("photos/cat.webp", ContentFile(data))
        assert name == f"photos/cat{extension}"
        with fallback.open(name) as file:
            image = Image.open(file)
            image.load()
        assert max(image.size) == 40
        assert image.format == {".jpg": "JPEG", ".png": "PNG"}[extension]

    @pytest.mark.parametrize(
        ("name", "saved"),
        [("a.JPEG", "a.JPEG"), ("a.jpe", "a.jpe"), ("a.png", "a.jpg"), ("a", "a.jpg")],
    )
    def test_pending_file_keeps_extension_of_its_format(
        self, storage: GroupMeStorage, settings: Any, name: str, saved: str
    ) -> None:
        settings.GROUPME_DEFERRED, settings.GROUPME_MAX_DIMENSION = True, 40
        assert storage.save(name, ContentFile(LARGE_JPEG)) == saved

    def test_pending_file_is_stripped(
        self, storage: GroupMeStorage, fallback: Any, settings: Any
    ) -> None:
        settings.GROUPME_DEFERRED = settings.GROUPME_STRIP_METADATA = True
        name = storage.save("cat.jpg", ContentFile(IPHONE))
        with fallback.open(name) as file:
            data = file.read()
        assert b"Apple" in IPHONE
        assert b"Apple" not in data
        assert image_in(data).tobytes() == image_in(IPHONE).tobytes()

    def test_pending_file_that_needs_no_change_is_identical(
        self, storage: GroupMeStorage, fallback: Any, settings: Any
    ) -> None:
        settings.GROUPME_DEFERRED = True
        with fallback.open(storage.save("cat.jpeg", ContentFile(LARGE_JPEG))) as file:
            assert file.name.endswith("cat.jpeg")
            assert file.read() == LARGE_JPEG


def test_rejection_is_not_logged_as_an_outage(
    storage: GroupMeStorage, fallback: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(ImageRejected) as caught:
        storage.save("cat.webp", ContentFile(WEBP[:-20]))
    assert caught.value.code == "truncated"
    assert caplog.messages == []
    assert fallback.listdir("") == ([], [])


def heif() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (48, 32), "teal")).save(file)
    return file.getvalue()


def animated_webp() -> bytes:
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "lime", "blue")]
    return pictures.encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])


@pytest.mark.skipif(not descriptors.CAN_COUNT, reason="the system does not list descriptors")
@pytest.mark.parametrize(
    "data",
    [
        heif(),
        heif()[:-20],
        WEBP,
        WEBP[:-20],
        animated_webp(),
        pytest.param(HAS_AVIF and pictures.plain("AVIF"), marks=needs_avif),
        pictures.plain("BMP"),
        pictures.encoded(Image.effect_noise((1200, 1200), 90), "PNG"),
        pictures.encoded(Image.effect_noise((1200, 1200), 90), "PNG")[:-2000],
        IPHONE,
        IPHONE[: IPHONE.rindex(b"\xff\xd9")],
    ],
    ids=[
        *("heif", "cut heif", "webp", "cut webp", "animated", "avif", "bmp"),
        *("large png", "cut png", "iphone", "iphone without its end"),
    ],
)
def test_files_that_preparation_opens_are_closed(
    storage: GroupMeStorage, settings: Any, data: bytes
) -> None:
    settings.GROUPME_MAX_DIMENSION, settings.GROUPME_STRIP_METADATA = 700, True
    storage.save("cat.jpg", ContentFile(pictures.plain()))  # It opens the connection.
    with suppress(ImageRejected):  # The preparation of a file may import a library at first.
        storage.save("cat", ContentFile(data))
    with descriptors.no_more_descriptors(), suppress(ImageRejected):
        storage.save("cat", ContentFile(data))
