"""
The contract of the image service: the same cases for the emulator and, with ``GM_TOKEN``
and ``make test-live``, for the real one, where each run leaves a few pictures for ever.
"""

from __future__ import annotations

import os

import pytest
import requests

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.exceptions import AuthenticationFailed, PictureNotFound, UploadRejected
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL, Picture

from . import emulator_pictures as pictures


@pytest.fixture(params=["emulator", pytest.param("live", marks=pytest.mark.live)], scope="module")
def client(request):
    if request.param == "live":
        if "GM_TOKEN" not in os.environ:
            pytest.skip("needs a GroupMe user's access token in GM_TOKEN")
        yield GroupMeClient(os.environ["GM_TOKEN"])
        return
    with EmulatorServer(token="right") as server:
        yield GroupMeClient("right", upload_url=server.upload_url, cdn_url=server.cdn_url)


@pytest.fixture(scope="module")
def picture(client):
    return client.upload(pictures.plain(size=(1200, 800)))


def image_at(url):
    answer = requests.get(url, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("image/")
    assert answer.headers["Content-Length"] == str(len(answer.content))
    return pictures.opened(answer.content)


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (pictures.plain("JPEG"), "jpeg"),
        (pictures.plain("PNG"), "png"),
        (pictures.moving_gif(), "gif"),
    ],
    ids=["JPEG", "PNG", "GIF"],
)
def test_an_upload(client, data, format_):
    picture = client.upload(data)
    assert picture.format == format_
    assert (picture.width, picture.height) == pictures.opened(data).size
    assert image_at(picture.url).size == (picture.width, picture.height)


def test_the_same_bytes_get_two_urls(client):
    data = pictures.plain()
    assert client.upload(data) != client.upload(data)


def test_the_service_fetches_a_url(client, picture):
    copied = client.upload_from_url(picture.url)
    assert copied != picture
    assert (copied.width, copied.height) == (1200, 800)


@pytest.mark.parametrize("variant", ["preview", "large", "avatar"])
def test_a_variant(picture, variant):
    assert image_at(picture.variant_url(variant)).size == picture.variant_size(variant)


def test_a_small_picture_is_not_enlarged(client):
    picture = client.upload(pictures.plain(size=(30, 20)))
    assert image_at(picture.large_url).size == (30, 20)
    assert image_at(picture.preview_url).size == (200, 200)


def test_any_other_suffix_is_the_original(picture):
    assert image_at(f"{picture.url}.original").size == (1200, 800)


def test_headers(client, picture):
    assert int(client.head(picture)["Content-Length"]) > 0


def test_a_missing_picture(client):
    missing = Picture.parse(f"{client.cdn_url}48x32.jpeg.{'0' * 32}", client.cdn_url)
    with pytest.raises(PictureNotFound):
        client.download(missing)


def test_a_wrong_token(client):
    wrong = GroupMeClient("wrong", upload_url=client.upload_url, cdn_url=client.cdn_url)
    with pytest.raises(AuthenticationFailed):
        wrong.upload(pictures.plain())


def test_what_is_no_image(client):
    with pytest.raises(UploadRejected):
        client.upload(b"this is a text")


def test_the_addresses_are_documented():
    assert UPLOAD_URL == "https://image.groupme.com/pictures"
    assert CDN_URL == "https://i.groupme.com/"
