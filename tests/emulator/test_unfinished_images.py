"""The emulator accepts the unfinished images that forms accept, and makes thumbnails of them."""

from __future__ import annotations

import pytest
import requests

from django_groupme_images.emulator import EmulatorServer
from tests.support import odd_images
from tests.support.deadlines import DEADLINE
from tests.support.emulator_pictures import opened, plain
from tests.support.emulator_requests import error_message, upload
from tests.support.odd_images import chunk
from tests.support.unfinished_jpegs import EOI, TAILS, UNFINISHED

pytestmark = pytest.mark.any_django

NOT_COMPLETE = "the body is not a complete image"

VARIANTS = ("avatar", "preview", "large")
PNG = plain("PNG")
_FRAME = odd_images.GIF.index(b",\0\0\0\0")
ACCEPTED = {
    **{f"jpeg, {kind}": data for kind, data in UNFINISHED.items()},
    **{f"jpeg, {tail}": UNFINISHED["restart markers"] + data for tail, data in TAILS.items()},
    "png, short gamma": PNG[:33] + chunk(b"gAMA", b"") + PNG[33:],
    "png, short density after its pixels": PNG[:-12] + chunk(b"pHYs", b"") + PNG[-12:],
    "gif, extension of one byte": odd_images.GIF[:_FRAME]
    + b"!\xf9\1\1\0"
    + odd_images.GIF[_FRAME:],
    **odd_images.TOLERATED,
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_upload_of_unfinished_image_is_accepted_and_has_thumbnails(
    server: EmulatorServer, kind: str
) -> None:
    data = ACCEPTED[kind]
    response = upload(server, data)
    assert response.status_code == 200, error_message(response)
    url = response.json()["payload"]["url"]
    assert requests.get(url, timeout=DEADLINE).content == data
    thumbnails = [
        opened(requests.get(f"{url}.{name}", timeout=DEADLINE).content) for name in VARIANTS
    ]
    assert thumbnails[0].size == (60, 60)


@pytest.mark.parametrize("kind", UNFINISHED)
def test_thumbnail_of_unfinished_jpeg_equals_one_of_finished_jpeg(
    server: EmulatorServer, kind: str
) -> None:
    contents = []
    for data in (UNFINISHED[kind], UNFINISHED[kind] + EOI):
        url = upload(server, data).json()["payload"]["url"]
        contents.append(requests.get(f"{url}.large", timeout=DEADLINE).content)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("kind", ["sequential", "progressive", "restart markers", "gray"])
def test_upload_of_truncated_jpeg_is_rejected(server: EmulatorServer, kind: str) -> None:
    data = UNFINISHED[kind]
    response = upload(server, data[: len(data) * 9 // 10])
    assert response.status_code == 400
    assert error_message(response) == NOT_COMPLETE


def test_upload_of_jpeg_of_any_size_is_accepted(server: EmulatorServer) -> None:
    data = odd_images.resized_jpeg(odd_images.JPEG, 16_000, 12_500)
    url = upload(server, data).json()["payload"]["url"]
    assert url.startswith(f"{server.cdn_url}16000x12500.jpeg.")
    assert opened(requests.get(f"{url}.large", timeout=DEADLINE).content).size == (960, 750)


@pytest.mark.parametrize(
    "data",
    [
        b"\n" + odd_images.JPEG,
        b"\xff\xd8" + odd_images.JPEG,
        PNG[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + PNG[8:41] + bytes(9) + PNG[41:],
    ],
    ids=["a byte before the signature", "two SOI markers", "damaged image data"],
)
def test_upload_of_damaged_image_is_rejected(server: EmulatorServer, data: bytes) -> None:
    response = upload(server, data)
    assert response.status_code == 400
    assert error_message(response) == NOT_COMPLETE
