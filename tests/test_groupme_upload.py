"""``manage.py groupme_upload``: every file arrives once, and no edit is lost."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connections

from django_groupme_images.bulk import Bulk
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.bulk import stoppable
from django_groupme_images.signals import picture_uploaded

from . import emulator_pictures as pictures
from .commands import said_by
from .gallery.models import (
    Club,
    FramedPoster,
    Group,
    LabelledPoster,
    Local,
    Measured,
    MeasuredChild,
    Member,
    Plain,
    Poster,
    Unique,
)
from .urls_of_pictures import JPEG

ROOT = Path(__file__).parent.parent
PHOTO = pictures.plain()

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture(autouse=True)
def files(waiting_files: FileSystemStorage) -> FileSystemStorage:
    return waiting_files


@pytest.fixture
def upload(emulator: EmulatorServer) -> Any:
    """Run the command without a limit to its pace, and give what it wrote."""
    return partial(said_by, "groupme_upload", rate=0)


def saved(name: str = "photos/cat.jpg", content: bytes = PHOTO) -> str:
    return storages["default"].save(name, ContentFile(content))


def members(*names: str) -> list[Member]:
    return Member.objects.bulk_create(Member(photo=name) for name in names)


def is_moved(row: Any, field: str = "photo") -> bool:
    row.refresh_from_db()
    return bool(
        re.fullmatch(r"http://127\.0\.0\.1:\d+/48x32\.jpeg\.\w{32}", str(getattr(row, field)))
    )


# What is moved


def test_every_column_on_groupme_is_found(upload, arrived):
    name = saved
    rows = [
        *members(name()),
        Plain.objects.create(photo=name(), other=name()),
        Group.objects.create(photo=name(), banner=name()),
        Club.objects.create(photo=name(), motto="All for one"),
        Unique.objects.create(photo=name()),
        MeasuredChild.objects.create(photo=name()),
    ]
    untouched = [
        Local.objects.create(photo="local/cat.jpg"),
        Member.objects.create(photo=JPEG),
        Member.objects.create(photo=""),
        Unique.objects.create(photo=None),
        Member.objects.create(photo="https://example.com/cat.jpg"),
    ]
    before = [row.photo.name for row in untouched]
    assert upload() == "8 moved, 0 skipped, 0 failed\n"
    assert all(map(is_moved, rows))
    assert is_moved(rows[1], "other")
    assert is_moved(rows[2], "banner")
    assert arrived() == ["POST /pictures"] * 8
    for row, photo in zip(untouched, before, strict=True):
        row.refresh_from_db()
        assert row.photo.name == photo
    assert upload() == "0 moved, 0 skipped, 0 failed\n"
    assert len(arrived()) == 8


def test_the_picture_is_the_file(upload, files):
    (member,) = members(saved())
    upload()
    member.refresh_from_db()
    with member.photo.open() as photo:
        assert photo.read() == PHOTO
    assert files.exists("photos/cat.jpg")


def test_the_columns_of_the_dimensions_are_filled(upload):
    row = Measured.objects.create(photo=saved())
    child = MeasuredChild.objects.create(photo=saved())
    Measured.objects.update(width=None, height=None)
    upload()
    for each in (Measured.objects.get(pk=row.pk), MeasuredChild.objects.get(pk=child.pk)):
        assert (each.width, each.height) == (48, 32)


def test_rows_that_share_a_file_share_an_upload(upload, arrived):
    rows = members(*[saved()] * 5)
    group = Group.objects.create(photo=rows[0].photo.name, banner=rows[0].photo.name)
    assert upload() == "7 moved, 0 skipped, 0 failed\n"
    for row in rows:
        row.refresh_from_db()
    group.refresh_from_db()
    assert len({*(row.photo.name for row in rows), group.photo.name, group.banner.name}) == 1
    assert arrived() == ["POST /pictures"]


def test_a_file_that_more_rows_share_than_are_held_at_once(upload, arrived):
    members(*[saved()] * 1203)
    assert upload() == "1,203 moved, 0 skipped, 0 failed\n"
    assert len(set(Member.objects.values_list("photo"))) == 1
    assert arrived() == ["POST /pictures"]


def test_more_files_than_are_a_page(upload, arrived, monkeypatch):
    monkeypatch.setattr("django_groupme_images.columns.PAGE", 7)
    rows = members(*[saved() for _ in range(30)])
    assert upload() == "30 moved, 0 skipped, 0 failed\n"
    assert len(set(Member.objects.values_list("photo"))) == len(rows) == len(arrived())


def test_names_of_every_kind(upload):
    names = ["ä ö.jpg", "A.JPG", "a.jpg", "%.jpg", "_.jpg", "'\".jpg", "https.jpg", "z" * 90]
    rows = members(*map(saved, names))
    assert upload() == f"{len(names)} moved, 0 skipped, 0 failed\n"
    assert all(map(is_moved, rows))


def test_labels(upload, arrived):
    member, *_ = members(saved())
    group = Group.objects.create(photo=saved(), banner=saved())
    club = Club.objects.create(photo=saved(), banner=saved())
    assert upload("gallery.Group.banner") == "2 moved, 0 skipped, 0 failed\n"
    assert is_moved(group, "banner")
    assert not is_moved(group)
    assert upload("gallery.Club") == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(club)
    assert not is_moved(group)
    assert upload("gallery.Member", "gallery.Group") == "2 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert is_moved(group)
    assert len(arrived()) == 5


def test_a_model_with_two_parents(upload):
    others = Poster.objects.bulk_create(Poster(photo=saved()) for _ in range(3))
    labelled = LabelledPoster.objects.create(photo=saved())
    framed = FramedPoster.objects.create(photo=saved())
    assert len({labelled.label_id, framed.label_id, labelled.poster_id, framed.poster_id}) == 4
    told = upload("gallery.FramedPoster", verbosity=2)
    assert f"gallery.Poster.photo pk={framed.poster_id} {framed.photo.name}: moved" in told
    assert is_moved(framed)
    assert not is_moved(labelled)
    assert upload("gallery.LabelledPoster.photo") == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(labelled)
    assert not any(map(is_moved, others))


def test_a_label_of_an_app(upload):
    members(saved())
    Club.objects.create(photo=saved())
    assert upload("gallery") == "2 moved, 0 skipped, 0 failed\n"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("nowhere", "No installed app with label 'nowhere'."),
        ("nowhere.Member", "No installed app with label 'nowhere'."),
        ("gallery.Nobody", "App 'gallery' doesn't have a 'Nobody' model."),
        ("gallery.Member.face", "Member has no field named 'face'."),
        ("gallery.Member.photo.url", "neither an app.Model nor an app.Model.field"),
        ("gallery.Local", "gallery.Local has no field whose files go to GroupMe."),
        ("gallery.Member.name", "gallery.Member.name has no field whose files go to GroupMe."),
    ],
)
def test_a_label_that_leads_nowhere(upload, label, reason, arrived):
    members(saved())
    assert reason in upload(label)
    assert arrived() == []


def test_another_database(upload, arrived):
    here, there = members(saved())[0], Member(photo=saved())
    there.save(using="other")
    assert upload(database="other") == "1 moved, 0 skipped, 0 failed\n"
    assert not is_moved(here)
    assert "48x32" in Member.objects.using("other").get().photo.name
    assert len(arrived()) == 1


class EverythingElsewhere:
    """A router."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "other"

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool:
        return database == "other"


def test_a_router_says_where_the_rows_are(upload, settings):
    Member(photo=saved()).save(using="other")
    settings.DATABASE_ROUTERS = [f"{__name__}.EverythingElsewhere"]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert upload(database="default") == "0 moved, 0 skipped, 0 failed\n"


class Legacy(EverythingElsewhere):
    """Whose tables no migration makes."""

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool:
        return False


def test_a_database_that_no_migration_touches(upload, settings):
    Member(photo=saved()).save(using="other")
    settings.DATABASE_ROUTERS = [f"{__name__}.Legacy"]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"


def test_a_database_without_the_tables(upload):
    with connections["other"].cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_member RENAME TO elsewhere")
    assert upload("gallery.Member", database="other") == (
        "exit 1: There is no field whose storage is GroupMe's."
    )


def test_a_source(upload, settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "old": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    name = storages["old"].save("old.jpg", ContentFile(PHOTO))
    (member,) = members(name)
    settings.GROUPME_FALLBACK = None
    assert "Pass --source ALIAS" in upload()
    assert not is_moved(member)
    assert upload(source="old") == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)


@pytest.mark.parametrize(
    ("alias", "reason"),
    [("groupme", "groupme is a storage on GroupMe"), ("nowhere", "Could not find config")],
)
def test_a_source_that_makes_no_sense(upload, alias, reason):
    assert reason in upload(source=alias)


def test_columns_of_which_nobody_says_where_the_files_are(upload, settings, capsys):
    members(saved())
    settings.GROUPME_FALLBACK = None
    Plain._meta.get_field("photo").storage.fallback = "default"
    try:
        plain = Plain.objects.create(photo=saved())
        assert upload() == "1 moved, 0 skipped, 0 failed\n"
        assert is_moved(plain)
        assert "configured for gallery.Member.photo." in upload("gallery.Member")
    finally:
        del Plain._meta.get_field("photo").storage.__dict__["fallback"]


def test_a_fallback_that_makes_no_sense(upload, settings):
    settings.GROUPME_FALLBACK = "nowhere"
    assert "Could not find config for 'nowhere'" in upload(skip_checks=True)


def test_a_limit(upload, arrived):
    rows = members(*[saved() for _ in range(5)])
    assert upload(limit=2) == "2 moved, 0 skipped, 0 failed\n"
    assert sum(map(is_moved, rows)) == 2
    assert upload(limit=9) == "3 moved, 0 skipped, 0 failed\n"
    assert len(arrived()) == 5


def test_a_signal_for_each_file(upload):
    told = []

    def receiver(**kwargs: Any) -> None:
        told.append((kwargs["name"], kwargs["picture"].url))
        Member.objects.count()  # in the thread that has the transaction

    members(*[name := saved()] * 2)
    picture_uploaded.connect(receiver)
    try:
        upload()
    finally:
        picture_uploaded.disconnect(receiver)
    assert told == [(name, Member.objects.first().photo.name)]


# A dry run


def test_a_dry_run(upload, arrived):
    rows = members(*[saved()] * 3, saved(), "gone.jpg")
    Group.objects.create(photo=saved(), banner=rows[0].photo.name)
    assert upload(dry_run=True) == textwrap.dedent(
        f"""\
        gallery.Member.photo: 5 rows, 3 files, {2 * len(PHOTO):,} bytes, 1 unreadable file
        gallery.Group.photo: 1 row, 1 file, {len(PHOTO):,} bytes
        gallery.Group.banner: 1 row, 1 file, {len(PHOTO):,} bytes
        """
    )
    assert not any(map(is_moved, rows))
    assert arrived() == []


def test_a_dry_run_with_a_limit_and_a_default_picture(upload):
    members(*[saved()] * 700)
    assert upload(dry_run=True, limit=1).startswith("gallery.Member.photo: 700 rows, 1 file, ")


@pytest.mark.parametrize("option", ["dry_run", "enqueue"])
def test_report_with_dry_run_or_enqueue_raises(upload, option, tmp_path):
    assert "--report cannot be combined" in upload(report=tmp_path / "report", **{option: True})


def test_a_dry_run_of_nothing(upload):
    assert upload(dry_run=True) == "There are no files to upload.\n"


# What goes wrong


def test_failures_are_told_with_row_file_and_reason(upload, emulator, arrived):
    good, gone, text, sneaky = members(
        saved(), "gone.jpg", saved("text.png", b"no picture"), "../../etc/passwd"
    )
    told = upload()
    assert is_moved(good)
    assert f"gallery.Member.photo pk={gone.pk} gone.jpg: failed, FileNotFoundError: " in told
    assert f"gallery.Member.photo pk={text.pk} text.png: failed, UploadRejected: " in told
    assert f"pk={sneaky.pk} ../../etc/passwd: failed, SuspiciousFileOperation: " in told
    assert "\n1 moved, 0 skipped, 3 failed\n" in told
    assert told.endswith("exit 1: 3 of 4 rows are not as they should be; see above.")
    assert Member.objects.get(pk=gone.pk).photo.name == "gone.jpg"


def test_a_failure_is_told_once_for_each_row_and_tried_once(upload, arrived, emulator):
    emulator.app.faults.add(Fault("status", status=400, times=9))
    name = saved()
    members(name, name)
    Group.objects.create(photo=name, banner=name)
    told = upload()
    assert told.count(f"{name}: failed") == 4
    assert arrived() == ["POST /pictures"]


def test_run_again_it_goes_on(upload, emulator, arrived):
    rows = members(*[saved() for _ in range(4)])
    emulator.app.faults.add(Fault("status", status=400, times=2))
    assert "2 moved, 0 skipped, 2 failed" in upload()
    assert upload() == "2 moved, 0 skipped, 0 failed\n"
    assert all(map(is_moved, rows))
    assert len(arrived()) == 6


def test_failures_that_pass_are_tried_again(upload, emulator):
    rows = members(*[saved() for _ in range(3)])
    for status in (429, 503, 420):
        emulator.app.faults.add(Fault("status", status=status))
    assert upload() == "3 moved, 0 skipped, 0 failed\n"
    assert all(map(is_moved, rows))


def test_a_constraint_of_the_project_is_told_and_spoils_no_other_row(upload, emulator):
    good, bad = (Unique.objects.create(photo=saved()) for _ in range(2))
    plain = members(bad.photo.name)[0]
    taken = []

    def take(**kwargs: Any) -> None:
        if kwargs["name"] == bad.photo.name:  # another row is quicker
            taken.append(Unique.objects.create(photo=kwargs["picture"].url))

    picture_uploaded.connect(take)
    try:
        told = upload()
    finally:
        picture_uploaded.disconnect(take)
    assert "2 moved, 0 skipped, 1 failed" in told
    assert f"gallery.Unique.photo pk={bad.pk} {bad.photo.name}: failed, IntegrityError: " in told
    assert is_moved(good)
    assert is_moved(plain)
    assert not is_moved(bad)
    assert len(taken) == 1


def test_rows_that_are_refused_among_more_than_are_held_at_once(upload, arrived):
    rows = members(*[saved()] * 1203)
    refused = {rows[7].pk, rows[1100].pk}

    def guard(execute: Any, sql: str, params: Any, *args: Any) -> Any:
        if sql.startswith("UPDATE") and refused.intersection(params):
            raise IntegrityError("this row is kept as it is")
        return execute(sql, params, *args)

    with connections["default"].execute_wrapper(guard):
        told = upload()
    assert "1,201 moved, 0 skipped, 2 failed" in told
    assert told.count("failed, IntegrityError: this row is kept as it is") == 2
    assert set(Member.objects.exclude(photo__startswith="http").values_list("pk", flat=True)) == (
        refused
    )
    assert arrived() == ["POST /pictures"]


def test_a_dry_run_that_breaks_off(upload):
    members(saved())

    def broken(execute: Any, sql: str, *args: Any) -> Any:
        return broken_database() if "DISTINCT" in sql else execute(sql, *args)

    with connections["default"].execute_wrapper(broken):
        told = upload(dry_run=True)
    assert told.startswith("exit 1: Stopped: OperationalError: the connection was lost.")


def test_a_wrong_token_is_told_once(emulator, upload, arrived, settings):
    members(*[saved() for _ in range(50)])
    emulator.app.faults.add(Fault("status", status=401, times=99))
    told = upload(workers=2)
    assert "Run the command again" not in told
    assert "exit 1: Stopped: the access token was rejected: " in told
    assert told.endswith(
        "Set the storage option 'access_token', the setting GROUPME_ACCESS_TOKEN, or the "
        "environment variable GM_TOKEN to a valid access token of a GroupMe user."
    )
    assert len(arrived()) <= 5


def test_no_token_at_all(upload, settings, monkeypatch, arrived):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = ""
    members(*[saved() for _ in range(20)])
    told = upload(workers=2, skip_checks=True)
    assert "exit 1: Stopped: There is no access token" in told
    assert told.endswith("to the access token of a GroupMe user.")
    assert arrived() == []


def test_a_service_that_asks_to_wait_for_long(upload, emulator, arrived):
    members(*[saved() for _ in range(20)])
    after = {"Retry-After": "3600"}
    emulator.app.faults.add(Fault("status", status=429, headers=after, times=99))
    told = upload(workers=2)
    assert "exit 1: Stopped: the service asks to wait for 3,600 seconds." in told
    assert "RateLimited: " in told
    assert len(arrived()) <= 2


def test_a_service_that_is_down(upload, settings, free_port):
    settings.GROUPME_UPLOAD_URL = f"http://127.0.0.1:{free_port}/pictures"
    members(*[saved() for _ in range(50)])
    told = upload(workers=4)
    assert "exit 1: Stopped: the service failed 30 times in a row." in told
    assert 30 <= told.count("ServiceUnavailable") <= 38


# Edits meanwhile


@pytest.fixture
def meanwhile() -> Any:
    """Lets something happen after each upload, before its rows are changed."""

    def before_the_answer_is_settled(**kwargs: Any) -> None:
        happens(kwargs["name"])

    happens: Any = None

    def call(function: Any) -> None:
        nonlocal happens
        happens = function
        picture_uploaded.connect(before_the_answer_is_settled, weak=False)

    yield call
    picture_uploaded.disconnect(before_the_answer_is_settled)


def test_an_edit_made_meanwhile_wins(upload, meanwhile):
    name = saved()
    edited, cleared, deleted, same = members(*[name] * 4)

    def edit(name: str) -> None:
        Member.objects.filter(pk=edited.pk).update(photo="other.jpg")
        Member.objects.filter(pk=cleared.pk).update(photo="")
        Member.objects.filter(pk=deleted.pk).delete()

    meanwhile(edit)
    told = upload(verbosity=2)
    assert "1 moved, 3 skipped, 0 failed" in told
    for row in (edited, cleared, deleted):
        assert f"pk={row.pk} {name}: skipped, the row was changed meanwhile" in told
    assert is_moved(same)
    edited.refresh_from_db()
    assert edited.photo.name == "other.jpg"
    cleared.refresh_from_db()
    assert not cleared.photo


def test_a_row_that_was_edited_before_its_turn_costs_no_upload(upload, meanwhile, arrived):
    members(*[saved() for _ in range(12)])
    meanwhile(lambda name: Member.objects.exclude(photo=name).update(photo=JPEG))
    assert upload(workers=1) == "1 moved, 11 skipped, 0 failed\n"
    assert len(arrived()) <= 1 + 2  # and those that were in flight


def test_two_runs_at_once_do_no_harm(upload, meanwhile, arrived):
    rows = members(*[saved() for _ in range(40)])
    told = []

    def run_a_second_one(name: str) -> None:
        if not told:
            told.append("")
            told.append(upload())

    meanwhile(run_a_second_one)
    first = upload(workers=2)
    assert all(map(is_moved, rows))
    assert len({row.photo.name for row in rows}) == 40
    assert "0 failed" in first
    assert "0 failed" in told[1]
    assert len(arrived()) <= 40 + 2 * 2


# Deleting the source


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_source_is_deleted_once_no_row_needs_it(upload, files):
    names = [saved() for _ in range(6)]
    moved, plain, elsewhere, other, failed, shared = names
    members(*names)
    Group.objects.create(photo=plain, banner="")
    Local.objects.create(photo=elsewhere)
    Member(photo=other).save(using="other")
    files.delete(failed)
    told = upload("gallery.Member", delete_source=True)
    assert "2 files deleted" in told
    assert {name for name in names if files.exists(name)} == {plain, elsewhere, other}
    assert not files.exists(shared)
    assert not files.exists(moved)
    assert "1 file deleted\n" in upload("gallery.Group", delete_source=True)
    assert not files.exists(plain)


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_source_is_deleted_page_by_page(upload, files, monkeypatch):
    monkeypatch.setattr("django_groupme_images.uploads.PAGE", 4)
    members(*[saved() for _ in range(10)])
    told = upload(delete_source=True, verbosity=1)
    assert told == "10 moved, 0 skipped, 0 failed\n10 files deleted\n"
    assert files.listdir("photos") == ([], [])


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_source_stays_where_the_row_was_not_changed(upload, files, meanwhile, settings):
    name = saved()
    members(name)
    meanwhile(lambda name: Member.objects.update(photo=JPEG))
    assert upload(delete_source=True) == "0 moved, 1 skipped, 0 failed\n"
    assert storages["default"].exists(name)


def test_the_source_stays_until_the_row_is_committed(upload, files):
    name = saved()
    members(name)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists(name)  # this test is a transaction that is never committed


class Undeletable(InMemoryStorage):
    def delete(self, name: str) -> None:
        raise PermissionError("this storage keeps everything")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_source_that_cannot_be_deleted_is_logged(upload, settings, caplog):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Undeletable"}}
    (member,) = members(saved())
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert "this storage keeps everything" in caplog.text


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_that_cannot_be_asked_whether_files_are_needed(upload, files, caplog):
    name = saved()
    members(name)
    with connections["other"].execute_wrapper(broken_database):
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists(name)
    assert "so none is deleted" in caplog.text
    assert "cannot be read: OperationalError: the connection was lost" in caplog.text


def broken_database(*args: Any) -> None:
    raise OperationalError("the connection was lost")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_that_breaks_ends_the_run(upload, emulator, caplog, arrived):
    rows = members(*[saved() for _ in range(40)])

    def broken_later(execute: Any, *args: Any) -> Any:
        return broken_database() if len(arrived()) > 5 else execute(*args)

    with connections["default"].execute_wrapper(broken_later):
        told = upload(workers=2)
    assert "exit 1: Stopped: OperationalError: the connection was lost." in told
    assert "the connection was lost" in caplog.text
    moved = sum(map(is_moved, rows))
    assert f"{moved} moved, " in told
    assert len(arrived()) <= moved + 2 * 2 + 1


# A file that is replaced by another one of its name


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_file_that_is_replaced_meanwhile(upload, files, settings):
    name = saved()
    (member,) = members(name)
    newer = pictures.plain(size=(20, 10))

    def replace(*args: Any, **kwargs: Any) -> None:
        files.delete(name)
        assert files.save(name, ContentFile(newer)) == name

    settings.GROUPME_ACCESS_TOKEN = lambda: replace() or "token"
    told = upload(delete_source=True, verbosity=2)
    settings.GROUPME_ACCESS_TOKEN = "token"
    assert "skipped, the file was replaced meanwhile" in told
    assert member.photo.name == name
    assert files.size(name) == len(newer)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n1 file deleted\n"
    member.refresh_from_db()
    assert member.photo.width == 20


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_file_that_is_replaced_later_is_not_deleted(upload, files, meanwhile):
    name = saved()
    members(name)
    meanwhile(lambda name: files.delete(name) or saved(name, b"another"))
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.size(name) == len(b"another")


def test_a_file_that_is_deleted_meanwhile(upload, files, settings):
    name = saved()
    members(name)
    settings.GROUPME_ACCESS_TOKEN = lambda: files.delete(name) or "token"
    assert "skipped, the file was replaced meanwhile" in upload(verbosity=2)
    assert "failed, FileNotFoundError" in upload()


class Timeless(InMemoryStorage):
    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


class Secretive(Timeless):
    def size(self, name: str) -> Any:
        raise NotImplementedError


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_source_that_does_not_know_anything(upload, settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Secretive"}}
    name = saved()
    members(name)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert storages["default"].exists(name)


def test_a_source_that_does_not_know_when(upload, settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Timeless"}}
    (member,) = members(saved())
    upload()
    assert is_moved(member)


# What is shown


def test_the_report(upload, files, tmp_path):
    good, gone = members(saved(), "gone.jpg")
    upload(report=tmp_path / "report.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    by_pk = {line["pk"]: line for line in lines}
    good.refresh_from_db()
    common = {"model": "gallery.Member", "field": "photo", "database": "default"}
    assert by_pk[good.pk] == common | {
        "outcome": "moved",
        "pk": good.pk,
        "file": "photos/cat.jpg",
        "url": good.photo.name,
        "source": "default",
        "size": len(PHOTO),
        "modified": files.get_modified_time("photos/cat.jpg").isoformat(),
        "uploaded": by_pk[good.pk]["uploaded"],
    }
    assert datetime.fromisoformat(by_pk[good.pk]["uploaded"]).tzinfo
    assert by_pk[gone.pk].pop("reason").startswith("FileNotFoundError: ")
    assert by_pk[gone.pk] == common | {"outcome": "failed", "pk": gone.pk, "file": "gone.jpg"}


def test_a_report_that_cannot_be_written(upload, tmp_path, arrived):
    members(saved())
    report = tmp_path / "no" / "folder"
    assert "exit 1: The report cannot be written: " in upload(report=report)
    assert "exit 1: The report cannot be written: " in said_by("groupme_check", report=report)
    assert arrived() == []


def test_verbosity(upload):
    members(saved(), "gone.jpg")
    loud = upload(verbosity=2)
    assert "photos/cat.jpg: moved, http://" in loud
    quiet = upload(verbosity=0)
    assert quiet.startswith("gallery.Member.photo pk=")
    assert len(quiet.splitlines()) == 2


def test_the_progress_without_a_terminal(emulator):
    members(*[saved() for _ in range(3)])
    err = io.StringIO()
    call_command("groupme_upload", "gallery.Member", rate=0, stdout=io.StringIO(), stderr=err)
    first, *_, last = err.getvalue().splitlines()
    assert first.startswith("0 of 3 files")
    assert re.fullmatch(r"3 of 3 files, .* files/s, 00:00 left", last)
    assert "\r" not in err.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_and_the_second_does_what_it_did(number):
    bulk = Bulk(workers=1)
    before = signal.getsignal(number)
    with stoppable(bulk):
        os.kill(os.getpid(), number)
        assert bulk.stopped == f"interrupted by {number.name}"
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_stoppable_with_hangup_ignored_keeps_it_ignored():
    """As nohup starts a process."""
    bulk = Bulk(workers=1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(bulk):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not bulk.stopped
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_no_signal_can_be_waited_for():
    def work() -> None:
        with stoppable(Bulk(workers=1)):
            pass

    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()


@pytest.mark.parametrize(
    "arguments",
    [["--workers=0"], ["--workers=x"], ["--rate=-1"], ["--rate=x"], ["--rate=nan"], ["--limit=0"]],
)
def test_wrong_arguments(arguments):
    with pytest.raises(CommandError, match="argument --"):
        call_command("groupme_upload", *arguments)


# As a process of its own


SETTINGS = """
from tests.settings import *
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db"}}}}
STORAGES["default"] = {{
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {{"location": "{folder}/files"}},
}}
GROUPME_FALLBACK = "default"
GROUPME_UPLOAD_URL = "{server.upload_url}"
GROUPME_CDN_URL = "{server.cdn_url}"
"""


@pytest.fixture
def site(emulator: EmulatorServer, tmp_path: Path) -> Any:
    """A project on a disk; run the command in a process of its own."""
    (tmp_path / "site_settings.py").write_text(SETTINGS.format(folder=tmp_path, server=emulator))
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }

    def start(*arguments: str, **kwargs: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "django", "groupme_upload", *arguments],
            env=environment,
            cwd=tmp_path,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kwargs,
        )

    return start


def rows_of(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "db") as connection:
        names = [name for (name,) in connection.execute("SELECT photo FROM gallery_member")]
    connection.close()
    return names


def fill(folder: Path, number: int) -> None:
    with sqlite3.connect(folder / "db") as connection:
        connection.execute("CREATE TABLE gallery_member (id INTEGER PRIMARY KEY, name, photo)")
        for index in range(number):
            name = saved(f"photos/{index}.jpg")
            connection.execute("INSERT INTO gallery_member (name, photo) VALUES ('', ?)", [name])
    connection.close()


@pytest.mark.any_django
def test_ctrl_c_finishes_what_is_in_flight(site, emulator, tmp_path, arrived):
    fill(tmp_path, 20)
    emulator.app.faults.add(Fault("delay", seconds=0.1, times=1000))
    with site("gallery.Member", "--workers=2", "--rate=0") as process:
        while len(arrived()) < 4:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    moved = [name for name in rows_of(tmp_path) if name.startswith(emulator.cdn_url)]
    assert f"{len(moved)} moved, 0 skipped, 0 failed\n" in out
    assert "Stopped: interrupted by SIGINT. Run the command again" in err
    assert len(arrived()) == len(moved)
    emulator.app.faults.clear()
    with site("gallery.Member", "--rate=0") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert out == f"{20 - len(moved)} moved, 0 skipped, 0 failed\n"
    assert len(arrived()) == 20
    assert len(set(rows_of(tmp_path))) == 20


@pytest.mark.any_django
def test_a_bar_on_a_terminal(site, emulator, tmp_path):
    fill(tmp_path, 5)
    ours, its = os.openpty()
    termios.tcsetwinsize(its, (24, 80))
    with site("gallery.Member", "--rate=0", "--verbosity=2", stderr=its) as process:
        os.close(its)
        out, _ = process.communicate()
    bar = ""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # at its end
        while some := terminal.read(65536):
            bar += some.decode()
    assert process.returncode == 0
    assert "5 moved, 0 skipped, 0 failed" in out
    assert re.search(r"\r.*100%\|.*\| 5/5 \[00:0\d<00:00", bar)
