"""Copies of rows whose file is not saved yet."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
from django.core.cache import cache
from django.core.files import File
from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile, UploadedFile
from django.db import transaction

from tests.support.field_data import PHOTO, content_file, stored_value
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Local, Measured, Member

pytestmark = pytest.mark.django_db


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def shallow(row):
    twin = copy.copy(row)
    twin._state = copy.copy(row._state)
    return twin


def reassigned(row):
    return Member(photo=row.photo)


def of_copied_file(row):
    return Member(photo=copy.copy(row.photo))


def of_deepcopied_file(row):
    return Member(photo=copy.deepcopy(row.photo))


def of_pickled_file(row):
    return Member(photo=pickled(row.photo))


def through_the_cache(row):
    cache.set("row", row)
    return cache.get("row")


COPIERS = [
    pickled,
    shallow,
    copy.deepcopy,
    reassigned,
    of_copied_file,
    of_deepcopied_file,
    of_pickled_file,
    through_the_cache,
]


def in_memory():
    return InMemoryUploadedFile(io.BytesIO(PHOTO), None, "cat.jpg", "image/jpeg", len(PHOTO), None)


def on_disk():
    file = TemporaryUploadedFile("cat.jpg", "image/jpeg", len(PHOTO), None)
    file.write(PHOTO)
    return file


@pytest.mark.parametrize("make", [content_file, in_memory, on_disk])
@pytest.mark.parametrize("copied", COPIERS)
def test_copy_of_unsaved_file_uploads_its_own_content(pending_file_of_other_row, copied, make):
    with make() as content:
        row = Member(name="Bob", photo=content)
        assert row.photo
        content.seek(5)
        twin = copied(row)
        assert content.tell() == 5
        twin.save()
        row.save()
    assert stored_value(twin) != stored_value(row)
    assert twin.photo.width == row.photo.width == 48
    with twin.photo.open() as file:
        assert file.read() == PHOTO


@pytest.mark.parametrize("copied", [pickled, of_pickled_file, through_the_cache])
def test_pickle_of_large_unsaved_file_raises_when_saved(
    pending_file_of_other_row, copied, settings
):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = len(PHOTO) - 1
    row = Member(photo=content_file())
    assert row.photo
    twin = copied(row)
    with (
        pytest.raises(ValueError, match=r"content of 'cat\.jpg' is not .* Assign the file"),
        transaction.atomic(),
    ):
        twin.save()
    for name in ("url", "size", "width", "file", "avatar_url"):
        with pytest.raises(ValueError, match="is not available"):
            getattr(pickled(row).photo, name)
    with pytest.raises(ValueError, match="is not available"):
        pickled(row).photo.open()
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        Member.objects.bulk_create([copied(row)])
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        Member(photo=twin.photo).save()
    assert Member.objects.count() == 1
    twin.photo = row.photo
    twin.save()
    assert twin.photo.width == 48


@pytest.mark.parametrize("copied", [lambda row: row, *COPIERS])
def test_closed_unsaved_file_raises_when_saved(pending_file_of_other_row, copied):
    content = on_disk()
    row = Member(photo=content)
    assert row.photo
    content.close()
    with pytest.raises(ValueError, match="was closed, or it was lost"), transaction.atomic():
        copied(row).save()
    assert Member.objects.count() == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: File(io.BufferedReader(Unseekable()), "cat.jpg"),
        lambda: UploadedFile(io.BytesIO(PHOTO), "cat.jpg"),
    ],
    ids=["cannot seek", "unknown size"],
)
def test_pickle_of_unpicklable_file_raises_when_saved(pending_file_of_other_row, make):
    row = Member(photo=make())
    assert row.photo
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        pickled(row).save()


class Unseekable(io.RawIOBase):
    def readable(self):
        return True


def test_copy_of_value_without_file_stays_empty():
    for copied in (copy.copy, copy.deepcopy, pickled):
        twin = copied(Member().photo)
        assert not twin
        assert stored_value(Member.objects.create(photo=twin)) == ""


def test_file_of_other_storage_assigned_to_two_rows_uploads_twice(emulator, fallback):
    local = Local.objects.create(photo=content_file())
    first = Member(photo=local.photo)
    assert first.photo.width == 48
    first.photo.close()
    second = Member(photo=first.photo)
    first.save()
    second.save()
    assert stored_value(first) != stored_value(second)
    assert second.photo.width == 48


def test_wrapped_value_of_another_row_is_saved(state):
    first = Member.objects.create(photo=content_file())
    second = Measured.objects.create(photo=File(first.photo, "dog.jpg"))
    second.refresh_from_db()
    assert (second.width, second.photo.width) == (48, 48)
    with first.photo.open():
        third = Member.objects.create(photo=File(first.photo, "dog.jpg"))
    assert third.photo.width == 48


def test_deleting_unsaved_file_keeps_other_file_of_that_name(pending_file_of_other_row, fallback):
    row = Member.objects.create(name="Bob", photo=JPEG)
    row.photo = content_file()
    assert row.photo.width == 48
    row.photo.delete(save=False)
    assert not row.photo
    assert stored_value(row) == JPEG
    row.photo = content_file()
    row.photo.delete()
    assert stored_value(row) == ""
    assert fallback.exists(pending_file_of_other_row)
    Member.objects.get(name="Ada").photo.delete()
    assert not fallback.exists(pending_file_of_other_row)
