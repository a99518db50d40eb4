"""Images that the script shrinks or converts before they are sent, and those that it leaves."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page, expect

from tests.support.emulator_pictures import animated_gif, encoded, opened
from tests.testapp.models import Member

from .site import Site, file, incompressible_png, landscape, photo

_LARGE = 1500, 1000


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.GROUPME_MAX_DIMENSION = 1000
    settings.GROUPME_CONVERT_FORMATS = ["webp", "avif", "heif", "bmp", "tiff"]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "A phone"
    return exif


def _plain(format: str) -> bytes:  # noqa: A002
    return encoded(Image.new("RGB", _LARGE, "teal"), format)


def _landscape(format: str) -> bytes:  # noqa: A002
    return encoded(opened(landscape()), format)


def _transparent(format: str) -> bytes:  # noqa: A002
    image = opened(landscape()).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 100, 100))
    return encoded(image, format)


def _animated(format: str) -> bytes:  # noqa: A002
    red, blue = (Image.new("RGB", _LARGE, color) for color in ("red", "blue"))
    return encoded(red, format, save_all=True, append_images=[blue], duration=50)


def _choose(site: Site, name: str, data: bytes, sent_name: str = "") -> bytes:
    """Choose a file, and return the bytes of the file that the form contains afterwards."""
    site.choose("photo", file(name, data, ""), sent_name or name)
    return site.chosen_bytes("photo")


def _save(site: Site) -> Image.Image:
    """Save the form, and return the uploaded image."""
    site.save()
    assert site.posts == ["upload", "submit"]
    with Member.objects.get().photo.open() as uploaded:
        return opened(uploaded.read())


def test_large_photo_is_sent_small_and_upright(site: Site, add_page: Page) -> None:
    data = photo((4000, 3000), exif=_exif(6))
    _choose(site, "IMG_1.JPG", data)
    expect(site.input("photo")).to_contain_text("750 × 1,000 pixels")
    image = _save(site)
    assert (image.format, image.size) == ("JPEG", (750, 1000))
    assert not image.getexif()
    top, bottom = image.reduce(250).getpixel((1, 0)), image.reduce(250).getpixel((1, 3))
    assert top[0] > 2 * top[2]
    assert bottom[2] > 2 * bottom[0]
    assert site.uploads[0] < len(data) / 10


def test_photo_within_dimension_is_not_changed(site: Site, add_page: Page) -> None:
    data = photo((1000, 750), exif=_exif(6))
    assert _choose(site, "cat.jpg", data) == data
    assert _save(site).getexif()[ExifTags.Base.Make] == "A phone"
    assert site.uploads == [len(data)]


def test_size_limit_applies_to_shrunken_file(site: Site, settings: Any) -> None:
    data = photo((3000, 2000))
    settings.GROUPME_MAX_UPLOAD_SIZE = len(data) // 2
    site.open("/members/add/").get_by_label("Name").fill("Ann")
    _choose(site, "cat.jpg", data)
    assert _save(site).size == (1000, 667)


def test_large_png_stays_png(site: Site, add_page: Page) -> None:
    _choose(site, "noise.png", incompressible_png(1200))
    image = _save(site)
    assert (image.format, image.size) == ("PNG", (1000, 1000))


@pytest.mark.parametrize("name", ["cat.webp", "cat.avif", "cat.bmp", "cat.WEBP", "cat"])
def test_opaque_image_is_converted_to_jpeg(site: Site, add_page: Page, name: str) -> None:
    image_format = name.partition(".")[2].upper() or "WEBP"
    _choose(site, name, _landscape(image_format), "cat.jpg")
    expect(site.input("photo")).to_contain_text("480 × 325 pixels")
    image = _save(site)
    assert (image.format, image.size) == ("JPEG", (480, 325))


@pytest.mark.parametrize("image_format", ["WEBP", "AVIF"])
def test_transparent_image_is_converted_to_png(
    site: Site, add_page: Page, image_format: str
) -> None:
    _choose(site, "cat.web.image", _transparent(image_format), "cat.web.png")
    image = _save(site)
    assert (image.format, image.size) == ("PNG", (480, 325))
    assert image.getpixel((50, 50))[3] == 0
    assert image.getpixel((200, 200))[3] == 255


def test_large_convertible_image_is_also_shrunk(site: Site, add_page: Page) -> None:
    _choose(site, "cat.bmp", _plain("BMP"), "cat.jpg")
    assert _save(site).size == (1000, 667)


_UNCHANGED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "animated webp": ("cat.webp", lambda: _animated("WEBP")),
    "animated avif": ("cat.avif", lambda: _animated("AVIF")),
    "animated png": ("cat.png", lambda: _animated("PNG")),
    "animated gif": ("cat.gif", animated_gif),
    "large gif": ("cat.gif", lambda: _plain("GIF")),
    "tiff": ("cat.tif", lambda: _plain("TIFF")),
    "truncated jpeg": ("cat.jpg", lambda: photo(_LARGE)[:200_000]),
    "jpeg without scan": ("cat.jpg", lambda: photo(_LARGE)[:100]),
    "truncated png": ("cat.png", lambda: incompressible_png(1100)[:-12]),
    "truncated bmp": ("cat.bmp", lambda: _plain("BMP")[:-1]),
    "truncated webp": ("cat.webp", lambda: _landscape("WEBP")[:-100]),
    "truncated avif": ("cat.avif", lambda: _landscape("AVIF")[:-100]),
    "transparent": ("cat.webp", lambda: encoded(Image.new("RGBA", (99, 99)), "WEBP")),
    "small when compressed": ("cat.png", lambda: encoded(Image.new("1", _LARGE), "PNG")),
}


@pytest.mark.parametrize(("name", "make"), _UNCHANGED.values(), ids=_UNCHANGED)
def test_file_that_script_cannot_process_is_not_changed(
    site: Site, add_page: Page, name: str, make: Callable[[], bytes]
) -> None:
    data = make()
    assert _choose(site, name, data) == data


def test_heic_that_browser_cannot_decode_is_not_changed(site: Site, add_page: Page) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", _LARGE)).save(buffer)
    assert _choose(site, "cat.heic", buffer.getvalue()) == buffer.getvalue()
    expect(site.input("photo")).to_contain_text("no preview available")


@pytest.mark.parametrize("allowed", ["jpeg", "png"])
def test_image_whose_result_is_not_allowed_is_not_changed(
    site: Site, settings: Any, allowed: str
) -> None:
    settings.GROUPME_ALLOWED_FORMATS = [allowed]
    site.open("/members/add/")
    data = _transparent("WEBP") if allowed == "jpeg" else _landscape("WEBP")
    assert _choose(site, "cat.webp", data) == data


def test_images_are_not_changed_by_default(site: Site, settings: Any) -> None:
    settings.GROUPME_MAX_DIMENSION = None
    settings.GROUPME_CONVERT_FORMATS = []
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "webp"]
    site.open("/members/add/")
    for name, data in (("cat.jpg", photo(_LARGE)), ("cat.webp", _plain("WEBP"))):
        assert _choose(site, name, data) == data


def test_image_for_other_storage_is_not_changed(site: Site, settings: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    page = site.open("/members/add/")
    data = photo(_LARGE)
    assert _choose(site, "cat.jpg", data) == data
    page.locator("input[name='photo']").set_input_files(file("cat.webp", _plain("WEBP"), ""))
    expect(page.get_by_role("alert")).to_contain_text("WebP images are not supported.")


# Changes of the browser with which it cannot shrink images.
_FAILURES = {
    "no memory": "createImageBitmap = async () => { throw new Error(); }",
    "no encoder": "HTMLCanvasElement.prototype.toBlob = (callback) => callback(null);",
    "other encoder": """HTMLCanvasElement.prototype.toBlob = (callback) =>
        callback(new Blob(["x"], { type: "image/png" }));""",
    "empty canvas": "CanvasRenderingContext2D.prototype.drawImage = () => {};",
    "resists fingerprinting": """
        const { prototype } = CanvasRenderingContext2D;
        const original = prototype.getImageData;
        prototype.getImageData = function (...rectangle) {
          const image = original.apply(this, rectangle);
          image.data.fill(255);
          return image;
        };""",
    "no script": "delete globalThis.groupmeShrinkImage;",
}


@pytest.mark.parametrize("failure", _FAILURES.values(), ids=_FAILURES)
def test_original_is_sent_if_browser_fails(site: Site, add_page: Page, failure: str) -> None:
    add_page.evaluate(f"() => {{ {failure} }}")
    data = photo(_LARGE)
    add_page.locator("input[name='photo']").set_input_files(file("cat.jpg", data))
    expect(site.input("photo").get_by_role("button", name="Remove")).to_be_visible()
    assert site.chosen_bytes("photo") == data
    assert max(_save(site).size) == 1000  # The server has scaled it.


def test_original_is_used_if_browser_does_not_respond(site: Site) -> None:
    site.page.clock.install()
    page = site.open("/members/add/")
    page.evaluate("() => { createImageBitmap = () => new Promise(() => {}); }")
    data = photo(_LARGE)
    page.locator("input[name='photo']").set_input_files(file("cat.jpg", data))
    expect(site.input("photo")).not_to_contain_text("Preparing")
    page.clock.run_for(9_000)
    expect(site.input("photo")).to_contain_text("Preparing “\u2068cat.jpg\u2069”…")
    page.clock.run_for(2_000)
    expect(site.input("photo")).not_to_contain_text("Preparing")
    assert site.chosen_bytes("photo") == data
