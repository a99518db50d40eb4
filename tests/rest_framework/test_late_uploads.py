"""Uploads after the validation of the whole serializer, with ``upload_early=False``."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.rest_framework import GroupMeImageSerializerField
from tests.support.api import MemberSerializer
from tests.support.field_data import upload_count, uploaded_file
from tests.testapp.models import Member, Photo

pytestmark = pytest.mark.urls("tests.support.api")

OTHER_URL = "https://example.com/cat.jpg"


class CheckedSerializer(MemberSerializer):
    def validate(self, values: Any) -> Any:
        if values["name"] == "Eve":
            raise ValidationError("not Eve")
        return values


@pytest.mark.parametrize("name", ["", "x" * 51, "Eve"])
@pytest.mark.parametrize("source", ["file", "url"])
def test_invalid_serializer_with_late_upload_makes_no_request(
    late_upload, emulator, list_requests, db, name, source
):
    data = {"name": name, "photo": uploaded_file() if source == "file" else OTHER_URL}
    for serializer in (
        CheckedSerializer(data=data),
        CheckedSerializer(data=[{**data, "name": "Ada"}, data], many=True),
    ):
        assert not serializer.is_valid()
    assert list_requests() == []


def test_valid_serializer_with_late_upload_uploads_once(
    late_upload, emulator, list_requests, remote_url, db
):
    serializer = CheckedSerializer(data={"name": "Ada", "photo": uploaded_file()})
    assert serializer.is_valid(), serializer.errors
    photo = serializer.validated_data["photo"]
    assert serializer.data["photo"] == photo.url == photo.picture.url
    serializer = CheckedSerializer(data={"name": "Ada", "photo": photo})
    assert serializer.is_valid()
    member = serializer.save()
    member.refresh_from_db()
    assert member.photo.url == photo.url
    assert upload_count(list_requests) == 1
    serializer = CheckedSerializer(data={"name": "Ada", "photo": remote_url})
    assert serializer.is_valid(), serializer.errors
    assert serializer.save().photo.width == 48
    assert upload_count(list_requests) == 2
    serializer = CheckedSerializer(member, data={"name": "Ada", "photo": member.photo.url})
    assert serializer.is_valid(), serializer.errors
    assert serializer.save().photo.url == photo.url
    assert upload_count(list_requests) == 2


class DeepSerializer(serializers.Serializer):
    below = GroupMeImageSerializerField(source="deep.er")


class StarredSerializer(serializers.Serializer):
    picture = GroupMeImageSerializerField(source="pic")


class SourcedSerializer(serializers.Serializer):
    deep = DeepSerializer(required=False)
    starred = StarredSerializer(source="*", required=False)


@pytest.mark.parametrize(("name", "field"), [("deep", "below"), ("starred", "picture")])
def test_late_upload_that_is_rejected_reports_error_at_its_field(
    late_upload, emulator, name, field
):
    emulator.app.faults.add(Fault("status", status=400))
    serializer = SourcedSerializer(data={name: {field: uploaded_file()}})
    assert not serializer.is_valid()
    assert "rejected" in serializer.errors[name][field][0]


def test_late_upload_of_file_moved_by_validate_uploads_it(late_upload, emulator, list_requests):
    class Moving(SourcedSerializer):
        def validate(self, values: Any) -> Any:
            return {"elsewhere": [values["deep"]]}

    serializer = Moving(data={"deep": {"below": uploaded_file()}})
    assert serializer.is_valid(), serializer.errors
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize("early", [True, False])
def test_field_validators_receive_file_before_its_upload(settings, emulator, early):
    settings.GROUPME_UPLOAD_EARLY = early
    pictures = []

    class Seeing(serializers.Serializer):
        photo = GroupMeImageSerializerField(validators=[lambda file: pictures.append(file.picture)])

    assert Seeing(data={"photo": uploaded_file()}).is_valid()
    assert pictures == [None]


def test_list_serializer_with_late_upload_uploads_each_file_once(
    late_upload, emulator, list_requests, db
):
    data = [{"name": name, "photo": uploaded_file()} for name in "ab"]
    serializer = CheckedSerializer(data=data, many=True)
    assert serializer.is_valid(), serializer.errors
    members = serializer.save()
    assert [member.photo.width for member in members] == [48, 48]
    assert upload_count(list_requests) == 2


def test_nested_serializer_with_late_upload_uploads_with_outermost(
    late_upload, emulator, list_requests, api, db
):
    photos = {f"photos[{number}]picture": uploaded_file() for number in range(2)}
    captions = {f"photos[{number}]caption": "a" for number in range(2)}
    assert api.post("/albums/", photos | captions).status_code == 400
    assert list_requests() == []
    photos = {name: uploaded_file() for name in photos}
    emulator.app.faults.add(Fault("status", status=400))
    response = api.post("/albums/", {"title": "x"} | photos | captions)
    assert response.status_code == 400
    assert "rejected" in response.data["photos"][0]["picture"][0]
    assert upload_count(list_requests) == 1
    photos = {name: uploaded_file() for name in photos}
    response = api.post("/albums/", {"title": "x"} | photos | captions)
    assert response.status_code == 201, response.data
    assert upload_count(list_requests) == 3
    assert [photo.picture.width for photo in Photo.objects.all()] == [48, 48]


def test_late_upload_during_outage_returns_503(late_upload, emulator, api, db):
    emulator.app.faults.add(Fault("status", status=503))
    response = api.post("/members/", {"name": "Ada", "photo": uploaded_file()})
    assert response.status_code == 503
    assert not Member.objects.exists()


def test_late_upload_with_too_long_url_reports_error(late_upload, emulator):
    class Serializer(serializers.Serializer):
        photo = GroupMeImageSerializerField(max_length=10)

    serializer = Serializer(data={"photo": uploaded_file()})
    assert not serializer.is_valid()
    assert serializer.errors["photo"][0].code == "url_too_long"


def test_late_upload_during_outage_saves_one_file_in_fallback(
    late_upload, emulator, fallback, api, db
):
    emulator.app.faults.add(Fault("status", status=503))
    serializer = MemberSerializer(data={"name": "Ada", "photo": uploaded_file()})
    assert serializer.is_valid(), serializer.errors
    assert serializer.data["photo"].startswith("/media/groupme-forms/")
    serializer = MemberSerializer(data={"name": "Ada", "photo": uploaded_file()})
    assert serializer.is_valid(), serializer.errors
    serializer.save()
    assert len(fallback.listdir("groupme-forms")[1]) == 1


def test_field_without_serializer_with_late_upload_makes_no_request(
    late_upload, emulator, list_requests
):
    file = GroupMeImageSerializerField().run_validation(uploaded_file())
    assert (file.picture, file.url) == (None, None)
    assert list_requests() == []
