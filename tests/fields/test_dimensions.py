"""The width and height of the values of image fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps

from django_groupme_images.fields import GroupMeImageField
from tests.support import emulator_pictures as pictures
from tests.support.field_data import content_file
from tests.support.urls_of_pictures import JPEG, LEGACY
from tests.testapp.models import Measured, Member

pytestmark = pytest.mark.django_db


def test_width_of_saved_file_is_known_in_every_state(state: str) -> None:
    row = Member.objects.create(photo=content_file())
    assert (row.photo.width, row.photo.height) == (48, 32)
    row = Member.objects.get()
    assert (row.photo.width, row.photo.height) == (48, 32)


def test_width_of_pending_file_comes_from_the_columns(outage: FileSystemStorage) -> None:
    row = Measured.objects.create(photo=content_file())
    outage.delete(row.photo.name)
    row.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        assert (row.photo.width, row.photo.height) == (48, 32)
    assert not queries


@pytest.mark.parametrize("columns", [{"width": None}, {"height": 0}])
def test_width_of_pending_file_without_full_columns_is_read(
    outage: FileSystemStorage, columns: dict[str, Any]
) -> None:
    row = Measured.objects.create(photo=content_file())
    Measured.objects.update(**columns)
    for loaded in (Measured.objects.get(), Measured.objects.only("photo").get()):
        with CaptureQueriesContext(connection) as queries:
            assert (loaded.photo.width, loaded.photo.height) == (48, 32)
        assert not queries
    outage.delete(row.photo.name)
    with pytest.raises(FileNotFoundError):
        _ = Measured.objects.get().photo.width


def test_width_of_replaced_pending_file_does_not_change(outage: FileSystemStorage) -> None:
    row = Measured.objects.create(photo=content_file())
    before = row.photo
    row.photo = JPEG
    assert (row.width, before.width, row.photo.width) == (480, 48, 480)


def test_width_of_pending_file_without_fallback_raises(settings: Any) -> None:
    settings.GROUPME_FALLBACK = None
    with pytest.raises(FileNotFoundError, match="no fallback storage is configured"):
        _ = Member(photo="photos/cat.jpg").photo.width


def test_width_of_picture_without_dimensions_comes_from_the_columns() -> None:
    row = Measured.objects.create(photo=LEGACY)
    assert row.photo.width is None
    Measured.objects.update(width=7, height=8)
    row.refresh_from_db()
    assert (row.photo.width, row.photo.height) == (7, 8)
    assert row.photo.picture.width is None
    assert Measured.objects.only("photo").get().photo.width is None


def test_width_of_unsaved_file_is_read_although_columns_are_filled(emulator: Any) -> None:
    row = Measured.objects.create(photo=JPEG)
    row.photo = content_file()
    assert (row.width, row.photo.width) == (48, 48)


@isolate_apps("tests.testapp")
def test_width_on_another_storage_is_read_from_the_file() -> None:
    class Other(models.Model):
        photo = GroupMeImageField(
            storage=InMemoryStorage(), width_field="width", height_field="height"
        )
        width = models.IntegerField(null=True)
        height = models.IntegerField(null=True)

        class Meta:
            app_label = "gallery"

    row = Other(photo=content_file())
    row.photo.save("cat.jpg", content_file(), save=False)
    row.width, row.height = 7, 8
    assert (row.photo.width, row.photo.height) == (48, 32)


@isolate_apps("tests.testapp")
def test_width_of_pending_files_that_share_columns_is_read(outage: FileSystemStorage) -> None:
    class Pair(models.Model):
        first = GroupMeImageField(width_field="width", height_field="height")
        second = GroupMeImageField(width_field="width")
        width = models.IntegerField(null=True)
        height = models.IntegerField(null=True)

        class Meta:
            app_label = "gallery"

    row = Pair()
    row.first.save("cat.jpg", content_file(), save=False)
    row.second.save("dog.jpg", content_file(data=pictures.plain(size=(20, 10))), save=False)
    assert (row.width, row.height) == (20, 32)
    assert (row.first.width, row.first.height) == (48, 32)
    assert (row.second.width, row.second.height) == (20, 10)


def test_width_after_second_save_is_that_of_last_file(state: str) -> None:
    for row in (
        Member.objects.create(photo=content_file()),
        Measured.objects.create(photo=content_file()),
    ):
        value = row.photo
        assert value.width == 48
        value.save("dog.jpg", content_file(data=pictures.plain(size=(20, 10))))
        assert (row.photo.width, row.photo.height) == (20, 10)
    assert (value.width, value.height) == (20, 10)


def test_width_after_save_from_url_without_dimensions_is_none(
    emulator_without_dimensions: Any,
) -> None:
    row = Measured.objects.create(photo=content_file())
    value = row.photo
    value.save("cat.jpg", content_file())
    assert value.width == 48
    value.save_from_url(value.url)
    assert value.width is None
