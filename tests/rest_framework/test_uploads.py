"""Files and URLs that a client sends to an API, and the errors that it receives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.files.images import get_image_dimensions
from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.rest_framework import GroupMeImageSerializerField
from tests.support import emulator_pictures as pictures
from tests.support.api import MemberSerializer, UniqueSerializer
from tests.support.field_data import PHOTO, stored_value, upload_count, uploaded_file
from tests.support.serializers import get_json
from tests.support.urls_of_pictures import GIF, ID, JPEG, LEGACY, PNG
from tests.testapp.models import Member, Plain, Unique

pytestmark = pytest.mark.urls("tests.support.api")

OTHER_URL = "https://example.com/cat.jpg"


# Files


def test_create_with_file_uploads_it_once(emulator, list_requests, api, db):
    response = api.post("/members/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")
    assert response.status_code == 201
    assert list_requests() == ["POST /pictures"]
    member = Member.objects.get()
    assert response.json() == {"id": member.pk, "name": "Ada", "photo": member.photo.url}
    assert member.photo.url.startswith(f"{emulator.cdn_url}48x32.jpeg.")


@pytest.mark.parametrize("state", ["up", "down", "deferred", "late", "other storage"])
def test_validate_method_in_every_state_receives_submitted_file(
    state, emulator, fallback, settings, list_requests, db
):
    seen = []

    class Checked(MemberSerializer):
        def validate_photo(self, file: Any) -> Any:
            assert (file.name, file.content_type, file.tell()) == ("cat.jpg", "image/jpeg", 0)
            assert (file.size, file.image.size) == (len(PHOTO), (48, 32))
            assert (file.read(), get_image_dimensions(file)) == (PHOTO, (48, 32))
            seen.append((file.picture, file.url))
            return file

    if state == "down":
        emulator.app.faults.add(Fault("status", status=503))
    if state == "other storage":
        settings.STORAGES = settings.STORAGES | {
            "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
        }
    settings.GROUPME_DEFERRED = state == "deferred"
    settings.GROUPME_UPLOAD_EARLY = state != "late"
    serializer = Checked(data={"name": "Ada", "photo": uploaded_file()})
    assert serializer.is_valid(), serializer.errors
    file = serializer.validated_data["photo"]
    assert isinstance(file, UploadedFile)
    assert serializer.fields["photo"].to_representation(file) == file.url
    member = serializer.save()
    member.refresh_from_db()
    ((picture, url),) = seen
    if state == "up":
        assert picture.url == url == member.photo.url
    elif state in ("down", "deferred"):
        assert (picture, url) == (None, member.photo.url)
    else:
        assert (picture, url) == (None, None)
    assert upload_count(list_requests) == (state in ("up", "down", "late"))


@pytest.mark.parametrize("method", ["put", "patch"])
def test_update_with_file_replaces_stored_url(emulator, list_requests, api, member, method):
    data = {"name": "Eve", "photo": uploaded_file(content=pictures.plain("PNG"))}
    response = getattr(api, method)(f"/members/{member.pk}/", data, format="multipart")
    assert response.status_code == 200
    assert list_requests() == ["POST /pictures"]
    assert stored_value(member) == response.json()["photo"]
    assert ".png." in stored_value(member)


@pytest.mark.parametrize("name", ["photo.html", "photo", "x" * 150, "a/../b.jpg"])
def test_create_with_unusual_file_name_succeeds(emulator, api, db, name):
    response = api.post(
        "/members/", {"name": "Ada", "photo": uploaded_file(name)}, format="multipart"
    )
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"no picture", "invalid_image"),
        (PHOTO[: len(PHOTO) // 2], "truncated"),
        (pictures.encoded(pictures.opened(PHOTO), "TIFF"), "format_not_allowed"),
        (pictures.plain("WEBP")[:-20], "truncated"),
    ],
)
def test_serializer_with_invalid_file_reports_error_without_upload(
    emulator, list_requests, content, code
):
    serializer = MemberSerializer(data={"name": "Ada", "photo": uploaded_file(content=content)})
    assert not serializer.is_valid()
    assert [error.code for error in serializer.errors["photo"]] == [code]
    assert list_requests() == []


def test_create_with_file_above_max_upload_size_returns_400(
    emulator, list_requests, api, db, settings
):
    settings.GROUPME_MAX_UPLOAD_SIZE = 100
    response = api.post("/members/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")
    assert response.status_code == 400
    assert "maximum size is 100" in response.json()["photo"][0]
    assert list_requests() == []


def landscape_only(file: Any) -> None:
    if file.image.width < file.image.height:
        raise DjangoValidationError("landscape only", code="portrait")


def test_field_validator_that_raises_prevents_upload(emulator, list_requests):
    field = GroupMeImageSerializerField(validators=[landscape_only])
    with pytest.raises(ValidationError) as caught:
        field.run_validation(uploaded_file(content=pictures.plain(size=(10, 20))))
    assert caught.value.get_codes() == ["portrait"]
    assert list_requests() == []
    file = field.run_validation(uploaded_file(content=pictures.plain(size=(20, 10))))
    assert file.picture.width == 20
    assert field.run_validation(LEGACY).url == LEGACY  # A URL has no file to validate.


def test_groupme_serializer_field_for_image_field_saves_url(emulator, list_requests, db):
    class PlainSerializer(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField(variants=True)

        class Meta:
            model = Plain
            fields = ["photo"]

    for photo in (uploaded_file(), JPEG):
        serializer = PlainSerializer(data={"photo": photo})
        assert serializer.is_valid()
        row = serializer.save()
        assert serializer.data["photo"]["avatar"] == f"{stored_value(row)}.avatar"
    assert list_requests() == ["POST /pictures"]


# URLs


@pytest.mark.parametrize("format_", ["json", "multipart"])
@pytest.mark.parametrize("suffix", ["", ".large"])
def test_create_with_groupme_url_stores_it_without_request(
    emulator, list_requests, api, db, format_, suffix
):
    response = api.post("/members/", {"name": "Ada", "photo": JPEG + suffix}, format=format_)
    assert response.status_code == 201
    assert response.json()["photo"] == JPEG == Member.objects.values_list("photo", flat=True).get()
    assert list_requests() == []


def test_create_with_other_url_uploads_it_by_url(emulator, list_requests, api, db, remote_url):
    response = api.post("/members/", {"name": "Ada", "photo": remote_url}, format="json")
    assert response.status_code == 201
    assert response.json()["photo"].startswith(emulator.cdn_url)
    assert list_requests() == ["POST /pictures"]
    assert emulator.app.record.as_list()[0]["query"] == {"url": remote_url}


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
def test_create_with_invalid_value_returns_400(emulator, list_requests, api, db, value, code):
    data = json.dumps({"photo": value})
    response = api.post("/groups/", data, content_type="application/json")
    assert response.status_code == 400
    (error,) = response.data["photo"]
    assert error.code == code
    assert len(error) < 300
    assert response.json() == {"photo": [str(error)]}
    assert list_requests() == []


def test_create_without_required_image_reports_error(api, db):
    assert api.post("/groups/", {}).json() == {"photo": ["No file was submitted."]}
    assert api.post("/groups/", {"photo": ""}).json() == {"photo": ["No file was submitted."]}
    assert api.post("/groups/", {"photo": [{}]}, format="json").json() == {
        "photo": ["Expected a file or an image URL."]
    }


# Updates


@pytest.mark.parametrize("photo", [JPEG, "", JPEG.replace("https", "http"), PNG + ".large"])
@pytest.mark.parametrize("endpoint", ["members", "cards"])
def test_update_with_unchanged_data_keeps_stored_url(
    emulator, list_requests, api, db, endpoint, photo
):
    member = Member.objects.create(name="Ada", photo=photo)
    url = f"/{endpoint}/{member.pk}/"
    before, data = stored_value(member), get_json(api, url)
    for method in (api.put, api.patch):
        response = method(url, data, format="json")
        assert (response.status_code, response.json()) == (200, data)
    assert stored_value(member) == before
    assert list_requests() == []


def test_update_with_unchanged_url_of_disallowed_format_succeeds(api, member, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    url = f"/members/{member.pk}/"
    assert api.put(url, get_json(api, url), format="json").status_code == 200
    assert api.patch(url, {"photo": GIF}, format="json").status_code == 400


@pytest.mark.parametrize("data", [{"name": "Eve"}, {"name": "Eve", "photo": ""}])
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("null", [False, True])
def test_multipart_update_without_file_keeps_image(
    emulator, list_requests, api, member, data, method, null
):
    """Browsers submit an empty string if no file is chosen."""
    endpoint, row = ("uniques", Unique.objects.create(photo=PNG)) if null else ("members", member)
    before = stored_value(row)
    response = getattr(api, method)(f"/{endpoint}/{row.pk}/", data, format="multipart")
    assert response.status_code == 200
    assert stored_value(row) == before
    assert list_requests() == []


@pytest.mark.parametrize("empty", ["", None, {"url": None}, {"url": ""}])
def test_json_update_with_empty_value_clears_image(emulator, list_requests, api, member, empty):
    response = api.patch(f"/cards/{member.pk}/", {"photo": empty}, format="json")
    assert response.status_code == 200
    assert response.json()["photo"] is None
    assert stored_value(member) == ""
    assert list_requests() == []


@pytest.mark.parametrize("empty", ["", None])
def test_update_of_unique_field_with_empty_value_stores_null(api, db, empty):
    for row in [Unique.objects.create(photo=JPEG), Unique.objects.create(photo=PNG)]:
        response = api.patch(f"/uniques/{row.pk}/", {"photo": empty}, format="json")
        assert response.json()["photo"] is None
        assert stored_value(row) is None


def test_create_with_url_of_other_row_in_unique_field_returns_400(emulator, list_requests, api, db):
    row = Unique.objects.create(photo=JPEG)
    response = api.post("/uniques/", {"photo": JPEG}, format="json")
    assert response.status_code == 400
    assert response.data["photo"][0].code == "unique"
    assert api.put(f"/uniques/{row.pk}/", {"photo": JPEG}, format="json").status_code == 200
    assert api.post("/uniques/", {"photo": uploaded_file()}, format="multipart").status_code == 201
    assert list_requests() == ["POST /pictures"]


# Failed uploads


@pytest.mark.parametrize("data", [{"photo": "file"}, {"photo": OTHER_URL}])
@pytest.mark.parametrize(
    ("fault", "status", "code", "text"),
    [
        (Fault("status", status=400), 400, "rejected", "rejected"),
        (Fault("status", status=413), 400, "rejected", "rejected"),
        (Fault("status", status=429), 503, "busy", "is busy"),
        (Fault("status", status=503), 503, "unavailable", "is not responding"),
        (Fault("drop"), 503, "unavailable", "is not responding"),
        (Fault("status", status=401), 503, "misconfigured", "cannot upload"),
        (Fault("redirect", location="https://example.com/"), 503, "misconfigured", "cannot upload"),
        (Fault("garbage"), 503, "misconfigured", "cannot upload"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_update_with_failed_upload_returns_error_and_keeps_row(
    emulator, list_requests, api, member, caplog, data, fault, status, code, text
):
    is_file = data["photo"] == "file"
    emulator.app.faults.add(Fault(**vars(fault)))
    response = api.patch(
        f"/members/{member.pk}/",
        {"name": "Eve", "photo": uploaded_file() if is_file else OTHER_URL},
        format="multipart" if is_file else "json",
    )
    assert response.status_code == status
    detail = response.data["photo"][0] if status == 400 else response.data["detail"]
    assert detail.code == code
    assert ("could not load" if code == "rejected" and not is_file else text) in detail
    assert ("“cat.jpg”" if is_file else f"“{OTHER_URL}”") in detail
    assert "Retry-After" not in response
    assert list_requests() == ["POST /pictures"]
    assert stored_value(member) == JPEG
    assert stored_value(member, "name") == "Ada"
    assert "could not be uploaded" in caplog.text
    assert "5ecre7t0ken" not in caplog.text + response.text


@pytest.mark.parametrize(
    ("received", "expected"), [("120", "120"), ("0", None), ("-1", None), ("nonsense", None)]
)
def test_create_when_rate_limited_returns_503_with_retry_after(
    emulator, api, db, received, expected
):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": received}))
    response = api.post("/members/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")
    assert response.status_code == 503
    assert response.get("Retry-After") == expected
    assert not Member.objects.exists()


def test_create_with_unreachable_service_returns_503(api, db):
    response = api.post("/members/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")
    assert response.status_code == 503
    assert response.data["detail"].code == "unavailable"


def test_create_with_invalid_setting_raises_improperly_configured(api, db, settings):
    settings.GROUPME_TIMEOUT = "soon"
    with pytest.raises(ImproperlyConfigured):
        api.post("/members/", {"name": "Ada", "photo": uploaded_file()}, format="multipart")


def test_unique_field_with_uploaded_file_of_other_row_is_rejected(emulator, db):
    file = uploaded_file()
    assert GroupMeImageSerializerField().run_validation(file) is file
    Unique.objects.create(photo=file.url)
    serializer = UniqueSerializer(data={"photo": file})
    assert not serializer.is_valid()
    assert serializer.errors["photo"][0].code == "unique"
