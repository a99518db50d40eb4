"""Tests of the images and thumbnails that the emulator serves and stores."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import requests
from PIL import Image, ImageCms

from django_groupme_images.emulator import Assumptions, EmulatorServer, PictureStore
from django_groupme_images.pictures import VARIANTS, Picture
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from pathlib import Path


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def server(shared_server: EmulatorServer) -> EmulatorServer:
    return shared_server


def uploaded(server: EmulatorServer, data: bytes) -> Picture:
    response = requests.post(server.upload_url, data, params={"token": "t"}, timeout=DEADLINE)
    return Picture.parse(response.json()["payload"]["url"], server.cdn_url)


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=DEADLINE)


def color_at(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    pixel = image.convert("RGBA").getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 255) for value in pixel)


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif"])
def test_original_is_served_with_headers(server: EmulatorServer, kind: str) -> None:
    data = pictures.KINDS[kind]
    response = get(uploaded(server, data).url)
    assert response.status_code == 200
    assert response.content == data
    assert response.headers["Content-Type"] == f"image/{kind}"
    assert response.headers["Content-Length"] == str(len(data))
    parsedate_to_datetime(response.headers["Last-Modified"])


@pytest.mark.parametrize("suffix", ["", ".large", ".unknown", ".large.large"])
def test_head_request_returns_headers_of_get(server: EmulatorServer, suffix: str) -> None:
    url = uploaded(server, pictures.plain()).url + suffix
    head = requests.head(url, timeout=DEADLINE)
    assert head.content == b""
    expected = dict(get(url).headers) | {"Date": head.headers["Date"]}
    assert dict(head.headers) == expected


def test_url_with_id_only_serves_image(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    assert get(server.cdn_url + picture.id).content == pictures.plain()
    assert pictures.opened(get(f"{server.cdn_url}{picture.id}.avatar").content).size == (60, 60)


@pytest.mark.parametrize("suffix", [".unknown", ".", ".jpg", ".LARGE"])
def test_url_with_unknown_suffix_serves_original(server: EmulatorServer, suffix: str) -> None:
    response = get(uploaded(server, pictures.plain()).url + suffix)
    assert (response.status_code, response.content) == (200, pictures.plain())


def test_url_with_two_suffixes_is_missing_if_assumed(server: EmulatorServer) -> None:
    response = get(uploaded(server, pictures.plain()).large_url + ".preview")
    assert response.status_code == 404
    assert "<Code>NoSuchKey</Code>" in response.text
    with EmulatorServer(assumptions=Assumptions(suffix_on_suffix_is_missing=False)) as other:
        response = get(uploaded(other, pictures.plain()).large_url + ".preview")
        assert response.content == pictures.plain()


@pytest.mark.parametrize(
    "name", ["1x1.jpeg.0000", "0000", "", "a/b", "..%2f..%2fetc", "é", ".thumbnails"]
)
def test_missing_image_returns_403(server: EmulatorServer, name: str) -> None:
    response = get(server.cdn_url + name)
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/xml"
    assert "<Error><Code>AccessDenied</Code></Error>" in response.text


def test_missing_image_with_missing_status_404_returns_404() -> None:
    with EmulatorServer(assumptions=Assumptions(missing_status=404)) as server:
        response = get(f"{server.cdn_url}1x1.jpeg.0000")
        assert response.status_code == 404
        assert "<Code>NoSuchKey</Code>" in response.text


def test_url_with_wrong_dimensions_returns_403(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    assert get(f"{server.cdn_url}1x1.jpeg.{picture.id}").status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_image_url_with_writing_method_returns_405(server: EmulatorServer, method: str) -> None:
    picture = uploaded(server, pictures.plain())
    response = requests.request(method, picture.url, timeout=DEADLINE)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("variant", ["preview", "large", "avatar"])
@pytest.mark.parametrize("kind", pictures.KINDS)
def test_thumbnail_has_size_and_format_of_variant(
    server: EmulatorServer, kind: str, variant: str
) -> None:
    picture = uploaded(server, pictures.KINDS[kind])
    response = get(picture.variant_url(variant))
    thumbnail = pictures.opened(response.content)
    assert thumbnail.size == picture.variant_size(variant)
    assert response.headers["Content-Type"] == f"image/{picture.format}"
    assert thumbnail.format == str(picture.format).upper()


@pytest.mark.parametrize(
    ("orientation", "red", "blue"),
    [
        (1, "left", "right"),
        (2, "right", "left"),
        (3, "right", "left"),
        (4, "left", "right"),
        (5, "top", "bottom"),
        (6, "top", "bottom"),
        (7, "bottom", "top"),
        (8, "bottom", "top"),
        (99, "left", "right"),
    ],
)
def test_thumbnail_of_rotated_image_is_upright(
    server: EmulatorServer, orientation: int, red: str, blue: str
) -> None:
    places = {"left": (0.1, 0.5), "right": (0.9, 0.5), "top": (0.5, 0.1), "bottom": (0.5, 0.9)}
    large = pictures.opened(get(uploaded(server, pictures.rotated(orientation)).large_url).content)
    assert color_at(large, *places[red]) == (1, 0, 0, 1)
    assert color_at(large, *places[blue]) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("kind", "exif"),
    [("JPEG", b"Exif\0\0not TIFF at all"), ("PNG", b"Exif\0\0II*\0\x08\0\0\0\x05")],
)
def test_upload_with_broken_exif_is_not_rotated(
    server: EmulatorServer, kind: str, exif: bytes
) -> None:
    data = pictures.encoded(Image.new("RGB", (48, 32)), kind, exif=exif)
    picture = uploaded(server, data)
    assert (picture.width, picture.height) == (48, 32)
    assert pictures.opened(get(picture.large_url).content).size == (48, 32)


def test_upload_with_invalid_exif_orientation_is_not_rotated(server: EmulatorServer) -> None:
    # The only entry is tag 0x0112 of type 2 (string) with 3 bytes.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x03up\0\0\0\0\0\0"
    data = pictures.encoded(Image.new("RGB", (48, 32)), "JPEG", exif=exif)
    assert uploaded(server, data).width == 48


def test_thumbnail_of_16_bit_image_is_scaled_to_8_bits(server: EmulatorServer) -> None:
    data = pictures.plain("PNG", mode="I;16", color=20_000)
    avatar = pictures.opened(get(uploaded(server, data).avatar_url).content)
    assert avatar.convert("L").getpixel((30, 30)) == 20_000 // 256


@pytest.mark.skipif(not pictures.decodes_lossless_jpegs(), reason="libjpeg-turbo is older than 3")
def test_lossless_jpeg_is_accepted_and_has_thumbnails(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.lossless_jpeg(640, 480))
    avatar = pictures.opened(get(picture.avatar_url).content)
    assert avatar.size == (60, 60)
    assert avatar.convert("L").getpixel((30, 30)) == 128


def test_thumbnail_of_transparent_image_keeps_transparency(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.transparent_palette_png())
    large = pictures.opened(get(picture.large_url).content)
    assert color_at(large, 0.05, 0.05)[3] == 0
    assert color_at(large, 0.5, 0.5) == (0, 1, 0, 1)


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("JPEG", {"comment": b"a cat"}),
        (
            "PNG",
            {"icc_profile": SRGB},
        ),
        ("GIF", {"comment": b"a cat"}),
    ],
)
@pytest.mark.parametrize("side", [240, 1200])
def test_thumbnail_has_no_metadata(
    server: EmulatorServer, kind: str, metadata: dict[str, bytes], side: int
) -> None:
    data = pictures.encoded(Image.new("RGB", (side, side)), kind, **metadata)
    assert pictures.opened(data).info.keys() >= metadata.keys()
    for variant in VARIANTS:
        thumbnail = pictures.opened(get(uploaded(server, data).variant_url(variant)).content)
        assert thumbnail.info.keys().isdisjoint(metadata)


def test_thumbnail_with_thumbnail_format_jpeg_is_jpeg() -> None:
    with EmulatorServer(assumptions=Assumptions(thumbnail_format="jpeg")) as server:
        picture = uploaded(server, pictures.transparent_palette_png())
        response = get(picture.large_url)
        assert response.headers["Content-Type"] == "image/jpeg"
        assert color_at(pictures.opened(response.content), 0.05, 0.05) == (1, 1, 1, 1)


def test_thumbnail_requested_twice_is_made_once(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    first = get(picture.avatar_url)
    drawn = server.store.directory / ".thumbnails" / f"{picture.url.rpartition('/')[2]}.avatar.jpeg"
    os.utime(drawn, (0, 0))
    second = get(picture.avatar_url)
    assert drawn.stat().st_mtime == 0
    assert second.content == first.content
    assert second.headers["Last-Modified"] == get(picture.url).headers["Last-Modified"]


@pytest.mark.parametrize("missing_status", [403, 404])
def test_thumbnail_before_end_of_thumbnail_delay_is_missing(missing_status: int) -> None:
    assumptions = Assumptions(thumbnail_delay=3600, missing_status=missing_status)
    with EmulatorServer(assumptions=assumptions) as server:
        picture = uploaded(server, pictures.plain())
        for variant in ("preview", "large", "avatar"):
            url = picture.variant_url(variant)
            assert requests.head(url, timeout=DEADLINE).status_code == missing_status
            response = get(url)
            assert response.status_code == missing_status
            assert response.headers["Content-Type"] == "application/xml"
        assert list((server.store.directory / ".thumbnails").iterdir()) == []
        assert get(picture.url).content == pictures.plain()
        assert get(f"{picture.url}.unknown").content == pictures.plain()


def test_thumbnail_after_thumbnail_delay_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    clock = SimpleNamespace(time=lambda: now)
    with EmulatorServer(assumptions=Assumptions(thumbnail_delay=30)) as server:
        monkeypatch.setattr("django_groupme_images.emulator.store.time", clock)
        picture = uploaded(server, pictures.plain())
        path = server.store.find(picture.url.rpartition("/")[2])
        assert path is not None
        os.utime(path, (now - 29,) * 2)
        assert get(picture.avatar_url).status_code == 403
        os.utime(path, (now - 31,) * 2)
        assert pictures.opened(get(picture.avatar_url).content).size == (60, 60)


def test_thumbnail_of_image_from_future_without_delay_is_served(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    path = server.store.find(picture.url.rpartition("/")[2])
    assert path is not None
    os.utime(path, (time.time() + 60,) * 2)
    assert get(picture.avatar_url).status_code == 200


def test_image_after_restart_is_served(tmp_path: Path) -> None:
    with EmulatorServer(directory=tmp_path / "new" / "pictures") as server:
        picture = uploaded(server, pictures.plain())
        modified = get(picture.url).headers["Last-Modified"]
    with EmulatorServer(directory=tmp_path / "new" / "pictures") as server:
        response = get(server.cdn_url + picture.url.rpartition("/")[2])
        assert response.content == pictures.plain()
        assert response.headers["Last-Modified"] == modified


def test_temporary_directory_after_stop_is_removed() -> None:
    with EmulatorServer() as server:
        directory = server.store.directory
        assert directory.is_dir()
    assert not directory.exists()


def test_directory_with_other_files_serves_and_deletes_images_only(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / ".incoming").mkdir()
    half = tmp_path / ".incoming" / "half"
    half.write_text("left by a crash")
    os.utime(half, (time.time() - 3700,) * 2)
    (tmp_path / "100x100.png.123456789").write_bytes(pictures.plain("PNG", (100, 100)))
    with EmulatorServer(directory=tmp_path) as server:
        assert get(f"{server.cdn_url}diary").status_code == 403
        assert get(f"{server.cdn_url}100x100.png.123456789.large").status_code == 200
        assert requests.post(f"{server.url}_emulator/reset", timeout=DEADLINE).status_code == 200
        assert get(f"{server.cdn_url}100x100.png.123456789").status_code == 403
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ["diary"]


def test_second_store_in_directory_keeps_running_upload(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    with store.incoming() as path:
        path.write_bytes(pictures.plain())
        PictureStore(tmp_path)
        assert store.find(store.add(path))


def test_failed_upload_leaves_no_file(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    with store.incoming() as path:
        path.write_bytes(b"half of a pic")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.find(path.name) is None
