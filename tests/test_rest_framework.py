from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.functional import Promise
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

import django_groupme_images.rest_framework
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.pictures import Picture
from django_groupme_images.rest_framework import (
    GroupMeImageSerializerField,
    PictureServiceUnavailable,
)
from django_groupme_images.storage import groupme_storage

from . import emulator_pictures as pictures
from .api import (
    AlbumSerializer,
    CardSerializer,
    GallerySerializer,
    GroupSerializer,
    MemberSerializer,
    UniqueSerializer,
)
from .gallery.models import Album, Group, Local, Member, Photo, Plain, Unique
from .test_forms import posts
from .urls_of_pictures import GIF, ID, JPEG, LARGE, LEGACY, PNG

pytestmark = pytest.mark.urls("tests.api")

PHOTO = pictures.plain()
ELSEWHERE = "https://example.com/cat.jpg"


def upload(name: str = "cat.jpg", content: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/jpeg")


@pytest.fixture
def api() -> APIClient:
    return APIClient()


@pytest.fixture
def member(db: None) -> Member:
    return Member.objects.create(name="Ada", photo=JPEG)


@pytest.fixture
def local(settings: Any) -> None:
    """The storage that a project's tests put in the place of GroupMe's."""
    settings.STORAGES = settings.STORAGES | {
        "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }


def stored(row: Any, name: str = "photo") -> str:
    return type(row).objects.values_list(name, flat=True).get(pk=row.pk)


# Which field


def test_a_model_serializer_has_the_field_by_itself():
    field = MemberSerializer().fields["photo"]
    assert type(field) is GroupMeImageSerializerField
    assert isinstance(field, serializers.ImageField)
    assert (field.required, field.allow_null, field.max_length) == (False, True, 100)
    field = GroupSerializer().fields["photo"]
    assert (field.required, field.allow_null) == (True, False)


def test_djangos_own_field_keeps_that_of_drf():
    class PlainSerializer(serializers.ModelSerializer):
        class Meta:
            model = Plain
            fields = ["photo"]

    assert type(PlainSerializer().fields["photo"]) is serializers.ImageField


def test_a_project_without_drf_does_not_import_it():
    code = """if True:
        import sys, django
        from django.conf import settings
        settings.configure(INSTALLED_APPS=["django_groupme_images"])
        django.setup()
        print({"rest_framework", "drf_spectacular", "PIL", "requests"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n", done.stderr


def test_what_the_module_exports():
    module = django_groupme_images.rest_framework
    assert module.__all__ == [
        "GroupMeImageSerializerField",
        "PictureServiceUnavailable",
        "register",
    ]
    assert all(hasattr(module, name) for name in module.__all__)


# Which storage


def test_the_storage_is_that_of_the_model_field():
    class PlainSerializer(serializers.ModelSerializer):
        other = GroupMeImageSerializerField()
        renamed = GroupMeImageSerializerField(source="other")
        given = GroupMeImageSerializerField(source="photo", storage=groupme_storage)

        class Meta:
            model = Plain
            fields = ["other", "renamed", "given"]

    fields = PlainSerializer().fields
    own = Plain._meta.get_field("other").storage
    assert fields["other"].storage is fields["renamed"].storage is own
    assert fields["given"].storage not in (own, Plain._meta.get_field("photo").storage)


class Row(serializers.Serializer):
    picture = GroupMeImageSerializerField()
    caption = GroupMeImageSerializerField()
    missing = GroupMeImageSerializerField()
    title = GroupMeImageSerializerField(source="album.title")
    wrong = GroupMeImageSerializerField(source="caption.picture")
    itself = GroupMeImageSerializerField(source="*")


@pytest.mark.parametrize("kind", ["nested", "dotted", "part"])
def test_the_model_field_is_found_through_nested_serializers(kind):
    class Nested(serializers.ModelSerializer):
        nested = Row(many=True, source="photo_set")
        dotted = GroupMeImageSerializerField(source="photo_set.picture")

        class Meta:
            model = Album
            fields = ["nested", "dotted"]

    class Part(serializers.ModelSerializer):
        part = Row(source="*")

        class Meta:
            model = Photo
            fields = ["part"]

    found = {
        "nested": lambda: Nested().fields["nested"].child.fields["picture"],
        "dotted": lambda: Nested().fields["dotted"],
        "part": lambda: Part().fields["part"].fields["picture"],
    }[kind]()
    assert found.model_field is Photo._meta.get_field("picture")


@pytest.mark.parametrize("name", ["caption", "missing", "title", "wrong", "itself"])
def test_what_is_no_file_field_of_the_model_has_the_storage_of_the_project(name):
    class Part(serializers.ModelSerializer):
        part = Row(source="*")

        class Meta:
            model = Photo
            fields = ["part"]

    field = Part().fields["part"].fields[name]
    assert field.model_field is None
    assert field.storage is groupme_storage


def test_without_a_model_the_storage_is_that_of_the_project():
    serializer = GallerySerializer()
    assert serializer.fields["cover"].storage is groupme_storage
    assert serializer.fields["pictures"].child.storage is groupme_storage
    assert GroupMeImageSerializerField().storage is groupme_storage


# A file


def test_a_file_is_uploaded_once_and_saved_without_another_request(emulator, arrived, api, db):
    response = api.post("/members/", {"name": "Ada", "photo": upload()}, format="multipart")
    assert response.status_code == 201
    assert arrived() == ["POST /pictures"]
    member = Member.objects.get()
    assert response.json() == {"id": member.pk, "name": "Ada", "photo": member.photo.url}
    assert member.photo.url.startswith(f"{emulator.cdn_url}48x32.jpeg.")


def test_a_valid_file_is_a_picture(emulator, arrived):
    serializer = MemberSerializer(data={"name": "Ada", "photo": upload()})
    assert serializer.is_valid()
    assert isinstance(serializer.validated_data["photo"], Picture)
    assert serializer.data["photo"] == serializer.validated_data["photo"].url
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_another_file_takes_the_place_of_a_picture(emulator, arrived, api, member, method):
    data = {"name": "Eve", "photo": upload(content=pictures.plain("PNG"))}
    response = getattr(api, method)(f"/members/{member.pk}/", data, format="multipart")
    assert response.status_code == 200
    assert arrived() == ["POST /pictures"]
    assert stored(member) == response.json()["photo"]
    assert ".png." in stored(member)


@pytest.mark.parametrize("name", ["photo.html", "photo", "x" * 150, "a/../b.jpg"])
def test_the_name_of_the_file_does_not_matter(emulator, api, db, name):
    response = api.post("/members/", {"name": "Ada", "photo": upload(name)}, format="multipart")
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"no picture", "invalid_image"),
        (PHOTO[: len(PHOTO) // 2], "truncated"),
        (pictures.encoded(pictures.opened(PHOTO), "BMP"), "format_not_allowed"),
    ],
)
def test_a_file_that_is_no_picture_is_not_sent(emulator, arrived, content, code):
    serializer = MemberSerializer(data={"name": "Ada", "photo": upload(content=content)})
    assert not serializer.is_valid()
    assert [error.code for error in serializer.errors["photo"]] == [code]
    assert arrived() == []


def test_limits_are_those_of_the_storage(emulator, arrived, api, db, settings):
    settings.GROUPME_MAX_UPLOAD_SIZE = 100
    response = api.post("/members/", {"name": "Ada", "photo": upload()}, format="multipart")
    assert response.status_code == 400
    assert "at most 100" in response.json()["photo"][0]
    assert arrived() == []


def landscape_only(file: Any) -> None:
    if file.image.width < file.image.height:
        raise DjangoValidationError("landscape only", code="portrait")


def test_validators_see_the_image_before_a_byte_is_sent(emulator, arrived):
    field = GroupMeImageSerializerField(validators=[landscape_only])
    with pytest.raises(ValidationError) as caught:
        field.run_validation(upload(content=pictures.plain(size=(10, 20))))
    assert caught.value.get_codes() == ["portrait"]
    assert arrived() == []
    assert field.run_validation(upload(content=pictures.plain(size=(20, 10)))).width == 20
    assert field.run_validation(LEGACY).url == LEGACY  # there is no file to look at


def test_djangos_own_field_can_have_ours(emulator, arrived, db):
    class PlainSerializer(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField(variants=True)

        class Meta:
            model = Plain
            fields = ["photo"]

    for photo in (upload(), JPEG):
        serializer = PlainSerializer(data={"photo": photo})
        assert serializer.is_valid()
        row = serializer.save()
        assert serializer.data["photo"]["avatar"] == f"{stored(row)}.avatar"
    assert arrived() == ["POST /pictures"]


# An address


@pytest.mark.parametrize("kind", ["json", "multipart"])
@pytest.mark.parametrize("suffix", ["", ".large"])
def test_the_address_of_a_picture_is_taken_as_it_is(emulator, arrived, api, db, kind, suffix):
    response = api.post("/members/", {"name": "Ada", "photo": JPEG + suffix}, format=kind)
    assert response.status_code == 201
    assert response.json()["photo"] == JPEG == Member.objects.values_list("photo", flat=True).get()
    assert arrived() == []


def test_any_other_address_is_fetched_by_the_service(emulator, arrived, api, db, elsewhere):
    response = api.post("/members/", {"name": "Ada", "photo": elsewhere}, format="json")
    assert response.status_code == 201
    assert response.json()["photo"].startswith(emulator.cdn_url)
    assert arrived() == ["POST /pictures"]
    assert emulator.app.record.as_list()[0]["query"] == {"url": elsewhere}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("cat.png", "invalid_url"),
        ("iVBORw0KGgoAAAANSUhEUg==", "invalid_url"),
        ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==", "invalid_url"),
        ("file:///etc/passwd", "invalid_url"),
        (" ", "invalid_url"),
        ("https://example.com/\ud800", "surrogate_characters_not_allowed"),
        ("x" * 1_000_000, "invalid_url"),
        (f"https://i.groupme.com/1x1.webp.{ID}", "format_not_allowed"),
        (f"https://i.groupme.com/65535x65535.jpeg.{'a' * 64}", "url_too_long"),
        ("", "required"),
        (None, "null"),
        (5, "invalid"),
        (True, "invalid"),
        ([], "invalid"),
        ([JPEG], "invalid"),
        ({"url": JPEG}, "invalid"),
    ],
)
def test_what_is_neither_a_file_nor_an_address_is_answered_with_400(
    emulator, arrived, api, db, value, code
):
    data = json.dumps({"photo": value})
    response = api.post("/groups/", data, content_type="application/json")
    assert response.status_code == 400
    (error,) = response.data["photo"]
    assert error.code == code
    assert len(error) < 300
    assert response.json() == {"photo": [str(error)]}
    assert arrived() == []


def test_a_picture_that_has_to_be_there_is_asked_for(api, db):
    assert api.post("/groups/", {}).json() == {"photo": ["No file was submitted."]}
    assert api.post("/groups/", {"photo": ""}).json() == {"photo": ["No file was submitted."]}
    assert api.post("/groups/", {"photo": [{}]}, format="json").json() == {
        "photo": ["Send a file, or the address of a picture as a text."]
    }


# What is there already


def read(api: APIClient, url: str) -> Any:
    response = api.get(url)
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize("photo", [JPEG, "", JPEG.replace("https", "http"), PNG + ".large"])
@pytest.mark.parametrize("kind", ["members", "cards"])
def test_what_was_read_can_be_written(emulator, arrived, api, db, kind, photo):
    member = Member.objects.create(name="Ada", photo=photo)
    url = f"/{kind}/{member.pk}/"
    before, data = stored(member), read(api, url)
    for method in (api.put, api.patch):
        response = method(url, data, format="json")
        assert (response.status_code, response.json()) == (200, data)
    assert stored(member) == before
    assert arrived() == []


def test_what_is_there_stays_though_its_format_is_not_allowed_any_more(api, member, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    url = f"/members/{member.pk}/"
    assert api.put(url, read(api, url), format="json").status_code == 200
    assert api.patch(url, {"photo": GIF}, format="json").status_code == 400


@pytest.mark.parametrize("data", [{"name": "Eve"}, {"name": "Eve", "photo": ""}])
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("null", [False, True])
def test_a_form_without_a_file_leaves_the_picture(
    emulator, arrived, api, member, data, method, null
):
    """A browser sends an empty text where no file was chosen."""
    kind, row = ("uniques", Unique.objects.create(photo=PNG)) if null else ("members", member)
    before = stored(row)
    response = getattr(api, method)(f"/{kind}/{row.pk}/", data, format="multipart")
    assert response.status_code == 200
    assert stored(row) == before
    assert arrived() == []


@pytest.mark.parametrize("nothing", ["", None, {"url": None}, {"url": ""}])
def test_clearing(emulator, arrived, api, member, nothing):
    response = api.patch(f"/cards/{member.pk}/", {"photo": nothing}, format="json")
    assert response.status_code == 200
    assert response.json()["photo"] is None
    assert stored(member) == ""
    assert arrived() == []


@pytest.mark.parametrize("nothing", ["", None])
def test_clearing_stores_null_where_the_model_does(api, db, nothing):
    for row in [Unique.objects.create(photo=JPEG), Unique.objects.create(photo=PNG)]:
        response = api.patch(f"/uniques/{row.pk}/", {"photo": nothing}, format="json")
        assert response.json()["photo"] is None
        assert stored(row) is None


def test_whoever_says_whether_null_is_allowed_is_heeded():
    def field(**kwargs: Any) -> Any:
        class Strict(serializers.ModelSerializer):
            class Meta:
                model = Member
                fields = ["photo"]
                extra_kwargs = {"photo": kwargs}

        return Strict().fields["photo"]

    assert not field(allow_null=False).allow_null
    assert not field(required=True).allow_null
    assert field(required=True, allow_null=True).allow_null


def test_a_unique_picture(emulator, arrived, api, db):
    row = Unique.objects.create(photo=JPEG)
    response = api.post("/uniques/", {"photo": JPEG}, format="json")
    assert response.status_code == 400
    assert response.data["photo"][0].code == "unique"
    assert api.put(f"/uniques/{row.pk}/", {"photo": JPEG}, format="json").status_code == 200
    assert api.post("/uniques/", {"photo": upload()}, format="multipart").status_code == 201
    assert arrived() == ["POST /pictures"]


# What the service has against it


@pytest.mark.parametrize("data", [{"photo": "file"}, {"photo": ELSEWHERE}])
@pytest.mark.parametrize(
    ("fault", "status", "code", "text"),
    [
        (Fault("status", status=400), 400, "rejected", "did not accept"),
        (Fault("status", status=413), 400, "rejected", "did not accept"),
        (Fault("status", status=429), 503, "busy", "is busy"),
        (Fault("status", status=503), 503, "unavailable", "does not answer"),
        (Fault("drop"), 503, "unavailable", "does not answer"),
        (Fault("status", status=401), 503, "misconfigured", "cannot upload"),
        (Fault("redirect", location="https://example.com/"), 503, "misconfigured", "cannot upload"),
        (Fault("garbage"), 503, "misconfigured", "cannot upload"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_a_failure_of_the_service(
    emulator, arrived, api, member, caplog, data, fault, status, code, text
):
    is_file = data["photo"] == "file"
    emulator.app.faults.add(Fault(**vars(fault)))
    response = api.patch(
        f"/members/{member.pk}/",
        {"name": "Eve", "photo": upload() if is_file else ELSEWHERE},
        format="multipart" if is_file else "json",
    )
    assert response.status_code == status
    detail = response.data["photo"][0] if status == 400 else response.data["detail"]
    assert detail.code == code
    assert text in detail
    assert ("“cat.jpg”" if is_file else f"“{ELSEWHERE}”") in detail
    assert "Retry-After" not in response
    assert arrived() == ["POST /pictures"]
    assert stored(member) == JPEG
    assert stored(member, "name") == "Ada"
    assert "could not be uploaded" in caplog.text
    assert "5ecre7t0ken" not in caplog.text + response.text


@pytest.mark.parametrize(
    ("said", "told"), [("120", "120"), ("0", None), ("-1", None), ("nonsense", None)]
)
def test_how_long_to_wait_is_passed_on(emulator, api, db, said, told):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": said}))
    response = api.post("/members/", {"name": "Ada", "photo": upload()}, format="multipart")
    assert response.status_code == 503
    assert response.get("Retry-After") == told
    assert not Member.objects.exists()


def test_a_service_that_is_not_there(api, db):
    response = api.post("/members/", {"name": "Ada", "photo": upload()}, format="multipart")
    assert response.status_code == 503
    assert response.data["detail"].code == "unavailable"


def test_a_mistake_in_the_settings_stays_one(api, db, settings):
    settings.GROUPME_TIMEOUT = "soon"
    with pytest.raises(ImproperlyConfigured):
        api.post("/members/", {"name": "Ada", "photo": upload()}, format="multipart")


def test_the_exception_of_the_service():
    error = PictureServiceUnavailable()
    assert error.status_code == 503
    assert (error.detail.code, error.wait) == ("unavailable", None)
    assert PictureServiceUnavailable(wait=0.2).wait == 1


# Reading

VARIANTS = {
    "url": LARGE,
    "width": 4032,
    "height": 3024,
    "format": "jpeg",
    "preview": f"{LARGE}.preview",
    "large": f"{LARGE}.large",
    "avatar": f"{LARGE}.avatar",
}


def test_variants(api, db):
    Member.objects.bulk_create(
        [Member(name="a", photo=LARGE), Member(name="b", photo=LEGACY), Member(name="c")]
    )
    assert [card["photo"] for card in read(api, "/cards/")] == [
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
    assert [member["photo"] for member in read(api, "/members/")] == [LARGE, LEGACY, None]


def test_reading_is_pure(forbid_io, django_assert_num_queries, db):
    """No query, no cache, no storage, no socket."""
    Member.objects.bulk_create(Member(name=str(n), photo=LARGE) for n in range(10))
    rows = list(Member.objects.all())

    forbid_io()
    with django_assert_num_queries(0):
        assert [card["photo"] for card in CardSerializer(rows, many=True).data] == [VARIANTS] * 10
        assert [row["photo"] for row in MemberSerializer(rows, many=True).data] == [LARGE] * 10


@pytest.mark.parametrize("value", [LARGE, Picture.parse(LARGE), f"{LARGE}.avatar"])
def test_what_is_read_may_be_a_text_or_a_picture(value):
    data = GallerySerializer({"cover": value, "pictures": [value, None, "cat.png"]}).data
    assert data == {"cover": VARIANTS, "pictures": [LARGE, None, None]}


def test_a_name_that_is_no_picture_is_read_as_none(db):
    row = Member(name="Ada", photo="photos/cat.png")
    assert MemberSerializer(row).data["photo"] is None


# Another storage in the place of GroupMe's


def test_a_file_of_another_storage_is_saved_with_its_row(local, api, db):
    response = api.post("/cards/", {"name": "Ada", "photo": upload()}, format="multipart")
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


@pytest.mark.parametrize("kind", ["members", "cards"])
def test_what_was_read_of_another_storage_can_be_written(local, api, db, kind):
    member = Member(name="Ada")
    member.photo.save("cat.jpg", upload())
    url = f"/{kind}/{member.pk}/"
    data = read(api, url)
    response = api.put(url, data, format="json")
    assert (response.status_code, response.json()) == (200, data)
    assert stored(member) == member.photo.name
    assert api.put(url, data | {"photo": ELSEWHERE}, format="json").status_code == 400


def test_a_unique_file_of_another_storage(local, api, db):
    for _ in range(2):
        response = api.post("/uniques/", {"photo": upload()}, format="multipart")
        assert response.status_code == 201


def test_a_file_that_is_not_saved_yet_is_read_as_none(local):
    serializer = MemberSerializer(data={"name": "Ada", "photo": upload()})
    assert serializer.is_valid()
    assert serializer.data["photo"] is None


def test_the_url_of_another_storage_is_absolute_where_there_is_a_request(db):
    class LocalSerializer(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField()

        class Meta:
            model = Local
            fields = ["photo"]

    assert isinstance(LocalSerializer().fields["photo"].storage, InMemoryStorage)
    row = Local.objects.create(photo=upload())
    assert LocalSerializer(row).data["photo"] == f"/{row.photo.name}"
    context = {"request": RequestFactory().get("/")}
    data = LocalSerializer(row, context=context).data
    assert data["photo"] == f"http://testserver/{row.photo.name}"


# Many of them


def test_nested_rows_are_written(emulator, arrived, api, db):
    photos = [{"picture": JPEG, "caption": "a"}, {"picture": PNG, "caption": "b"}]
    data = {"title": "x", "photos": photos}
    response = api.post("/albums/", data, format="json")
    assert response.status_code == 201
    assert response.json()["photos"] == photos
    assert arrived() == []


def test_nested_rows_are_written_with_files(emulator, arrived, api, db):
    data = {"title": "x", "photos[0]caption": "a", "photos[0]picture": upload()}
    response = api.post("/albums/", data, format="multipart")
    assert response.status_code == 201
    assert arrived() == ["POST /pictures"]
    assert response.json()["photos"][0]["picture"] == Photo.objects.get().picture.url


def test_errors_of_nested_rows(emulator, api, db):
    photos = [{"picture": JPEG, "caption": "a"}, {"picture": "", "caption": "b"}]
    serializer = AlbumSerializer(data={"title": "x", "photos": photos})
    assert not serializer.is_valid()
    assert serializer.errors["photos"][1] == {"picture": ["No file was submitted."]}


def test_a_list_of_rows(emulator, arrived, member):
    data = [{"name": "Ada", "photo": upload()}, {"name": "Eve", "photo": JPEG}]
    serializer = MemberSerializer(Member.objects.all(), data=data, many=True)
    assert serializer.is_valid()
    assert [row["photo"].format for row in serializer.validated_data] == ["jpeg", "jpeg"]
    assert arrived() == ["POST /pictures"]


def test_a_list_of_pictures(emulator, arrived, api):
    data = {"cover": VARIANTS, "pictures": [JPEG, PNG]}
    response = api.post("/gallery/", data, format="json")
    assert (response.status_code, response.json()) == (200, data)
    response = api.post("/gallery/", {"cover": "", "pictures": [upload(), upload()]})
    assert response.json() == {"cover": ["No file was submitted."]}
    response = api.post("/gallery/", {"cover": JPEG, "pictures": [upload(), upload("b.jpg", b"b")]})
    assert list(response.json()["pictures"]) == ["1"]
    assert arrived() == ["POST /pictures"] * 3
    emulator.app.faults.add(Fault("status", status=503))
    response = api.post("/gallery/", {"cover": JPEG, "pictures": [upload()]})
    assert response.status_code == 503


# In a browser


def html(response: Any) -> str:
    assert "text/html" in response["Content-Type"]
    return response.content.decode()


@pytest.mark.parametrize("kind", ["members", "cards"])
def test_the_browsable_api(emulator, arrived, api, member, kind):
    page = html(api.get(f"/{kind}/", headers={"Accept": "text/html"}))
    assert '<input name="photo"  type="file"' in page
    page = html(api.get(f"/{kind}/{member.pk}/", headers={"Accept": "text/html"}))
    assert JPEG in page
    data = {"name": "Ada", "photo": upload()}
    response = api.post(f"/{kind}/", data, headers={"Accept": "text/html"})
    assert response.status_code == 201
    assert Member.objects.latest("pk").photo.url in html(response)
    assert arrived() == ["POST /pictures"]


def test_the_browsable_api_shows_errors(emulator, api, db):
    data = {"name": "Ada", "photo": upload(content=b"no picture")}
    response = api.post("/members/", data, headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert "“cat.jpg” is not an image" in html(response)
    emulator.app.faults.add(Fault("status", status=503))
    data = {"name": "Ada", "photo": upload()}
    response = api.post("/members/", data, headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert "does not answer" in html(response)


def test_a_form_of_a_browser_in_which_no_file_was_chosen(api, db):
    row = Unique.objects.create(photo=JPEG)
    body = (
        '--x\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n'
        "Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    response = api.put(
        f"/uniques/{row.pk}/", body.encode(), content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code == 200
    assert stored(row) == JPEG


def test_a_form_without_a_file_where_one_is_asked_for(db):
    serializer = GroupSerializer(data=QueryDict("photo=&top="))
    assert not serializer.is_valid()
    assert serializer.errors == {"photo": ["No file was submitted."]}
    row = Group.objects.create(photo=JPEG)
    serializer = GroupSerializer(row, data=QueryDict("photo=&top="), partial=True)
    assert serializer.is_valid()
    assert serializer.validated_data == {}


def test_a_browser_asks_what_can_be_sent(api, member):
    fields = api.options(f"/members/{member.pk}/").json()["actions"]["PUT"]
    assert fields["photo"]["type"] == "image upload"


def test_texts_are_translatable():
    texts = GroupMeImageSerializerField.default_error_messages.values()
    assert all(isinstance(text, Promise) for text in texts)
    assert isinstance(PictureServiceUnavailable.default_detail, Promise)


# Uploads after validation, with upload_early=False


@pytest.fixture
def late(settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = False


class CheckedSerializer(MemberSerializer):
    def validate(self, values: Any) -> Any:
        if values["name"] == "Eve":
            raise ValidationError("not Eve")
        return values


@pytest.mark.parametrize("name", ["", "x" * 51, "Eve"])
@pytest.mark.parametrize("way", ["file", "url"])
def test_invalid_serializer_sends_nothing(late, emulator, arrived, db, name, way):
    data = {"name": name, "photo": upload() if way == "file" else ELSEWHERE}
    for serializer in (
        CheckedSerializer(data=data),
        CheckedSerializer(data=[{**data, "name": "Ada"}, data], many=True),
    ):
        assert not serializer.is_valid()
    assert arrived() == []


def test_valid_serializer_uploads_once(late, emulator, arrived, elsewhere, db):
    serializer = CheckedSerializer(data={"name": "Ada", "photo": upload()})
    assert serializer.is_valid(), serializer.errors
    photo = serializer.validated_data["photo"]
    assert serializer.data["photo"] == photo.url == photo.picture.url
    serializer = CheckedSerializer(data={"name": "Ada", "photo": photo})
    assert serializer.is_valid()
    member = serializer.save()
    member.refresh_from_db()
    assert member.photo.url == photo.url
    assert posts(arrived) == 1
    serializer = CheckedSerializer(data={"name": "Ada", "photo": elsewhere})
    assert serializer.is_valid(), serializer.errors
    assert serializer.save().photo.width == 48
    assert posts(arrived) == 2
    serializer = CheckedSerializer(member, data={"name": "Ada", "photo": member.photo.url})
    assert serializer.is_valid(), serializer.errors
    assert serializer.save().photo.url == photo.url
    assert posts(arrived) == 2


class DeepSerializer(serializers.Serializer):
    below = GroupMeImageSerializerField(source="deep.er")


class StarredSerializer(serializers.Serializer):
    picture = GroupMeImageSerializerField(source="pic")


class SourcedSerializer(serializers.Serializer):
    deep = DeepSerializer(required=False)
    starred = StarredSerializer(source="*", required=False)


@pytest.mark.parametrize(("name", "field"), [("deep", "below"), ("starred", "picture")])
def test_errors_of_late_uploads_are_at_their_fields(late, emulator, name, field):
    emulator.app.faults.add(Fault("status", status=400))
    serializer = SourcedSerializer(data={name: {field: upload()}})
    assert not serializer.is_valid()
    assert "did not accept" in serializer.errors[name][field][0]


def test_file_that_validate_moves_is_uploaded(late, emulator, arrived):
    class Moving(SourcedSerializer):
        def validate(self, values: Any) -> Any:
            return {"elsewhere": [values["deep"]]}

    serializer = Moving(data={"deep": {"below": upload()}})
    assert serializer.is_valid(), serializer.errors
    assert posts(arrived) == 1


@pytest.mark.parametrize("early", [True, False])
def test_validators_of_a_serializer_see_no_picture(settings, emulator, early):
    settings.GROUPME_UPLOAD_EARLY = early
    seen = []

    class Seeing(serializers.Serializer):
        photo = GroupMeImageSerializerField(validators=[lambda file: seen.append(file.picture)])

    assert Seeing(data={"photo": upload()}).is_valid()
    assert seen == [None]


def test_list_serializer_uploads_once(late, emulator, arrived, db):
    data = [{"name": name, "photo": upload()} for name in "ab"]
    serializer = CheckedSerializer(data=data, many=True)
    assert serializer.is_valid(), serializer.errors
    members = serializer.save()
    assert [member.photo.width for member in members] == [48, 48]
    assert posts(arrived) == 2


def test_nested_serializers_upload_with_the_outermost(late, emulator, arrived, api, db):
    photos = {f"photos[{number}]picture": upload() for number in range(2)}
    captions = {f"photos[{number}]caption": "a" for number in range(2)}
    assert api.post("/albums/", photos | captions).status_code == 400
    assert arrived() == []
    photos = {name: upload() for name in photos}
    emulator.app.faults.add(Fault("status", status=400))
    response = api.post("/albums/", {"title": "x"} | photos | captions)
    assert response.status_code == 400
    assert "did not accept" in response.data["photos"][0]["picture"][0]
    assert posts(arrived) == 1
    photos = {name: upload() for name in photos}
    response = api.post("/albums/", {"title": "x"} | photos | captions)
    assert response.status_code == 201, response.data
    assert posts(arrived) == 3
    assert [photo.picture.width for photo in Photo.objects.all()] == [48, 48]


def test_failure_after_validation_is_a_response(late, emulator, api, db):
    emulator.app.faults.add(Fault("status", status=503))
    response = api.post("/members/", {"name": "Ada", "photo": upload()})
    assert response.status_code == 503
    assert not Member.objects.exists()


def test_url_too_long_for_the_field_after_validation(late, emulator):
    class Serializer(serializers.Serializer):
        photo = GroupMeImageSerializerField(max_length=10)

    serializer = Serializer(data={"photo": upload()})
    assert not serializer.is_valid()
    assert serializer.errors["photo"][0].code == "url_too_long"


def test_outage_after_validation_saves_the_file_once(late, emulator, fallback, api, db):
    emulator.app.faults.add(Fault("status", status=503))
    serializer = MemberSerializer(data={"name": "Ada", "photo": upload()})
    assert serializer.is_valid(), serializer.errors
    assert serializer.data["photo"].startswith("/media/groupme-forms/")
    serializer = MemberSerializer(data={"name": "Ada", "photo": upload()})
    assert serializer.is_valid(), serializer.errors
    serializer.save()
    assert len(fallback.listdir("groupme-forms")[1]) == 1


def test_serializer_field_alone_uploads_nothing(late, emulator, arrived):
    file = GroupMeImageSerializerField().run_validation(upload())
    assert (file.picture, file.url) == (None, None)
    assert arrived() == []


URI = {"type": "string", "format": "uri"}
URI_OR_FILE = {"type": "string", "anyOf": [{"format": "uri"}, {"format": "binary"}]}

together = {"COMPONENT_SPLIT_REQUEST": False}
split = {"COMPONENT_SPLIT_REQUEST": True}
together_31 = {"COMPONENT_SPLIT_REQUEST": False, "OAS_VERSION": "3.1.1"}
split_31 = {"COMPONENT_SPLIT_REQUEST": True, "OAS_VERSION": "3.1.1"}


def schemas(name: str) -> Any:
    output = StringIO()
    call_command(
        "spectacular",
        urlconf="tests.api",
        format="openapi-json",
        validate=True,
        fail_on_warn=True,
        custom_settings=f"{__name__}.{name}",
        stdout=output,
    )
    return json.loads(output.getvalue())["components"]["schemas"]


@pytest.mark.parametrize("name", ["together", "split"])
def test_the_schema_of_what_is_read(name):
    found = schemas(name)
    assert found["Member"]["properties"]["photo"] == URI | {"nullable": True}
    assert found["Group"]["properties"]["photo"] == URI
    assert found["Group"]["properties"]["top"] == URI | {"nullable": True}
    assert found["Photo"]["properties"]["picture"] == URI
    assert found["Gallery"]["properties"]["pictures"]["items"] == URI
    reference = {"$ref": "#/components/schemas/GroupMeImageVariants"}
    for owner, field in [("Card", "photo"), ("Gallery", "cover")]:
        expected = {"allOf": [reference], "nullable": True}
        assert found[owner]["properties"][field] == expected


def test_the_schema_of_the_variants():
    found = schemas("split")["GroupMeImageVariants"]
    unknown = {"nullable": True, "readOnly": True}
    assert found["properties"] == {
        "url": URI,
        "width": {"type": "integer"} | unknown,
        "height": {"type": "integer"} | unknown,
        "format": {"type": "string"} | unknown,
        "preview": URI | {"readOnly": True},
        "large": URI | {"readOnly": True},
        "avatar": URI | {"readOnly": True},
    }
    assert set(found["required"]) == set(VARIANTS)


def test_the_schema_of_what_is_written():
    found = schemas("split")
    for owner in ("MemberRequest", "CardRequest", "PatchedCardRequest"):
        photo = found[owner]["properties"]["photo"]
        assert photo == URI_OR_FILE | {"nullable": True}
    assert found["GroupRequest"]["properties"]["photo"] == URI_OR_FILE
    assert found["GalleryRequest"]["properties"]["pictures"]["items"] == URI_OR_FILE


def test_the_schema_in_openapi_3_1():
    null = {"type": "null"}
    found = schemas("split_31")
    photo = found["MemberRequest"]["properties"]["photo"]
    assert photo == URI_OR_FILE | {"type": ["string", "null"]}
    assert found["Card"]["properties"]["photo"]["oneOf"][1] == null
    width = found["GroupMeImageVariants"]["properties"]["width"]
    assert width == {"type": ["integer", "null"], "readOnly": True}
    assert schemas("together_31")["Group"]["properties"]["photo"] == URI


def test_the_schema_knows_what_the_database_may_hold():
    """Whatever a request has to say."""

    class Strict(serializers.ModelSerializer):
        class Meta:
            model = Unique
            fields = ["photo"]
            extra_kwargs = {"photo": {"required": True, "allow_null": False}}

    from django_groupme_images.schema import GroupMeImageSchema

    strict = Strict().fields["photo"]
    assert GroupMeImageSchema(strict).map_serializer_field(None, "response")["nullable"]
    assert UniqueSerializer().fields["photo"].allow_null
