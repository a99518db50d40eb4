"""Serializers that receive the unchanged URL of a stored file keep the file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.http import QueryDict
from django.utils.crypto import get_random_string
from rest_framework import serializers

from django_groupme_images.pictures import Picture
from django_groupme_images.rest_framework import GroupMeImageSerializerField
from tests.support.api import AlbumSerializer, CardSerializer, MemberSerializer
from tests.support.field_data import PHOTO
from tests.support.serializers import (
    HOST,
    OTHER_HOST,
    as_json,
    context,
    error_codes,
    save_pending,
    stored_names,
    validated,
)
from tests.support.urls_of_pictures import GIF, JPEG
from tests.testapp.models import Album, Measured, Member, Photo, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("allowed_hosts", "fallback")]


class PhotoSerializer(serializers.ModelSerializer):
    class Meta:
        model = Photo
        fields = ["id", "picture"]


# Position of the field


@pytest.mark.parametrize("read", [None, HOST, OTHER_HOST])
@pytest.mark.parametrize("write", [None, HOST, OTHER_HOST])
def test_nested_serializer_with_unchanged_data_keeps_files(album, list_requests, read, write):
    data = as_json(AlbumSerializer(album, context=context(read)).data)
    values = validated(AlbumSerializer(album, data=data, context=context(write)))
    assert [str(photo["picture"]) for photo in values["photo_set"]] == stored_names(album)
    assert list_requests() == []


@pytest.mark.parametrize("rows", [Photo.objects.order_by("pk"), Photo.objects, list])
def test_list_serializer_with_unchanged_data_keeps_files(album, list_requests, rows):
    rows = list(Photo.objects.order_by("pk")) if rows is list else rows.all()
    data = as_json(PhotoSerializer(rows, many=True).data)
    values = validated(PhotoSerializer(rows, data=data, many=True))
    assert sorted(str(photo["picture"]) for photo in values) == sorted(stored_names(album))
    assert list_requests() == []


class ByID(serializers.ListSerializer):
    def run_child_validation(self, data: Any) -> Any:
        self.child.instance = self.instance.get(pk=data["id"])
        return self.child.run_validation(data)


class PhotoByIDSerializer(PhotoSerializer):
    class Meta(PhotoSerializer.Meta):
        list_serializer_class = ByID


def test_list_serializer_with_instance_per_item_rejects_swapped_files(album):
    rows = Photo.objects.order_by("pk")
    data = as_json(PhotoByIDSerializer(rows, many=True).data)
    validated(PhotoByIDSerializer(rows, data=data, many=True))
    data[0]["picture"], data[2]["picture"] = data[2]["picture"], data[0]["picture"]
    serializer = PhotoByIDSerializer(rows, data=data, many=True)
    assert not serializer.is_valid()
    errors = serializer.errors
    # Before version 3.17, the errors are a list, with an empty item for each valid one.
    indexed = enumerate(errors) if isinstance(errors, list) else errors.items()
    assert {index for index, error in indexed if error} == {0, 2}


class Nested(serializers.Serializer):
    photo = GroupMeImageSerializerField()


class Deep(serializers.Serializer):
    nested = Nested()
    starred = Nested(source="*")
    dotted = GroupMeImageSerializerField(source="nested.photo")
    items = serializers.ListField(child=GroupMeImageSerializerField(variants=True))
    by_key = serializers.DictField(child=GroupMeImageSerializerField())


class Deeper(serializers.Serializer):
    deep = Deep(many=True)


def test_fields_at_every_depth_with_unchanged_data_keep_files(fallback, list_requests):
    photos = [Member(photo=save_pending(fallback)).photo for _ in range(6)]
    deep = {
        "nested": Member(photo=photos[0]),
        "photo": photos[1],
        "items": photos[2:4],
        "by_key": {"a": photos[4], "b": photos[5]},
    }
    instance = SimpleNamespace(deep=[deep])
    data = as_json(Deeper(instance).data)
    (values,) = validated(Deeper(instance, data=data))["deep"]
    assert values["nested"]["photo"].name == photos[0].name
    assert values["photo"].name == photos[1].name
    assert [file.name for file in values["items"]] == [file.name for file in photos[2:4]]
    assert [file.name for file in values["by_key"].values()] == [file.name for file in photos[4:]]
    assert list_requests() == []


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("source", ["json", "form"])
def test_serializer_with_unchanged_data_keeps_file(fallback, list_requests, partial, source):
    member = Member.objects.create(name="Ada", photo=save_pending(fallback))
    member.photo.submitted_name = "grace.png"
    file = member.photo
    data = as_json(MemberSerializer(member, context=context(HOST)).data)
    if source == "form":
        data = QueryDict(f"name=Ada&photo={quote(data['photo'])}")
    serializer = MemberSerializer(member, data=data, partial=partial)
    assert validated(serializer)["photo"] is file
    serializer.save()
    assert (member.photo, member.photo.submitted_name) == (file, "grace.png")
    assert list_requests() == []


def test_serializer_of_instance_without_the_file_rejects_its_url(album, list_requests):
    class Related(serializers.ModelSerializer):
        measuredchild = Nested(required=False)

        class Meta:
            model = Measured
            fields = ["measuredchild"]

    data = {"measuredchild": {"photo": "/media/photos/cat.png"}}
    for instance in (Measured.objects.create(photo=JPEG), {}, None):
        assert not Related(instance, data=data).is_valid()
    data = as_json(AlbumSerializer(album).data)
    album.delete()
    assert not AlbumSerializer(album, data=data).is_valid()
    serializer = Deeper({"deep": None}, data={"deep": [{"nested": {"photo": "/media/a.png"}}]})
    assert not serializer.is_valid()
    assert list_requests() == []


def test_list_serializer_with_unchanged_null_keeps_it(album, list_requests):
    member = Member.objects.create(name="Ada")
    data = as_json(MemberSerializer([member], many=True).data)
    assert data[0]["photo"] is None
    assert validated(MemberSerializer([member], data=data, many=True))[0]["photo"] is None
    assert list_requests() == []


# Matching of URLs and files


@pytest.mark.parametrize("host", [None, HOST])
def test_serializer_with_file_of_other_row_reports_unknown_file(
    fallback, album, list_requests, host
):
    prefix = f"http://{host}/media/" if host else "/media/"
    own = Member.objects.create(name="Ada", photo=JPEG)
    other = Member.objects.create(name="Eve", photo=save_pending(fallback))
    for name in (other.photo.name, "missing.png"):
        data = {"name": "Ada", "photo": prefix + name}
        for instance in (own, None):
            serializer = MemberSerializer(instance, data=data, context=context(host))
            assert error_codes(serializer) == ["unknown_file"]
            assert prefix + name in serializer.errors["photo"][0]
    other_album = Album.objects.create(title="y")
    data = as_json(AlbumSerializer(album, context=context(host)).data)
    assert not AlbumSerializer(other_album, data=data, context=context(host)).is_valid()
    assert list_requests() == []


@pytest.mark.parametrize(
    "url",
    [
        "photos/other.png",
        "media/photos/cat.png",
        "/photos/cat.png",
        "http://[/media/photos/cat.png",
    ],
)
def test_serializer_with_name_or_malformed_url_reports_invalid_url(fallback, list_requests, url):
    member = Member.objects.create(name="Ada", photo=save_pending(fallback))
    assert error_codes(MemberSerializer(member, data={"name": "Ada", "photo": url})) == [
        "invalid_url"
    ]
    assert list_requests() == []


def test_url_with_path_of_own_file_on_foreign_host_is_uploaded(
    fallback, emulator, list_requests, remote_url
):
    path = f"/{remote_url.rpartition('/')[2]}"
    fallback._base_url = "/"
    member = Member.objects.create(name="Ada", photo=save_pending(fallback, path[1:]))
    fallback.__dict__.pop("base_url", None)
    assert member.photo.url == path
    serializer = MemberSerializer(
        member, data={"name": "Ada", "photo": remote_url}, context=context(HOST)
    )
    assert validated(serializer)["photo"].url.startswith(emulator.cdn_url)
    assert list_requests() == ["POST /pictures"]


class SignedStorage(InMemoryStorage):
    """A storage with signed URLs whose path contains the stored name."""

    def url(self, name: str | None) -> str:
        return (
            f"https://files.example.com/bucket/{quote(str(name))}?signature={get_random_string(9)}"
        )


class QueryStorage(InMemoryStorage):
    """A storage with the stored name in the query of its URLs."""

    def url(self, name: str | None) -> str:
        return f"/serve?name={quote(str(name))}"


class PrivateStorage(InMemoryStorage):
    """A storage without URLs."""

    def url(self, name: str | None) -> str:
        raise NotImplementedError


def use_as_fallback(settings: Any, storage: type) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": f"{__name__}.{storage.__name__}"}
    }


@pytest.mark.parametrize("host", [None, "testserver"])
def test_file_of_other_row_on_allowed_host_reports_unknown_file(
    settings, fallback, list_requests, host
):
    settings.ALLOWED_HOSTS = ["testserver", ".example.com"]
    url = f"https://club.example.com/media/{save_pending(fallback)}"
    serializer = MemberSerializer(data={"name": "Ada", "photo": url}, context=context(host))
    assert error_codes(serializer) == ["unknown_file"]
    assert list_requests() == []


@pytest.mark.parametrize("hosts", [["*"], ["testserver"]])
def test_url_with_path_of_fallback_on_foreign_host_is_uploaded(
    settings, fallback, list_requests, hosts
):
    settings.ALLOWED_HOSTS = hosts
    url = "https://club.example.com/media/cat.png"
    serializer = MemberSerializer(data={"name": "Ada", "photo": url}, context=context("testserver"))
    serializer.is_valid()
    assert list_requests() == ["POST /pictures"]


@pytest.fixture
def members() -> list[Member]:
    return [Member.objects.create(name=name, photo=f"a/{name}.png") for name in "ab"]


@pytest.mark.parametrize("storage", [SignedStorage, QueryStorage])
def test_list_serializer_with_query_in_urls_keeps_files(settings, list_requests, members, storage):
    use_as_fallback(settings, storage)
    data = as_json(MemberSerializer(members, many=True, context=context(HOST)).data)
    values = validated(MemberSerializer(members, data=data, many=True))
    assert [str(value["photo"]) for value in values] == ["a/a.png", "a/b.png"]
    assert list_requests() == []


def test_signed_url_of_other_file_reports_unknown_file(settings, list_requests, members):
    use_as_fallback(settings, SignedStorage)
    serializer = MemberSerializer(members[0], data={"name": "a", "photo": members[1].photo.url})
    assert error_codes(serializer) == ["unknown_file"]
    assert list_requests() == []


def test_signed_url_on_foreign_host_is_uploaded(settings, emulator, members):
    use_as_fallback(settings, SignedStorage)
    url = members[0].photo.url.replace("files.", "cats.")
    serializer = MemberSerializer(members[0], data={"name": "a", "photo": url})
    assert error_codes(serializer) == ["rejected"]
    assert emulator.app.record.as_list()[0]["query"] == {"url": url}


def test_url_with_other_name_in_query_reports_invalid_url(settings, members):
    use_as_fallback(settings, QueryStorage)
    serializer = MemberSerializer(members[0], data={"name": "a", "photo": members[1].photo.url})
    assert error_codes(serializer) == ["invalid_url"]


def test_name_of_own_file_on_storage_without_urls_is_accepted(settings, list_requests, members):
    use_as_fallback(settings, PrivateStorage)
    settings.REST_FRAMEWORK = {"UPLOADED_FILES_USE_URL": False}
    data = {"name": "a", "photo": "a/a.png"}
    assert validated(MemberSerializer(members[0], data=data))["photo"].name == "a/a.png"
    assert error_codes(MemberSerializer(members[1], data=data)) == ["invalid_url"]
    assert list_requests() == []


def test_nested_unchanged_url_of_disallowed_format_is_accepted(album, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    data = as_json(AlbumSerializer(album).data)
    values = validated(AlbumSerializer(album, data=data))
    assert values["photo_set"][1]["picture"] == Picture.parse(JPEG)
    data["photos"][1]["picture"] = GIF
    assert not AlbumSerializer(album, data=data).is_valid()


# Queries, variants, and keys


def test_nested_serializer_with_unchanged_data_queries_rows_once(album, django_assert_num_queries):
    data = as_json(AlbumSerializer(album).data)
    with django_assert_num_queries(1):
        validated(AlbumSerializer(album, data=data))
    album = Album.objects.prefetch_related("photo_set").get()
    with django_assert_num_queries(0):
        validated(AlbumSerializer(album, data=data))


def test_nested_serializer_with_groupme_urls_makes_no_query(album, django_assert_num_queries):
    data = {"title": "x", "photos": [{"picture": JPEG, "caption": "a"}] * 3}
    with django_assert_num_queries(0):
        validated(AlbumSerializer(album, data=data))


def test_variants_serializer_with_unchanged_data_keeps_pending_files(fallback, list_requests):
    rows = [Member.objects.create(name="Ada", photo=save_pending(fallback)) for _ in range(2)]
    data = as_json(CardSerializer(rows, many=True, context=context(HOST)).data)
    values = validated(CardSerializer(rows, data=data, many=True))
    assert [value["photo"].name for value in values] == [row.photo.name for row in rows]
    assert list_requests() == []


def test_list_serializer_of_rows_with_uuid_keys_keeps_files(fallback, list_requests):
    class TicketSerializer(serializers.ModelSerializer):
        class Meta:
            model = Ticket
            fields = ["photo"]

    name = save_pending(fallback)
    rows = [Ticket.objects.create(photo=name)]
    data = as_json(TicketSerializer(rows, many=True).data)
    (value,) = validated(TicketSerializer(rows, data=data, many=True))
    rows[0].photo = value["photo"]
    rows[0].save()
    again = Ticket.objects.get()
    again.photo = value["photo"]
    again.save()
    assert rows[0].photo.name == again.photo.name == name
    assert list_requests() == []


def test_url_of_value_that_is_not_stored_reports_unknown_file(fallback, list_requests):
    name = save_pending(fallback)
    unsaved = Member(name="Ada", photo=ContentFile(PHOTO, name))
    for instance in (unsaved, {"name": "Ada", "photo": name}):
        serializer = MemberSerializer(instance, data={"name": "Ada", "photo": f"/media/{name}"})
        assert error_codes(serializer) == ["unknown_file"]
    assert list_requests() == []


def test_list_serializer_with_unchanged_data_keeps_submitted_name(fallback):
    member = Member(name="Ada", photo=save_pending(fallback))
    member.photo.submitted_name = "grace.png"
    data = as_json(MemberSerializer([member], many=True).data)
    (value,) = validated(MemberSerializer([member], data=data, many=True))
    assert value["photo"].submitted_name == "grace.png"
