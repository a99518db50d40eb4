"""The representation of an image, and files on a storage other than GroupMeStorage."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.core.files.storage import InMemoryStorage
from django.test import RequestFactory
from rest_framework import serializers

from django_groupme_images.pictures import Picture
from django_groupme_images.rest_framework import GroupMeImageSerializerField
from tests.support.api import CardSerializer, GallerySerializer, MemberSerializer
from tests.support.field_data import PHOTO, stored_value, uploaded_file
from tests.support.serializers import VARIANTS, get_json
from tests.support.urls_of_pictures import JPEG, LARGE, LEGACY
from tests.testapp.models import Local, Member

pytestmark = pytest.mark.urls("tests.support.api")

OTHER_URL = "https://example.com/cat.jpg"


def test_representation_with_variants_contains_urls_and_dimensions(api, db):
    Member.objects.bulk_create(
        [Member(name="a", photo=LARGE), Member(name="b", photo=LEGACY), Member(name="c")]
    )
    assert [card["photo"] for card in get_json(api, "/cards/")] == [
        VARIANTS,
        {
            "url": LEGACY.replace("http:", "https:"),
            "width": None,
            "height": None,
            "format": None,
            "preview": f"{LEGACY}.preview",
            "large": f"{LEGACY}.large",
            "avatar": f"{LEGACY}.avatar",
        },
        None,
    ]
    assert [member["photo"] for member in get_json(api, "/members/")] == [LARGE, LEGACY, None]


def test_representation_of_many_rows_performs_no_io(forbid_io, django_assert_num_queries, db):
    Member.objects.bulk_create(Member(name=str(n), photo=LARGE) for n in range(10))
    rows = list(Member.objects.all())

    forbid_io()
    with django_assert_num_queries(0):
        assert [card["photo"] for card in CardSerializer(rows, many=True).data] == [VARIANTS] * 10
        assert [row["photo"] for row in MemberSerializer(rows, many=True).data] == [LARGE] * 10


@pytest.mark.parametrize("value", [LARGE, Picture.parse(LARGE), f"{LARGE}.avatar"])
def test_representation_of_string_or_picture_is_its_url(value):
    data = GallerySerializer({"cover": value, "pictures": [value, None, "cat.png"]}).data
    assert data == {"cover": VARIANTS, "pictures": [LARGE, None, None]}


@pytest.mark.parametrize("variants", [False, True])
@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("/media/cat.png", "http://testserver/media/cat.png"),
        ("https://cdn.example.com/cat.png", "https://cdn.example.com/cat.png"),
        (f"{LARGE}", LARGE),
        (None, None),
        ("", None),
    ],
)
def test_representation_of_value_with_url_attribute_is_that_url(variants, url, read):
    class Serializer(serializers.Serializer):
        photo = GroupMeImageSerializerField(variants=variants)

    context = {"request": RequestFactory().get("/")}
    data = Serializer({"photo": SimpleNamespace(url=url)}, context=context).data["photo"]
    if not variants or read is None:
        assert data == read
    else:
        assert data == VARIANTS if read == LARGE else data["large"] == data["url"] == read


def test_representation_of_value_without_url_is_none(fallback, in_memory_storage):
    class Serializer(serializers.Serializer):
        photo = GroupMeImageSerializerField()

    unsaved = Member(photo=uploaded_file()).photo
    for value in (SimpleNamespace(), "", {}, uploaded_file(), unsaved):
        assert Serializer({"photo": value}).data == {"photo": None}


@pytest.mark.parametrize("source", ["argument", "setting"])
def test_representation_without_use_url_is_stored_name(fallback, settings, source):
    kwargs = {"use_url": False} if source == "argument" else {}
    settings.REST_FRAMEWORK = {"UPLOADED_FILES_USE_URL": source == "argument"}

    class Serializer(serializers.Serializer):
        photo = GroupMeImageSerializerField(**kwargs)
        card = GroupMeImageSerializerField(variants=True, source="photo", **kwargs)

    member = Member(photo="photos/cat.png")
    data = Serializer(member).data
    assert data["photo"] == "photos/cat.png"
    assert data["card"]["url"] == data["card"]["large"] == "/media/photos/cat.png"
    serializer = Serializer(member, data=data)
    assert serializer.is_valid(), serializer.errors
    assert serializer.validated_data["photo"] == member.photo
    data["photo"] = "photos/dog.png"
    assert not Serializer(member, data=data).is_valid()
    member.photo = f"{JPEG}.large"
    assert Serializer(member).data["photo"] == JPEG


def test_representation_of_file_name_without_fallback_is_none(db):
    row = Member(name="Ada", photo="photos/cat.png")
    assert MemberSerializer(row).data["photo"] is None


# Storages other than GroupMeStorage


def test_create_on_other_storage_saves_file_with_row(in_memory_storage, api, db):
    response = api.post("/cards/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")
    assert response.status_code == 201
    member = Member.objects.get()
    url = f"http://testserver/{member.photo.name}"
    assert response.json()["photo"] == {
        "url": url,
        "width": None,
        "height": None,
        "format": None,
        "preview": url,
        "large": url,
        "avatar": url,
    }
    assert member.photo.read() == PHOTO


@pytest.mark.parametrize("endpoint", ["members", "cards"])
def test_update_on_other_storage_with_unchanged_data_keeps_file(
    in_memory_storage, api, db, endpoint
):
    member = Member(name="Ada")
    member.photo.save("cat.jpg", uploaded_file())
    url = f"/{endpoint}/{member.pk}/"
    data = get_json(api, url)
    response = api.put(url, data, format="json")
    assert (response.status_code, response.json()) == (200, data)
    assert stored_value(member) == member.photo.name
    assert api.put(url, data | {"photo": OTHER_URL}, format="json").status_code == 400


def test_unique_field_on_other_storage_accepts_equal_files(in_memory_storage, api, db):
    for _ in range(2):
        response = api.post("/uniques/", {"photo": uploaded_file()}, format="multipart")
        assert response.status_code == 201


def test_representation_of_unsaved_file_on_other_storage_is_none(in_memory_storage):
    serializer = MemberSerializer(data={"name": "Ada", "photo": uploaded_file()})
    assert serializer.is_valid()
    assert serializer.data["photo"] is None


def test_representation_on_other_storage_with_request_is_absolute_url(db):
    class LocalSerializer(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField()

        class Meta:
            model = Local
            fields = ["photo"]

    assert isinstance(LocalSerializer().fields["photo"].storage, InMemoryStorage)
    row = Local.objects.create(photo=uploaded_file())
    assert LocalSerializer(row).data["photo"] == f"/{row.photo.name}"
    context = {"request": RequestFactory().get("/")}
    data = LocalSerializer(row, context=context).data
    assert data["photo"] == f"http://testserver/{row.photo.name}"
