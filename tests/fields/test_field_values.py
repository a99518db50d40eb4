"""Values of image fields: access, assignment, validation, and NULL."""

from __future__ import annotations

import copy

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.forms import modelform_factory

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import InvalidPicture, ServiceUnavailable, UploadRejected
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, content_file, stored_value
from tests.support.urls_of_pictures import JPEG, LARGE, LEGACY
from tests.testapp.models import Group, Local, Measured, Member, Unique

pytestmark = pytest.mark.django_db


# Access and assignment


def test_save_with_file_uploads_it_once(emulator, list_requests):
    row = Member.objects.create(name="Ada", photo=content_file())
    assert list_requests() == ["POST /pictures"]
    assert stored_value(row) == row.photo.name == row.photo.url
    assert Picture.parse(stored_value(row), emulator.cdn_url) == row.photo.picture
    with row.photo.open() as file:
        assert file.read() == PHOTO
    row.name = "Grace"
    row.save()
    assert len(list_requests()) == 2


def test_value_with_url_has_variants_without_queries(django_assert_num_queries):
    row = Member(photo=LARGE)
    with django_assert_num_queries(0):
        value = row.photo
        assert value.url == str(value) == LARGE
        assert value.preview_url == f"{LARGE}.preview"
        assert value.large_url == f"{LARGE}.large"
        assert value.avatar_url == f"{LARGE}.avatar"
        assert (value.width, value.height, value.format) == (4032, 3024, "jpeg")
        assert value.picture == Picture.parse(LARGE)
        assert value.attachment() == {"type": "image", "url": LARGE}


def test_value_with_legacy_url_has_no_dimensions():
    value = Member(photo=LEGACY).photo
    assert (value.width, value.height, value.format) == (None, None, None)
    assert value.avatar_url == f"{LEGACY}.avatar"


@pytest.mark.parametrize("empty", [None, "", Member().photo], ids=["None", "empty", "other row"])
def test_value_without_image_raises_on_access(empty):
    value = Member(photo=empty).photo
    assert not value
    assert value.picture is value.format is None
    names = "url", "preview_url", "large_url", "avatar_url", "size", "width", "height", "path"
    for name in names:
        with pytest.raises(ValueError, match="has no file associated with it"):
            getattr(value, name)
    with pytest.raises(
        InvalidPicture, match=r"gallery\.Member\.photo has no uploaded image to attach"
    ):
        value.attachment()


def test_value_with_unsaved_file_has_dimensions_but_no_url():
    value = Member(photo=content_file("cat.jpg", pictures.plain(size=(30, 20)))).photo
    assert value.picture is value.format is None
    assert (value.width, value.height) == (30, 20)
    for name in ("url", "avatar_url"):
        with pytest.raises(InvalidPicture, match=r"'cat\.jpg' is not the URL"):
            getattr(value, name)


@pytest.mark.parametrize(
    "given",
    [JPEG, f"{JPEG}.large", JPEG.replace("https", "http"), Picture.parse(JPEG), Member(photo=JPEG)],
    ids=["URL", "variant", "http", "Picture", "other row"],
)
def test_save_with_groupme_url_stores_canonical_url(given):
    row = Member(photo=given.photo if isinstance(given, Member) else given)
    row.full_clean(exclude=["name"])
    row.save()
    assert stored_value(row) == row.photo.name == JPEG
    row.refresh_from_db()
    assert row.photo.url == JPEG


def test_save_with_uploaded_file_uploads_it(emulator, list_requests):
    row = Member(photo=SimpleUploadedFile("cat.jpg", PHOTO, "image/jpeg"))
    row.full_clean(exclude=["name"])
    row.save()
    assert list_requests() == ["POST /pictures"]


def test_create_with_unnamed_file_raises_without_upload(emulator, list_requests):
    with pytest.raises(FieldError, match="must have the name attribute"), transaction.atomic():
        Member.objects.create(photo=ContentFile(PHOTO))
    assert list_requests() == []


def test_save_with_file_of_other_storage_uploads_it(emulator, list_requests, settings, tmp_path):
    on_disk = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": on_disk, "OPTIONS": {"location": tmp_path}},
    }
    local = Local.objects.create(photo=content_file())
    local.photo.close()
    row = Member(photo=local.photo)
    borrowed = row.photo.file
    row.save()
    assert list_requests() == ["POST /pictures"]
    assert borrowed.closed
    assert row.photo.read() == PHOTO
    row.photo.close()
    assert stored_value(local) == "local/cat.jpg"
    local.photo.delete()


def test_save_with_unsaved_file_of_other_row_uploads_both(emulator, list_requests):
    first = Member(photo=content_file())
    second = Member(photo=first.photo)
    second.save()
    first.save()
    assert list_requests() == ["POST /pictures"] * 2
    assert stored_value(first) != stored_value(second)


def test_save_with_value_of_other_field_stores_same_url(emulator, list_requests):
    row = Group.objects.create(photo=content_file())
    row.banner = row.photo
    row.save()
    assert stored_value(row, "banner") == stored_value(row, "photo")
    row.banner.save("other.jpg", content_file())
    assert stored_value(row, "banner") != stored_value(row, "photo")
    assert len(list_requests()) == 2


def test_copied_row_has_independent_value(emulator):
    row = Member.objects.create(name="Ada", photo=content_file())
    before = row.photo.name
    twin = copy.copy(row)
    twin.pk = None
    twin._state.adding = True
    twin.save()
    assert stored_value(twin) == before
    twin.photo.save("new.jpg", content_file())
    assert row.photo.name == stored_value(row) == before != stored_value(twin)
    assert row.photo.instance is row
    assert twin.photo.instance is twin
    assert copy.deepcopy(row).photo.name == before


def test_value_save_and_delete_update_the_row(emulator, list_requests):
    row = Member.objects.create(name="Ada")
    row.photo.save("cat.jpg", content_file(), save=False)
    assert stored_value(row) == ""
    row.photo.save("cat.jpg", content_file())
    assert stored_value(row) == row.photo.url
    first = row.photo.url
    row.photo.save_from_url(first)
    assert stored_value(row) == row.photo.url != first
    row.photo.save_from_url(first, save=False)
    assert stored_value(row) != row.photo.url
    row.photo.delete()
    assert stored_value(row) == ""
    assert [request.split()[0] for request in list_requests()].count("POST") == 4


def test_save_with_failed_upload_keeps_row_and_file(emulator):
    row = Member.objects.create(name="Ada", photo=content_file())
    before = stored_value(row)
    content = content_file("new.jpg")
    emulator.app.faults.add(Fault("status", status=503, times=3))
    row.photo = content
    row.name = "Grace"
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.save()
    assert content.tell() == 0
    assert not content.closed
    assert (stored_value(row), stored_value(row, "name")) == (before, "Ada")
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.photo.save_from_url("https://example.com/cat.jpg")
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.photo.save("cat.jpg", content)
    row.save()
    assert stored_value(row) != before


def test_create_with_rejected_file_creates_no_row(emulator):
    with (
        pytest.raises(UploadRejected, match=r"rejected the image \(HTTP 400\)"),
        transaction.atomic(),
    ):
        Member.objects.create(name="Ada", photo=content_file("cat.png", b"this is a text"))
    assert not Member.objects.exists()


# Validation


@pytest.mark.parametrize(
    "value",
    ["photos/cat.png", "https://example.com/cat.png", "javascript:alert(1)", f"{JPEG}?x", 5],
)
def test_full_clean_with_other_string_raises(value):
    row = Member(name="Ada")
    vars(row)["photo"] = value
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert caught.value.message_dict == {
        "photo": [f"“{value}” is not the URL of an image on https://i.groupme.com/."]
    }


def test_full_clean_without_image_raises_unless_blank():
    Member(name="Ada").full_clean()
    with pytest.raises(ValidationError, match="This field cannot be blank"):
        Group().full_clean()


def test_full_clean_with_unsaved_file_in_unique_field_passes(emulator, list_requests):
    Unique.objects.create(photo=JPEG)
    row = Unique(photo=content_file())
    row.full_clean()
    assert list_requests() == []
    row.save()
    with pytest.raises(ValidationError, match="already exists"):
        Unique(photo=row.photo).full_clean()
    form = modelform_factory(Unique, fields=["photo"])
    assert form({}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)}).is_valid()


def test_full_clean_of_valid_row_makes_no_request(emulator, list_requests):
    Member(name="Ada", photo=f"{emulator.cdn_url}123456789").full_clean()
    Member(name="Ada", photo=content_file()).full_clean()
    assert list_requests() == []


def test_field_on_other_storage_accepts_file_names(settings):
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    row = Measured(photo=content_file())
    row.full_clean()
    row.save()
    row.refresh_from_db()
    assert (row.photo.name, row.photo.picture) == ("cat.jpg", None)
    assert (row.width, row.height, row.photo.width) == (48, 32, 48)
    assert row.photo.avatar_url == row.photo.url == "/cat.jpg"
    row.photo.delete(save=False)


# NULL and ""


def test_none_in_unique_nullable_column_is_stored_as_null():
    assert stored_value(Unique.objects.create(photo=None)) is None
    assert stored_value(Unique.objects.create()) is None
    for row in Unique.objects.filter(photo=None):
        row.full_clean()
        assert not row.photo
    assert Unique.objects.filter(photo=None).count() == 2
    assert stored_value(Unique.objects.create(photo="")) == ""
    with pytest.raises(IntegrityError), transaction.atomic():
        Unique.objects.create(photo="")


def test_clear_in_unique_nullable_column_stores_null():
    rows = [Unique.objects.create(photo=url) for url in (JPEG, LARGE)]
    for row in rows:
        form = modelform_factory(Unique, fields=["photo"])({"photo-clear": "on"}, instance=row)
        assert form.is_valid()
        form.save()
        assert stored_value(row) is None
    rows[0].photo = JPEG
    rows[0].save()
    rows[0].photo.delete()
    assert stored_value(rows[0]) is None


def test_none_in_not_null_column_is_stored_as_empty_string():
    assert stored_value(Member.objects.create(photo=None)) == ""


def test_dimensions_of_url_on_other_storage_come_from_the_url():
    field = GroupMeImageField(storage=InMemoryStorage(), name="photo")
    file = field.attr_class(Member(), field, JPEG)
    assert (file.width, file.height) == (480, 325)
