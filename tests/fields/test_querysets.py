"""Query sets and serialized rows of models with image fields."""

from __future__ import annotations

import io
import pickle

import pytest
from django.core import serializers
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction

from django_groupme_images.pictures import Picture
from tests.support.field_data import PHOTO, content_file, stored_value
from tests.support.urls_of_pictures import JPEG, LARGE, LEGACY
from tests.testapp.models import Member, Unique

pytestmark = pytest.mark.django_db


# Queries


def test_lookup_with_any_form_of_url_finds_the_row():
    row = Member.objects.create(photo=JPEG)
    Member.objects.create(photo=LARGE)
    for value in (
        JPEG,
        f"{JPEG}.avatar",
        JPEG.replace("https", "http"),
        Picture.parse(JPEG),
        row.photo,
    ):
        assert Member.objects.get(photo=value) == row
        assert Member.objects.get(photo__in=[value]) == row
    assert Member.objects.get(photo__contains="480x325") == row
    assert Member.objects.get(photo__startswith="https://i.groupme.com/480x325.jpeg") == row
    assert Member.objects.filter(photo="").count() == 0
    assert list(Member.objects.order_by("pk").values_list("photo", flat=True)) == [JPEG, LARGE]


def test_bulk_create_with_files_uploads_each(emulator, list_requests):
    rows = Member.objects.bulk_create([Member(photo=content_file(f"{n}.jpg")) for n in range(3)])
    assert list_requests() == ["POST /pictures"] * 3
    assert len({row.photo.url for row in rows}) == 3


@pytest.mark.parametrize(
    "value",
    [
        content_file(),
        SimpleUploadedFile("cat.jpg", PHOTO),
        File(content_file(), "x"),
        ContentFile(PHOTO),
        io.BytesIO(PHOTO),
        PHOTO,
        5,
    ],
    ids=lambda value: type(value).__name__,
)
def test_update_with_unsaved_file_raises(emulator, list_requests, value):
    row = Member.objects.create(photo=JPEG)
    with (
        pytest.raises(ValueError, match=r"an unsaved file in gallery\.Member\.photo\. .* upload"),
        transaction.atomic(),
    ):
        Member.objects.update(photo=value)
    row.photo = value
    with pytest.raises(ValueError, match="Cannot store an unsaved file"), transaction.atomic():
        Member.objects.bulk_update([row], ["photo"])
    assert stored_value(row) == JPEG
    assert list_requests() == []


def test_update_with_url_stores_canonical_url():
    row, other = Member.objects.create(), Member.objects.create(photo=LARGE)
    for value in (f"{JPEG}.large", Picture.parse(JPEG), other.photo, "", models.F("name")):
        Member.objects.filter(pk=row.pk).update(photo=value)
        expected = {other.photo: LARGE, "": "", models.F("name"): ""}.get(value, JPEG)
        assert stored_value(row) == expected
    row.photo = JPEG
    Member.objects.bulk_update([row], ["photo"])
    assert stored_value(row) == JPEG


def test_deferred_field_is_loaded_with_one_query(django_assert_num_queries):
    pk = Member.objects.create(name="Ada", photo=JPEG).pk
    with django_assert_num_queries(2):
        assert Member.objects.defer("photo").get(pk=pk).photo.width == 480
    with django_assert_num_queries(1):
        assert Member.objects.only("photo").get(pk=pk).photo.width == 480
    row = Member.objects.get(pk=pk)
    Member.objects.update(photo=LARGE)
    assert row.photo.width == 480
    row.refresh_from_db()
    assert row.photo.width == 4032


# Pickled and serialized rows


def test_pickled_row_keeps_its_url():
    row = Member.objects.create(name="Ada", photo=JPEG)
    assert row.photo.url == JPEG
    twin = pickle.loads(pickle.dumps(row))
    assert twin.photo.preview_url == f"{JPEG}.preview"
    assert pickle.loads(pickle.dumps(row.photo)).width == 480


@pytest.mark.parametrize("format_", ["json", "xml", "python"])
def test_serializing_unsaved_file_raises(pending_file_of_other_row, format_):
    row = Member(name="Bob", photo=content_file())
    with pytest.raises(ValueError, match="its file is not saved yet"):
        serializers.serialize(format_, [row])
    row.save()
    assert stored_value(row) in str(serializers.serialize(format_, [row]))


@pytest.mark.parametrize("format_", ["json", "jsonl", "xml", "python"])
def test_serialized_rows_are_loaded_with_same_values(format_):
    rows = [Member.objects.create(name="Ada", photo=url) for url in (JPEG, LEGACY, "")]
    empty = [Unique.objects.create(), Unique.objects.create()]
    data = serializers.serialize(format_, [*rows, *empty])
    assert "None</field>" not in str(data)
    if format_ == "xml":  # The XML of file fields cannot contain NULL.
        data = serializers.serialize(format_, [*rows, empty[0]])
    Member.objects.all().delete()
    Unique.objects.all().delete()
    for item in serializers.deserialize(format_, data):
        item.save()
    assert set(Member.objects.values_list("photo", flat=True)) == {JPEG, LEGACY, ""}
    assert set(Unique.objects.values_list("photo", flat=True)) == {"" if format_ == "xml" else None}
