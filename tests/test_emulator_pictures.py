from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests
from PIL import Image

from django_groupme_images.emulator import Assumptions, EmulatorServer, PictureStore
from django_groupme_images.pictures import Picture

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


def uploaded(server: EmulatorServer, data: bytes) -> Picture:
    answer = requests.post(server.upload_url, data, params={"token": "t"}, timeout=10)
    return Picture.parse(answer.json()["payload"]["url"], server.cdn_url)


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=10)


def color_at(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    pixel = image.convert("RGBA").getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 255) for value in pixel)


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif"])
def test_the_original(server: EmulatorServer, kind: str) -> None:
    data = pictures.KINDS[kind]
    answer = get(uploaded(server, data).url)
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["Content-Type"] == f"image/{kind}"
    assert answer.headers["Content-Length"] == str(len(data))
    parsedate_to_datetime(answer.headers["Last-Modified"])


@pytest.mark.parametrize("suffix", ["", ".large", ".unknown", ".large.large"])
def test_head_is_get_without_the_body(server: EmulatorServer, suffix: str) -> None:
    url = uploaded(server, pictures.plain()).url + suffix
    head = requests.head(url, timeout=10)
    assert head.content == b""
    expected = dict(get(url).headers) | {"Date": head.headers["Date"]}
    assert dict(head.headers) == expected


def test_the_id_alone(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    assert get(server.cdn_url + picture.id).content == pictures.plain()
    assert pictures.opened(get(f"{server.cdn_url}{picture.id}.avatar").content).size == (60, 60)


@pytest.mark.parametrize("suffix", [".unknown", ".", ".jpg", ".LARGE"])
def test_any_other_suffix_is_the_original(server: EmulatorServer, suffix: str) -> None:
    answer = get(uploaded(server, pictures.plain()).url + suffix)
    assert (answer.status_code, answer.content) == (200, pictures.plain())


def test_a_suffix_on_a_suffix(server: EmulatorServer) -> None:
    answer = get(uploaded(server, pictures.plain()).large_url + ".preview")
    assert answer.status_code == 404
    assert "<Code>NoSuchKey</Code>" in answer.text
    with EmulatorServer(assumptions=Assumptions(suffix_on_suffix_is_missing=False)) as other:
        answer = get(uploaded(other, pictures.plain()).large_url + ".preview")
        assert answer.content == pictures.plain()


@pytest.mark.parametrize(
    "name", ["1x1.jpeg.0000", "0000", "", "a/b", "..%2f..%2fetc", "é", ".thumbnails"]
)
def test_a_missing_picture(server: EmulatorServer, name: str) -> None:
    answer = get(server.cdn_url + name)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/xml"
    assert "<Error><Code>AccessDenied</Code></Error>" in answer.text


def test_a_missing_picture_as_404() -> None:
    with EmulatorServer(assumptions=Assumptions(missing_status=404)) as server:
        answer = get(f"{server.cdn_url}1x1.jpeg.0000")
        assert answer.status_code == 404
        assert "<Code>NoSuchKey</Code>" in answer.text


def test_the_dimensions_are_part_of_the_name(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    assert get(f"{server.cdn_url}1x1.jpeg.{picture.id}").status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_pictures_can_only_be_read(server: EmulatorServer, method: str) -> None:
    picture = uploaded(server, pictures.plain())
    answer = requests.request(method, picture.url, timeout=10)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("variant", ["preview", "large", "avatar"])
@pytest.mark.parametrize("kind", pictures.KINDS)
def test_the_size_of_thumbnails(server: EmulatorServer, kind: str, variant: str) -> None:
    picture = uploaded(server, pictures.KINDS[kind])
    answer = get(picture.variant_url(variant))
    thumbnail = pictures.opened(answer.content)
    assert thumbnail.size == picture.variant_size(variant)
    assert answer.headers["Content-Type"] == f"image/{picture.format}"
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
def test_thumbnails_are_upright(
    server: EmulatorServer, orientation: int, red: str, blue: str
) -> None:
    places = {"left": (0.1, 0.5), "right": (0.9, 0.5), "top": (0.5, 0.1), "bottom": (0.5, 0.9)}
    large = pictures.opened(get(uploaded(server, pictures.turned(orientation)).large_url).content)
    assert color_at(large, *places[red]) == (1, 0, 0, 1)
    assert color_at(large, *places[blue]) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("kind", "exif"),
    [("JPEG", b"Exif\0\0not TIFF at all"), ("PNG", b"Exif\0\0II*\0\x08\0\0\0\x05")],
)
def test_broken_exif_is_no_orientation(server: EmulatorServer, kind: str, exif: bytes) -> None:
    data = pictures.encoded(Image.new("RGB", (48, 32)), kind, exif=exif)
    picture = uploaded(server, data)
    assert (picture.width, picture.height) == (48, 32)
    assert pictures.opened(get(picture.large_url).content).size == (48, 32)


def test_exif_of_which_the_orientation_is_no_number(server: EmulatorServer) -> None:
    # One entry: tag 0x0112, type 2 (text), 3 bytes.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x03up\0\0\0\0\0\0"
    data = pictures.encoded(Image.new("RGB", (48, 32)), "JPEG", exif=exif)
    assert uploaded(server, data).width == 48


def test_sixteen_bits_are_scaled(server: EmulatorServer) -> None:
    data = pictures.plain("PNG", mode="I;16", color=20_000)
    avatar = pictures.opened(get(uploaded(server, data).avatar_url).content)
    assert avatar.convert("L").getpixel((30, 30)) == 20_000 // 256


def test_transparency_is_kept(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.with_transparent_palette())
    large = pictures.opened(get(picture.large_url).content)
    assert color_at(large, 0.05, 0.05)[3] == 0
    assert color_at(large, 0.5, 0.5) == (0, 1, 0, 1)


def test_thumbnails_of_another_format() -> None:
    with EmulatorServer(assumptions=Assumptions(thumbnail_format="jpeg")) as server:
        picture = uploaded(server, pictures.with_transparent_palette())
        answer = get(picture.large_url)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert color_at(pictures.opened(answer.content), 0.05, 0.05) == (1, 1, 1, 1)


def test_thumbnails_are_drawn_once(server: EmulatorServer) -> None:
    picture = uploaded(server, pictures.plain())
    first = get(picture.avatar_url)
    drawn = server.store.directory / ".thumbnails" / f"{picture.url.rpartition('/')[2]}.avatar.jpeg"
    os.utime(drawn, (0, 0))
    second = get(picture.avatar_url)
    assert drawn.stat().st_mtime == 0
    assert second.content == first.content
    assert second.headers["Last-Modified"] == get(picture.url).headers["Last-Modified"]


def test_pictures_survive_a_restart(tmp_path: Path) -> None:
    with EmulatorServer(directory=tmp_path / "new" / "pictures") as server:
        picture = uploaded(server, pictures.plain())
        modified = get(picture.url).headers["Last-Modified"]
    with EmulatorServer(directory=tmp_path / "new" / "pictures") as server:
        answer = get(server.cdn_url + picture.url.rpartition("/")[2])
        assert answer.content == pictures.plain()
        assert answer.headers["Last-Modified"] == modified


def test_a_temporary_directory_is_removed() -> None:
    with EmulatorServer() as server:
        directory = server.store.directory
        assert directory.is_dir()
    assert not directory.exists()


def test_only_pictures_are_served_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / ".incoming").mkdir()
    half = tmp_path / ".incoming" / "half"
    half.write_text("left by a crash")
    os.utime(half, (time.time() - 3700,) * 2)
    (tmp_path / "100x100.png.123456789").write_bytes(pictures.plain("PNG", (100, 100)))
    with EmulatorServer(directory=tmp_path) as server:
        assert get(f"{server.cdn_url}diary").status_code == 403
        assert get(f"{server.cdn_url}100x100.png.123456789.large").status_code == 200
        assert requests.post(f"{server.url}_emulator/reset", timeout=10).status_code == 200
        assert get(f"{server.cdn_url}100x100.png.123456789").status_code == 403
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ["diary"]


def test_two_emulators_may_share_a_directory(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    with store.incoming() as path:
        path.write_bytes(pictures.plain())
        PictureStore(tmp_path)
        assert store.find(store.add(path))


def test_a_failed_upload_leaves_nothing(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    with store.incoming() as path:
        path.write_bytes(b"half of a pic")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert store.find(path.name) is None
