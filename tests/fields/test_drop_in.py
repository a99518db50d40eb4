"""``GroupMeImageField`` as a replacement for the ``ImageField`` of existing projects."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django import forms
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.images import get_image_dimensions
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import FileExtensionValidator, MaxLengthValidator
from django.db import IntegrityError, transaction
from PIL import Image

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, stored_value, upload_count, uploaded_file
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member, Nullable, Unique

pytestmark = pytest.mark.django_db

MemberForm = forms.modelform_factory(Member, fields=["name", "photo"])


# Empty values


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_value_in_nullable_column_is_stored_as_empty_string(empty: str | None) -> None:
    row = Nullable.objects.create(photo=empty)
    assert stored_value(row) == ""
    row.photo = JPEG
    row.save()
    row.photo = empty
    row.save()
    assert stored_value(row) == ""
    Nullable.objects.create()
    Nullable.objects.bulk_create([Nullable(photo=empty)])
    assert Nullable.objects.filter(photo="").count() == 3
    assert not Nullable.objects.exclude(photo="").exists()


def test_none_in_unique_column_is_stored_as_null() -> None:
    rows = [Unique.objects.create(), Unique.objects.create(photo=None)]
    assert [stored_value(row) for row in rows] == [None, None]
    Unique.objects.create(photo="")
    with pytest.raises(IntegrityError), transaction.atomic():
        Unique.objects.create(photo="")


def test_clearing_an_image_stores_an_empty_string() -> None:
    row = Nullable.objects.create(photo=JPEG)
    form_class = forms.modelform_factory(Nullable, fields=["photo"])
    form = form_class({"photo-clear": "on"}, instance=row)
    assert form.is_valid()
    assert stored_value(form.save()) == ""
    row.photo = JPEG
    row.save()
    row.photo.delete()
    assert stored_value(row) == ""


def test_existing_null_is_kept_until_the_row_is_saved() -> None:
    Nullable.objects.bulk_create([Nullable(), Nullable(photo=JPEG)])
    assert Nullable.objects.filter(photo="").update(photo=None) == 1
    row = Nullable.objects.get(photo=None)
    assert not row.photo
    row.full_clean()
    # This is the data migration of the documentation.
    assert Nullable.objects.filter(photo=None).update(photo="") == 1
    assert stored_value(row) == ""
    Nullable.objects.filter(pk=row.pk).update(photo=None)
    row.save()
    assert stored_value(row) == ""


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_dump_of_null_is_loaded_as_an_empty_string(format_: str) -> None:
    row = Nullable.objects.create()
    Nullable.objects.update(photo=None)
    data = serializers.serialize(format_, Nullable.objects.all())
    for item in serializers.deserialize(format_, data):
        item.save()
    assert stored_value(row) == ""


# Validators


class Counting:
    """A validator that reads the file and counts its calls."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, value: Any) -> None:
        assert value.size == len(value.read())
        assert value.file.content_type == "image/jpeg"
        self.names.append(value.name)


@pytest.fixture
def validator(monkeypatch: Any) -> Any:
    counting = Counting()
    field = Member._meta.get_field("photo")
    monkeypatch.setitem(vars(field), "validators", [counting, FileExtensionValidator(["jpg"])])
    return counting


@pytest.mark.parametrize("early", [True, False])
def test_model_validators_run_once_in_every_state(
    state: str,
    validator: Counting,
    settings: Any,
    early: bool,
) -> None:
    settings.GROUPME_UPLOAD_EARLY = early
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.jpg")})
    assert form.is_valid(), form.errors
    assert validator.names == ["cat.jpg"]
    row = form.save()
    assert validator.names == ["cat.jpg"]
    if state != "elsewhere":  # Django also runs them on a stored file.
        row = Member.objects.get(pk=row.pk)
        row.full_clean()
        edited = MemberForm({"name": "Eve"}, instance=row)
        assert edited.is_valid(), edited.errors
        edited.save()
        assert validator.names == ["cat.jpg"]


@pytest.mark.parametrize("early", [True, False])
def test_model_validator_that_rejects_a_file_prevents_the_upload(
    state: str,
    validator: Counting,
    settings: Any,
    early: bool,
    list_requests: Any,
) -> None:
    settings.GROUPME_UPLOAD_EARLY = early
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.jpeg")})
    assert "photo" in form.errors
    assert validator.names == ["cat.jpeg"]
    assert upload_count(list_requests) == 0


def test_field_validates_a_string_that_is_not_the_value_of_a_row() -> None:
    field = GroupMeImageField(validators=[MaxLengthValidator(5)])
    field.run_validators("short")
    with pytest.raises(ValidationError):
        field.run_validators(JPEG)


def test_content_that_clean_has_changed_is_validated_again(
    state: str,
    validator: Counting,
) -> None:
    class Form(MemberForm):  # type: ignore[misc, valid-type]
        def clean_photo(self) -> Any:
            photo = self.cleaned_data["photo"]
            photo.seek(0)
            photo.write(pictures.plain(size=(20, 10)))
            photo.truncate()
            photo.size = photo.tell()
            photo.seek(0)
            return photo

    form = Form({"name": "Ada"}, {"photo": uploaded_file("cat.jpg")})
    assert form.is_valid(), form.errors
    assert form.save().photo.width == 20
    assert len(validator.names) == (1 if state == "elsewhere" else 2)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("cat.jpg", ".jpg"),
        ("cat.JPG", ".JPG"),
        ("cat.jpe", ".jpe"),
        ("cat.png", ".jpeg"),
        ("cat", ".jpeg"),
        ("cat.exe", ".jpeg"),
        ("cat.jpg.", ".jpeg"),
    ],
)
def test_pending_file_keeps_an_extension_that_matches_its_format(
    fallback: FileSystemStorage, settings: Any, name: str, kept: str
) -> None:
    settings.GROUPME_DEFERRED = True
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file(name)})
    assert form.is_valid(), form.errors
    assert form.save().photo.name.endswith(kept)


# Cleaned values


def test_clean_value_is_an_uploaded_file_in_every_state(state: str) -> None:
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.jpg")})
    assert form.is_valid(), form.errors
    value = form.cleaned_data["photo"]
    assert isinstance(value, UploadedFile)
    assert (value.name, value.size, value.content_type) == ("cat.jpg", len(PHOTO), "image/jpeg")
    assert value.tell() == 0
    assert value.read() == PHOTO
    assert value.image.format == "JPEG"
    assert get_image_dimensions(value) == (48, 32)
    value.seek(0)
    assert Image.open(value).size == (48, 32)
    assert isinstance(value.picture, Picture if state == "up" else type(None))
    assert bool(value.url) == (state != "elsewhere")


@pytest.mark.parametrize(
    "changed",
    [lambda file: file, copy.copy, lambda file: File(file, "dog.jpg")],
    ids=["same", "copied", "wrapped"],
)
def test_clean_value_assigned_to_another_row_is_not_uploaded_again(
    emulator: Any, list_requests: Any, changed: Any
) -> None:
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.jpg")})
    assert form.is_valid(), form.errors
    row = form.save(commit=False)
    value = form.cleaned_data["photo"]
    value.read()
    row.save()
    other = Member.objects.create(name="Eve", photo=changed(value))
    assert other.photo.url == row.photo.url == value.url
    assert upload_count(list_requests) == 1


# Content that cannot be uploaded


@pytest.mark.parametrize("deferred", [True, False])
@pytest.mark.parametrize("fallback_alias", [None, "default"])
def test_text_content_is_rejected_in_every_state(
    emulator: Any, fallback: FileSystemStorage, settings: Any, deferred: bool, fallback_alias: Any
) -> None:
    settings.GROUPME_FALLBACK = "default" if deferred else fallback_alias
    settings.GROUPME_DEFERRED = deferred
    content = ContentFile("text", name="cat.jpg")
    with pytest.raises(TypeError, match="Cannot upload text. Open the file in binary mode"):
        GroupMeStorage().save("cat.jpg", content)
    with pytest.raises(TypeError, match="Cannot upload text"), transaction.atomic():
        Member.objects.create(name="Ada", photo=ContentFile("text", name="cat.jpg"))
    assert fallback.listdir("") == ([], [])
