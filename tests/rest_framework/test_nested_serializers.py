"""Nested serializers, list serializers, and lists of images."""

from __future__ import annotations

import pytest

from django_groupme_images.emulator.faults import Fault
from tests.support.api import AlbumSerializer, MemberSerializer
from tests.support.field_data import uploaded_file
from tests.support.serializers import VARIANTS
from tests.support.urls_of_pictures import JPEG, PNG
from tests.testapp.models import Member, Photo

pytestmark = pytest.mark.urls("tests.support.api")


def test_nested_create_with_urls_stores_them_without_request(emulator, list_requests, api, db):
    photos = [{"picture": JPEG, "caption": "a"}, {"picture": PNG, "caption": "b"}]
    data = {"title": "x", "photos": photos}
    response = api.post("/albums/", data, format="json")
    assert response.status_code == 201
    assert response.json()["photos"] == photos
    assert list_requests() == []


def test_nested_create_with_file_uploads_it(emulator, list_requests, api, db):
    data = {"title": "x", "photos[0]caption": "a", "photos[0]picture": uploaded_file()}
    response = api.post("/albums/", data, format="multipart")
    assert response.status_code == 201
    assert list_requests() == ["POST /pictures"]
    assert response.json()["photos"][0]["picture"] == Photo.objects.get().picture.url


def test_nested_create_without_required_image_reports_error(emulator, api, db):
    photos = [{"picture": JPEG, "caption": "a"}, {"picture": "", "caption": "b"}]
    serializer = AlbumSerializer(data={"title": "x", "photos": photos})
    assert not serializer.is_valid()
    assert serializer.errors["photos"][1] == {"picture": ["No file was submitted."]}


def test_list_serializer_with_file_and_url_uploads_file(emulator, list_requests, member):
    data = [{"name": "Ada", "photo": uploaded_file()}, {"name": "Eve", "photo": JPEG}]
    serializer = MemberSerializer(Member.objects.all(), data=data, many=True)
    assert serializer.is_valid()
    first, second = (row["photo"] for row in serializer.validated_data)
    assert (first.picture.format, second.format) == ("jpeg", "jpeg")
    assert list_requests() == ["POST /pictures"]


def test_list_field_with_files_or_urls_validates_each_item(emulator, list_requests, api):
    data = {"cover": VARIANTS, "pictures": [JPEG, PNG]}
    response = api.post("/gallery/", data, format="json")
    assert (response.status_code, response.json()) == (200, data)
    response = api.post("/gallery/", {"cover": "", "pictures": [uploaded_file(), uploaded_file()]})
    assert response.json() == {"cover": ["No file was submitted."]}
    response = api.post(
        "/gallery/", {"cover": JPEG, "pictures": [uploaded_file(), uploaded_file("b.jpg", b"b")]}
    )
    assert list(response.json()["pictures"]) == ["1"]
    assert list_requests() == ["POST /pictures"] * 3
    emulator.app.faults.add(Fault("status", status=503))
    response = api.post("/gallery/", {"cover": JPEG, "pictures": [uploaded_file()]})
    assert response.status_code == 503
