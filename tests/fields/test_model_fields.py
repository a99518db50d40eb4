"""Image fields in models: columns, inheritance, dimensions, and forms."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.forms import modelform_factory

from django_groupme_images.fields import GroupMeImageField
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, content_file, stored_value
from tests.support.urls_of_pictures import JPEG, LARGE, LEGACY
from tests.testapp.models import Club, Group, Measured, MeasuredChild, Member, Plain

pytestmark = pytest.mark.django_db


# Dimension columns


def test_dimension_columns_follow_the_assigned_url(emulator):
    row = Measured.objects.create(photo=content_file(data=pictures.rotated(6)))
    assert (row.width, row.height) == (32, 48)  # Pillow would return (48, 32).
    row = Measured.objects.get()
    assert (row.width, row.height) == (32, 48)
    row.photo = f"{emulator.cdn_url}480x325.jpeg.123456789"
    assert (row.width, row.height) == (480, 325)
    row.photo = None
    assert (row.width, row.height) == (None, None)
    row.photo = f"{emulator.cdn_url}123456789"
    assert (row.width, row.height) == (None, None)
    row.photo.save("cat.jpg", content_file())
    assert (row.width, row.height) == (48, 32)
    row.photo.save_from_url(row.photo.url)
    row.refresh_from_db()
    assert (row.width, row.height) == (48, 32)


@pytest.mark.parametrize("model", [Measured, MeasuredChild])
def test_dimension_columns_of_inherited_or_deferred_field_are_saved(model):
    row = model.objects.create(photo=JPEG)
    row.refresh_from_db()
    assert (row.width, row.height) == (480, 325)
    row = model.objects.defer("photo").get()
    row.photo = LARGE
    row.save()
    row.refresh_from_db()
    assert (row.width, row.height) == (4032, 3024)
    row.photo, row.width, row.height = LEGACY, 7, 8  # Assigned columns are kept.
    row.save()
    row.refresh_from_db()
    assert (row.width, row.height) == (7, 8)


def test_loading_rows_without_dimensions_makes_no_request(emulator, list_requests):
    Measured.objects.bulk_create([Measured(photo=f"{emulator.cdn_url}{n}") for n in range(5)])
    for row in Measured.objects.all():
        assert row.width is None
    for row in Measured.objects.defer("photo"):
        assert row.width is None
    assert list_requests() == []


# Columns, inheritance, and forms


def test_field_of_parent_model_is_stored_in_parent_table(emulator):
    club = Club.objects.create(photo=content_file(), motto="Cats")
    assert stored_value(club) == Group.objects.get().photo.url == club.photo.url
    assert GroupMeImageField.__name__ not in {type(f).__name__ for f in Club._meta.local_fields}


def test_image_field_on_groupme_storage_uploads_and_measures_file(emulator, list_requests):
    row = Plain.objects.create(photo=content_file(data=PHOTO + 1_000_000 * b"\0"), other="")
    assert stored_value(row) == row.photo.url
    assert (row.photo.width, row.photo.height) == (48, 32)
    row.photo.close()
    row = Plain.objects.get()
    assert row.photo.size == len(PHOTO) + 1_000_000
    assert row.photo.width == 48
    assert list_requests()[0] == "POST /pictures"


def test_field_column_equals_that_of_image_field():
    assert Member.photo.field is Member._meta.get_field("photo")
    field = Member._meta.get_field("photo")
    assert field.max_length == 100
    assert field.db_type(connection) == models.ImageField(max_length=100).db_type(connection)
    assert field.get_internal_type() == "FileField"
    assert field.formfield().max_length is None


def test_model_form_with_long_file_name_uploads_it_once(emulator, list_requests):
    form_class = modelform_factory(Member, fields=["name", "photo"])
    name = "a very long name " * 20 + ".jpg"
    form = form_class({"name": "Ada"}, {"photo": SimpleUploadedFile(name, PHOTO)})
    assert form.is_valid(), form.errors
    row = form.save()
    assert stored_value(row) == row.photo.url
    form = form_class({"name": "Grace"}, instance=row)
    assert form.is_valid()
    assert form.save().photo.url == stored_value(row)
    assert list_requests() == ["POST /pictures"]
