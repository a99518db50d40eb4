"""The serializer field for several images."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.pictures import Picture
from django_groupme_images.rest_framework import (
    GroupMeImageListField,
    GroupMeImageSerializerField,
    PictureServiceUnavailable,
)
from tests.support.field_data import upload_count, uploaded_file
from tests.support.gates import Gate
from tests.support.multiple_images import images, widths
from tests.support.outages import fail_uploads
from tests.support.serializers import VARIANTS, validated
from tests.support.urls_of_pictures import JPEG, LARGE
from tests.testapp.models import Member


class AlbumSerializer(serializers.Serializer):
    title = serializers.CharField()
    photos = GroupMeImageListField(max_files=4)


def serializer_with(photos: Any, title: str = "Trip", **kwargs: Any) -> AlbumSerializer:
    return AlbumSerializer(data={"title": title, "photos": photos}, **kwargs)


@pytest.fixture(params=["early", "late"])
def each_time(request, settings):
    settings.GROUPME_UPLOAD_EARLY = request.param == "early"


@pytest.mark.usefixtures("each_time", "db")
def test_image_list_uploads_files_in_order_and_once(emulator, list_requests):
    serializer = serializer_with(images("b.jpg", "a.jpg", "c.jpg"))
    photos = validated(serializer)["photos"]
    assert [photo.name for photo in photos] == ["b.jpg", "a.jpg", "c.jpg"]
    assert widths(photos) == [1, 2, 3]
    assert serializer.data["photos"] == [photo.url for photo in photos]
    for photo in photos:
        assert Member.objects.create(photo=photo).photo.picture == photo.picture
    assert upload_count(list_requests) == 3


@pytest.mark.usefixtures("each_time")
def test_image_list_uploads_three_at_a_time(settings):
    gate = Gate(3)
    with EmulatorServer(log=gate) as server:
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = server.upload_url, server.cdn_url
        field = GroupMeImageListField()

        class Form(serializers.Serializer):
            photos = field

        names = [f"{number}.jpg" for number in range(6)]
        photos = validated(Form(data={"photos": images(*names)}))["photos"]
    assert widths(photos) == [1, 2, 3, 4, 5, 6]
    assert gate.peak == 3
    assert not gate.is_broken


@pytest.mark.usefixtures("each_time")
def test_image_list_reads_multipart_data(emulator):
    data = MultiValueDict({"title": ["Trip"], "photos": images("a.jpg", "b.jpg")})
    assert widths(validated(AlbumSerializer(data=data))["photos"]) == [1, 2]
    data = MultiValueDict({"title": ["Trip"], "photos[0]": images("a.jpg")})
    assert widths(validated(AlbumSerializer(data=data))["photos"]) == [1]


@pytest.mark.usefixtures("each_time")
def test_image_list_accepts_urls_and_files_together(emulator, remote_url, list_requests):
    photos = validated(serializer_with([JPEG, remote_url, *images("a.jpg")]))["photos"]
    assert isinstance(photos[0], Picture)
    assert widths(photos) == [480, 48, 1]
    assert upload_count(list_requests) == 2


@pytest.mark.usefixtures("each_time")
def test_image_list_with_invalid_item_sends_nothing(emulator, list_requests):
    serializer = serializer_with([*images("a.jpg"), uploaded_file("b.jpg", b"no image")])
    assert not serializer.is_valid()
    assert set(serializer.errors["photos"]) == {1}
    assert "“b.jpg”" in serializer.errors["photos"][1][0]
    assert list_requests() == []


@pytest.mark.usefixtures("each_time")
@pytest.mark.parametrize("photos", [[JPEG] * 5, tuple("abcde"), MultiValueDict()])
def test_image_list_with_too_many_or_no_items_sends_nothing(emulator, list_requests, photos):
    serializer = AlbumSerializer(data={"title": "Trip", "photos": photos})
    assert serializer.is_valid() is (not photos)
    if photos:
        [error] = serializer.errors["photos"]
        assert error.code == "max_length"
        assert str(error) == "Ensure this field has no more than 4 elements."
    assert list_requests() == []


@pytest.mark.usefixtures("each_time")
def test_image_list_rejected_by_its_validators_sends_nothing(emulator, list_requests):
    def forbid(value: Any) -> None:
        raise ValidationError("no")

    class Form(serializers.Serializer):
        photos = GroupMeImageListField(validators=[forbid])
        few = GroupMeImageListField(min_length=2)

    serializer = Form(data={"photos": images("a.jpg"), "few": images("a.jpg")})
    assert not serializer.is_valid()
    assert set(serializer.errors) == {"photos", "few"}
    assert list_requests() == []


@pytest.mark.usefixtures("each_time")
def test_rejected_image_is_an_error_at_its_index(emulator, list_requests):
    emulator.app.faults.add(Fault("status", status=400, method="POST", times=3))
    serializer = serializer_with(images("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    assert not serializer.is_valid()
    assert list(serializer.errors["photos"]) == [0]
    assert "“a.jpg”" in serializer.errors["photos"][0][0]
    assert upload_count(list_requests) == 3


@pytest.mark.usefixtures("each_time")
@pytest.mark.parametrize("status", [401, 429, 503])
def test_image_list_in_outage_raises_after_one_round_of_uploads(
    emulator, list_requests, settings, status
):
    settings.GROUPME_MAX_RETRIES = 0
    fail_uploads(emulator, status, times=100)
    serializer = serializer_with(images("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    with pytest.raises(PictureServiceUnavailable, match="“a.jpg”"):
        serializer.is_valid()
    assert upload_count(list_requests) == 3


@pytest.mark.usefixtures("each_time")
def test_image_list_in_outage_saves_files_to_fallback(fallback, emulator, list_requests):
    fail_uploads(emulator, times=100)
    photos = validated(serializer_with(images("a.jpg", "b.jpg", "c.jpg", "d.jpg")))["photos"]
    assert all(photo.url.startswith("/media/") for photo in photos)
    assert upload_count(list_requests) == 3


def test_invalid_serializer_with_late_image_list_sends_nothing(
    late_upload, emulator, list_requests
):
    assert not serializer_with(images("a.jpg"), title="").is_valid()
    assert list_requests() == []


def test_late_image_list_moved_by_validate_is_uploaded(late_upload, emulator, list_requests):
    class Moving(AlbumSerializer):
        def validate(self, values: Any) -> Any:
            first, second = values.pop("photos")
            return {**values, "cover": second, "others": (first,)}

    values = validated(Moving(data={"title": "Trip", "photos": images("a.jpg", "b.jpg")}))
    assert values["cover"].picture.width == 2
    assert values["others"][0].picture is None
    assert upload_count(list_requests) == 1


@pytest.mark.usefixtures("each_time")
def test_image_list_with_other_child_uses_its_options(emulator, list_requests):
    class Form(serializers.Serializer):
        pictures = GroupMeImageListField(child=GroupMeImageSerializerField(variants=True))
        files = GroupMeImageListField(child=GroupMeImageSerializerField(storage=InMemoryStorage()))

    serializer = Form(data={"pictures": [LARGE], "files": images("a.jpg")})
    values = validated(serializer)
    assert values["files"][0].picture is None
    assert serializer.data["pictures"] == [VARIANTS]
    assert list_requests() == []


@pytest.mark.parametrize("data", ["cat.jpg", 5, {"a": JPEG}])
def test_image_list_of_other_type_is_invalid(data):
    with pytest.raises(ValidationError) as caught:
        GroupMeImageListField().run_validation(data)
    assert caught.value.get_codes() == ["not_a_list"]


def test_image_list_may_be_null_or_have_a_default():
    assert GroupMeImageListField(allow_null=True).run_validation(None) is None
    assert GroupMeImageListField(default=list).run_validation() == []
    assert GroupMeImageListField(max_length=2).max_length == 2
