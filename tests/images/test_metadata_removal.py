"""``without_metadata`` with the photographs of each maker, and uploads of the results."""

from __future__ import annotations

import io

import pytest
from PIL import ExifTags, Image

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import ServiceUnavailable
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.storage import GroupMeStorage
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.metadata import camera_image, each_maker, frames, orientation, stripped, traces
from tests.support.photographs import MAKERS

pytestmark = pytest.mark.any_django

PHOTOS = ROOT / "example_project" / "club" / "photos"


@each_maker
def test_without_metadata_of_photograph_removes_place_and_person(maker):
    data = camera_image(maker)
    assert traces(data)
    result = stripped(data)
    assert traces(result) == []
    assert len(result) < len(data)


@each_maker
def test_without_metadata_of_photograph_removes_tags_but_orientation(maker):
    image = pictures.opened(stripped(camera_image(maker)))
    assert set(image.getexif()) <= {ExifTags.Base.Orientation}
    for key in ("xmp", "XML:com.adobe.xmp", "comment", "photoshop", "flashpix", "mp"):
        assert key not in image.info
    assert not getattr(image, "text", {})
    assert {name for name, _ in getattr(image, "applist", [])} <= {"APP0", "APP1", "APP2", "APP14"}


@each_maker
def test_without_metadata_of_photograph_keeps_pixels_and_colors(maker):
    data = camera_image(maker)
    result = stripped(data)
    assert list(frames(result)) == list(frames(data))
    assert orientation(result) == orientation(data)
    original, image = pictures.opened(data), pictures.opened(result)
    for key in ("icc_profile", "transparency", "gamma", "adobe", "adobe_transform", "progressive"):
        assert image.info.get(key) == original.info.get(key)


@each_maker
def test_without_metadata_of_stripped_file_changes_nothing(maker):
    content = stripped(camera_image(maker))
    assert stripped(content) == content


def test_photographs_of_support_module_have_documented_properties():
    info = {maker: pictures.opened(camera_image(maker)).info for maker in MAKERS}
    assert Image.open(io.BytesIO(camera_image("iPhone"))).n_frames == 2
    assert orientation(camera_image("iPhone")) == 6
    assert orientation(camera_image("Canon")) == orientation(camera_image("PNG on its side")) == 8
    assert len(info["Photoshop"]["icc_profile"]) > 65_535
    assert "photoshop" in info["Photoshop"]
    assert info["palette"]["transparency"] == 3
    assert camera_image("progressive").count(b"\xff\xda") > 5
    assert b"\xff\xd3" in camera_image("scanner")
    for maker in ("iPhone", "Samsung", "Pixel", "Canon", "screenshot", "PNG on its side"):
        gps = pictures.opened(camera_image(maker)).getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert gps[ExifTags.GPS.GPSLatitude] == pytest.approx((64, 8, 47.7612))


@pytest.fixture
def storage(emulator):
    return GroupMeStorage()


@each_maker
def test_upload_of_stripped_photograph_stores_no_metadata(storage, maker):
    data = camera_image(maker)
    file = io.BytesIO(data)
    picture = storage.client.upload(without_metadata(file))
    stored = storage.open(picture.url).read()
    assert stored == stripped(data)
    assert traces(stored) == []
    assert list(frames(stored)) == list(frames(data))
    original = storage.client.upload(data)
    assert (picture.width, picture.height) == (original.width, original.height)
    assert file.getvalue() == data
    assert not file.closed


@pytest.mark.parametrize(
    "path", sorted({*PHOTOS.iterdir()} - {PHOTOS / "README.md"}), ids=lambda path: path.name
)
def test_upload_of_stripped_example_photograph_keeps_pixels(storage, path):
    data = path.read_bytes()
    with path.open("rb") as file:
        picture = storage.client.upload(without_metadata(file))
    stored = storage.open(picture.url).read()
    assert list(frames(stored)) == list(frames(data))
    assert pictures.opened(stored).info.get("icc_profile") == pictures.opened(data).info.get(
        "icc_profile"
    )
    assert orientation(stored) == orientation(data)
    assert path.suffix == ".gif" or set(pictures.opened(stored).getexif()) <= {0x0112}


def test_failed_upload_of_stripped_file_rewinds_original(free_port):
    client = GroupMeClient("t", upload_url=f"http://127.0.0.1:{free_port}/pictures", max_retries=0)
    file = io.BytesIO(camera_image("iPhone"))
    with pytest.raises(ServiceUnavailable):
        client.upload(without_metadata(file))
    assert file.tell() == 0
    assert not file.closed


def test_upload_of_stripped_storage_file_stores_no_metadata(storage):
    name = storage.client.upload(camera_image("Canon")).url
    picture = storage.client.upload(without_metadata(storage.open(name)))
    assert storage.open(picture.url).read() == stripped(camera_image("Canon"))
