"""Tests of ``groupme_upload --delete-source``: referenced files are kept."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connections, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from django_groupme_images.bulk.references import ReferencesUnknown, default_names
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.tasks import upload_batch
from tests.support.bulk import (
    create_members,
    fail_query,
    is_uploaded,
    member_view,
    save_file,
    save_file_as,
)
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Brand, Group, Hidden, Local, Member, Profile

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


def test_delete_source_of_several_files_deletes_unreferenced_ones(upload, fallback):
    names = [save_file() for _ in range(6)]
    first, last, in_group, in_local, in_other_database, missing = names
    create_members(*names)
    Group.objects.create(photo=in_group, banner="")
    Local.objects.create(photo=in_local)
    Member(photo=in_other_database).save(using="other")
    fallback.delete(missing)
    output = upload("gallery.Member", delete_source=True)
    assert "2 files deleted" in output
    kept = {name for name in names if fallback.exists(name)}
    assert kept == {in_group, in_local, in_other_database}
    assert not fallback.exists(first)
    assert not fallback.exists(last)
    assert "1 file deleted\n" in upload("gallery.Group", delete_source=True)
    assert not fallback.exists(in_group)


def test_delete_source_of_several_pages_deletes_all_files(upload, fallback, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.upload.FILES_PER_SEARCH", 4)
    create_members(*[save_file() for _ in range(10)])
    output = upload(delete_source=True, verbosity=1)
    assert output == "10 moved, 0 skipped, 0 failed\n10 files deleted\n"
    assert fallback.listdir("photos") == ([], [])


def test_delete_source_of_skipped_row_keeps_file(upload, on_upload):
    name = save_file()
    create_members(name)
    on_upload(lambda **_: Member.objects.update(photo=JPEG))
    assert upload(delete_source=True) == "0 moved, 1 skipped, 0 failed\n"
    assert storages["default"].exists(name)


def test_delete_source_of_file_replaced_after_upload_keeps_it(upload, fallback, on_upload):
    name = save_file()
    create_members(name)
    on_upload(lambda name, **_: fallback.delete(name) or save_file(name, b"another"))
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.size(name) == len(b"another")


def test_delete_source_in_read_only_storage_logs_error(upload, settings, caplog):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.ReadOnlyStorage"}
    }
    (member,) = create_members(save_file())
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert "this storage is read-only" in caplog.text


def test_delete_source_in_storage_without_times_and_sizes_keeps_file(upload, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutSizes"}
    }
    name = save_file()
    create_members(name)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert storages["default"].exists(name)


EQUIVALENT_REFERENCES = [
    ("photos/cat.jpg", "photos/cat.jpg"),
    ("photos/cat.jpg", "./photos/cat.jpg"),
    ("photos/cat.jpg", "photos//cat.jpg"),
    ("photos/cat.jpg", "photos/./x/../cat.jpg"),
    ("photos/cat.jpg", "photos\\cat.jpg"),
    ("photos/cat.jpg", "Photos/CAT.jpg"),
    ("photos/cat.jpg", "photos/cat.jpg. "),
    ("photos/cat.jpg", "/srv/media/photos/cat.jpg"),
    ("photos/cat.jpg", "C:\\media\\photos\\cat.jpg"),
    ("photos/cat.jpg", "media/photos/cat.jpg"),
    ("photos/cat.jpg", "cat.jpg"),
    ("é.jpg", unicodedata.normalize("NFD", "É.JPG")),
    (unicodedata.normalize("NFD", "é.jpg"), "É.JPG"),
    ("straße.jpg", "STRASSE.JPG"),
]


@pytest.mark.parametrize(("name", "reference"), EQUIVALENT_REFERENCES)
def test_delete_source_with_equivalent_reference_keeps_file(upload, fallback, name, reference):
    (member,) = create_members(save_file_as(name))
    Local.objects.create(photo=reference)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert fallback.exists(name)


@pytest.mark.parametrize(
    "reference", ["other/cat.jpg", "photos/cat.jpg/x", "xphotos/cat.jpg", "photos/cat.jpeg", "."]
)
def test_delete_source_with_reference_to_another_file_deletes_file(upload, fallback, reference):
    create_members(save_file_as())
    Local.objects.create(photo=reference)
    assert "1 file deleted" in upload(delete_source=True)
    assert not fallback.exists("photos/cat.jpg")


@pytest.mark.skipif(os.name == "nt", reason="Windows restricts who may create symbolic links")
def test_delete_source_with_reference_through_symbolic_link_keeps_file(upload, fallback):
    create_members(save_file_as())
    Path(fallback.path("pictures")).symlink_to(fallback.path("photos"))
    Local.objects.create(photo="pictures/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists("photos/cat.jpg")


def test_delete_source_with_reference_in_other_database_keeps_file(upload, fallback):
    create_members(save_file_as())
    Local(photo="./photos/cat.jpg").save(using="other")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists("photos/cat.jpg")


def test_delete_source_with_reference_in_file_path_field_keeps_file(upload, fallback):
    create_members(save_file_as())
    Brand.objects.create(manual="/srv/media/photos/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists("photos/cat.jpg")


def test_delete_source_with_reference_in_hidden_row_keeps_file(upload, fallback):
    create_members(save_file_as())
    Hidden.objects.create(document="photos/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists("photos/cat.jpg")


def test_delete_source_with_reference_in_view_keeps_file(upload, fallback):
    create_members(save_file_as())
    with member_view("other", "SELECT 1 AS id, 'photos/cat.jpg' AS photo"):
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists("photos/cat.jpg")


@pytest.mark.parametrize("name", ["profiles/default.png", "brands/logo.png", "brands/icon.png"])
def test_delete_source_of_default_file_keeps_it(upload, fallback, report, name):
    create_members(save_file_as(name))
    assert "deleted" not in upload(delete_source=True, report=report)
    assert fallback.exists(name)


def test_delete_source_in_task_keeps_referenced_files(emulator, fallback):
    names = [save_file_as(name) for name in ("a.jpg", "b.jpg", "profiles/default.png")]
    create_members(*names)
    Local.objects.create(photo="A.JPG")
    counts = upload_batch.func(["gallery.Member"], names, delete_source=True)
    assert counts == {"moved": 2, "skipped": 1}
    assert {name for name in names if fallback.exists(name)} == {"a.jpg", "profiles/default.png"}


def test_delete_source_with_broken_view_keeps_file(upload, fallback, caplog, broken_view):
    (member,) = create_members(save_file_as())
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert fallback.exists("photos/cat.jpg")
    assert "gallery.MemberView.photo in the database 'other' could not be read: Op" in caplog.text


def test_delete_source_with_default_that_raises_keeps_file(upload, fallback, caplog):
    create_members(save_file_as())
    field = Profile._meta.get_field("photo")
    field.default = lambda: 1 / 0
    vars(field).pop("_get_default", None)
    try:
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    finally:
        field.default = "profiles/default.png"
        vars(field).pop("_get_default", None)
    assert fallback.exists("photos/cat.jpg")
    assert "The default of gallery.Profile.photo could not be determined" in caplog.text
    assert "gallery.Profile.photo could not be read: ZeroDivisionError" in caplog.text


def test_default_names_with_computed_db_default_raises():
    field = GroupMeImageField(db_default=Lower(Value("Profiles/default.png")))
    with pytest.raises(ReferencesUnknown, match="a default that the database computes"):
        list(default_names(field))
    assert list(default_names(GroupMeImageField(db_default=Value("a.png")))) == ["a.png"]
    assert list(default_names(GroupMeImageField(db_default="a.png"))) == ["a.png"]


def test_delete_source_after_lost_database_connection_keeps_file(upload, fallback, caplog):
    name = save_file()
    create_members(name)
    with connections["other"].execute_wrapper(fail_query):
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists(name)
    assert "Source files were not deleted" in caplog.text
    assert "could not be read: OperationalError: the connection was lost" in caplog.text


@pytest.mark.django_db(databases=["default", "other"])
def test_delete_source_before_commit_of_row_keeps_file(upload, fallback):
    """The test runs in a transaction, which is never committed."""
    name = save_file()
    create_members(name)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert fallback.exists(name)


def test_delete_source_in_transaction_deletes_file_after_commit(upload, fallback):
    create_members(save_file_as())
    with transaction.atomic(using="other"):
        upload(delete_source=True)
        assert fallback.exists("photos/cat.jpg")
    assert not fallback.exists("photos/cat.jpg")


@pytest.mark.parametrize("database", ["default", "other"])
def test_delete_source_in_rolled_back_transaction_keeps_file(upload, fallback, database):
    create_members(save_file_as())
    Local(photo="photos/cat.jpg").save(using="other")
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=database):
        Local.objects.using("other").delete()
        upload(delete_source=True)
        _ = 1 / 0
    assert fallback.exists("photos/cat.jpg")


def test_delete_source_without_autocommit_keeps_file(upload, fallback, caplog):
    create_members(save_file_as())
    connections["other"].set_autocommit(False)
    try:
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    finally:
        connections["other"].rollback()
        connections["other"].set_autocommit(True)
    assert fallback.exists("photos/cat.jpg")
    assert "Source files were not deleted" in caplog.text
