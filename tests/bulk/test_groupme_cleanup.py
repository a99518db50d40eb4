"""Tests of ``groupme_cleanup``: it deletes no file that is in use."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from django_groupme_images.storage.names import FORM_FOLDER
from tests.support.bulk import PHOTO, create_members, fail_query, read_report, save_file_as
from tests.support.commands import run_command
from tests.testapp.models import Group, Local, Member

DAY = 24 * 60 * 60

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


@pytest.fixture
def upload_with_report(upload: Any, report: Path) -> Any:
    """Upload files with a report whose lines are as many days old as given."""

    def upload_files(*names: str, days: float = 10) -> None:
        create_members(*map(save_file_as, names))
        upload(report=report)
        change_lines(report, uploaded=(datetime.now(UTC) - timedelta(days=days)).isoformat())

    return upload_files


def change_lines(report: Path, **values: Any) -> None:
    """Set these values in each line of the report."""
    lines = [line | values for line in read_report(report)]
    report.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def run_cleanup(*reports: Path, **options: Any) -> str:
    """Run ``groupme_cleanup``, and return its output."""
    return run_command("groupme_cleanup", *map(str, reports), **options)


def save_form_file(name: str, days: float = 10) -> str:
    """Save a file as a form does, with this age in days."""
    name = save_file_as(f"{FORM_FOLDER}/{name}")
    make_older(Path(storages["default"].path(name)), days)
    return name


def make_older(path: Path, days: float) -> None:
    """Subtract this number of days from the modification time of the file."""
    modified = path.stat().st_mtime - days * DAY
    os.utime(path, (modified, modified))


class FlatStorage(InMemoryStorage):
    """
    A storage whose ``listdir()`` returns ``folders`` and ``files``.

    Some object storages return complete names with a prefix, and the folder itself.
    """

    folders: Any = ()
    files: Any = ()

    def listdir(self, path: str) -> Any:
        if isinstance(self.files, Exception):
            raise self.files
        return (self.folders, self.files) if path == FORM_FOLDER else ([], [])

    def get_modified_time(self, name: str) -> datetime:
        return super().get_modified_time(name) - timedelta(days=10)


class RemoteStorage(FlatStorage):
    """A storage that also has no paths."""

    def path(self, name: str) -> str:
        raise NotImplementedError

    def _relative_path(self, name: str) -> str:
        return name


@pytest.fixture(params=["FlatStorage", "RemoteStorage"])
def set_listing(settings: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> Any:
    """Use a storage whose ``folders`` and ``files`` the test sets."""
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.{request.param}"}}
    return partial(monkeypatch.setattr, FlatStorage)


def test_cleanup_of_old_uploads_deletes_their_files(upload_with_report, report, fallback):
    upload_with_report("a.jpg", "b.jpg")
    assert run_cleanup(report) == "2 files deleted, 0 kept, 0 failed\n"
    assert fallback.listdir("") == ([], [])
    assert run_cleanup(report) == ""


def test_cleanup_in_several_batches_deletes_all_files(
    upload_with_report, report, fallback, monkeypatch
):
    monkeypatch.setattr("django_groupme_images.bulk.cleanup.FILES_PER_SEARCH", 2)
    upload_with_report("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    assert run_cleanup(report) == "5 files deleted, 0 kept, 0 failed\n"
    assert fallback.listdir("") == ([], [])


def test_cleanup_with_several_reports_lists_each_file(upload_with_report, report, tmp_path):
    upload_with_report("a.jpg")
    Local.objects.create(photo="A.jpg")
    other = report.rename(tmp_path / "first.jsonl")
    upload_with_report("b.jpg")
    assert sorted(run_cleanup(other, report, verbosity=2).splitlines()) == [
        "1 file deleted, 1 kept, 0 failed",
        "a.jpg: kept, the file is still referenced",
        "b.jpg: deleted",
    ]
    assert run_cleanup(other, report, verbosity=0) == ""


@pytest.mark.parametrize(
    ("days", "options", "count"),
    [(6.9, {}, 0), (7.1, {}, 1), (0, {"older_than": 0}, 1), (2, {"older_than": 2.5}, 0)],
)
def test_cleanup_of_upload_deletes_file_only_after_given_days(
    upload_with_report, report, fallback, days, options, count
):
    upload_with_report("a.jpg", days=days)
    run_cleanup(report, **options)
    assert fallback.exists("a.jpg") is not bool(count)


def test_cleanup_of_file_with_another_recent_upload_keeps_it(upload_with_report, report, fallback):
    upload_with_report("a.jpg")
    line = json.loads(report.read_text(encoding="utf-8"))
    line["uploaded"] = datetime.now(UTC).isoformat()
    report.write_text(f"{json.dumps(line)}\n{report.read_text(encoding='utf-8')}")
    recent = "0 kept, 0 failed, 1 too new (--older-than 7)\n"
    assert run_cleanup(report) == ""
    assert run_cleanup(report, verbosity=2) == f"0 files deleted, {recent}"
    assert run_cleanup(report, dry_run=True) == f"0 files to delete, {recent}"
    assert run_cleanup(report, verbosity=0) == ""
    assert fallback.exists("a.jpg")


def test_cleanup_with_dry_run_deletes_nothing(upload_with_report, report, fallback):
    upload_with_report("a.jpg")
    assert run_cleanup(report, dry_run=True, verbosity=2) == (
        "a.jpg: to delete\n1 file to delete, 0 kept, 0 failed\n"
    )
    assert fallback.exists("a.jpg")


def test_cleanup_of_replaced_file_keeps_it(upload_with_report, report, fallback):
    upload_with_report("size.jpg", "time.jpg", "back.jpg")
    Path(fallback.path("size.jpg")).write_bytes(b"another")
    make_older(Path(fallback.path("time.jpg")), 1)
    Member.objects.first().delete()
    create_members("BACK.jpg")
    assert run_cleanup(report) == "0 files deleted, 1 kept, 0 failed\n"
    assert len(fallback.listdir("")[1]) == 3


@pytest.mark.parametrize(
    "values",
    [
        {"url": "https://example.com/48x32.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"},
        {"url": ""},
        {"size": True},
        {"size": 2**63},
        {"size": None},
        {"modified": None},
        {"modified": "yesterday"},
        {"uploaded": None},
        {"uploaded": "2999-01-01T00:00:00+00:00"},
        {"file": "other/../a.jpg"},
        {"file": "https://example.com/a.jpg"},
        {"file": "\ud800.jpg"},
        {"source": ["default"]},
    ],
)
def test_cleanup_with_invalid_report_line_keeps_file(upload_with_report, report, fallback, values):
    upload_with_report("a.jpg")
    if values.get("file", "").endswith("a.jpg"):
        Local.objects.create(photo="a.jpg")
    change_lines(report, **values)
    output = run_cleanup(report)
    assert output == "" or output.startswith("0 files deleted, ")
    assert fallback.exists("a.jpg")


def test_cleanup_with_unknown_storage_raises_and_deletes_nothing(
    upload_with_report, report, fallback
):
    upload_with_report("a.jpg", "b.jpg")
    first, second = report.read_text(encoding="utf-8").splitlines()
    report.write_text(f"{json.dumps(json.loads(first) | {'source': 'old'})}\n{second}")
    assert run_cleanup(report).startswith(
        "exit 1: No file was deleted: Could not find config for 'old'"
    )
    assert len(fallback.listdir("")[1]) == 2
    report.write_text(f"{json.dumps(json.loads(first) | {'source': 'groupme'})}\n{second}")
    assert 'STORAGES["groupme"] is a GroupMeStorage' in run_cleanup(report)


def test_cleanup_of_folder_keeps_it(upload_with_report, report, fallback):
    upload_with_report("a.jpg")
    fallback.delete("a.jpg")
    change_lines(
        report,
        file=".",
        size=fallback.size("."),
        modified=fallback.get_modified_time(".").isoformat(),
    )
    assert run_cleanup(report) == "0 files deleted, 1 kept, 0 failed\n"


def test_cleanup_of_storage_without_paths_compares_names(upload_with_report, report, settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.RemoteStorage"}}
    upload_with_report("a/a.jpg", "b.jpg")
    Local.objects.create(photo="b/a.jpg")
    Local.objects.create(photo="media/B.JPG")
    assert run_cleanup(report) == "1 file deleted, 1 kept, 0 failed\n"


def test_cleanup_with_report_without_uploads_warns(upload, report):
    create_members("gone.jpg")
    upload(report=report)
    err = io.StringIO()
    call_command("groupme_cleanup", str(report), stdout=io.StringIO(), stderr=err)
    assert err.getvalue() == (
        "The reports contain no uploads, so only files of abandoned forms are deleted. Pass the "
        "file of groupme_upload --report.\n"
    )
    err = io.StringIO()
    call_command("groupme_cleanup", str(report), verbosity=0, stderr=err)
    assert err.getvalue() == ""


def test_cleanup_with_missing_report_raises(tmp_path):
    assert run_cleanup(tmp_path / "missing").startswith("exit 1: The report could not be opened: ")


def test_cleanup_with_broken_view_raises_and_deletes_nothing(
    upload_with_report, report, fallback, broken_view
):
    upload_with_report("a.jpg")
    save_form_file("b.jpg")
    output = run_cleanup(report)
    assert output.startswith("exit 1: Stopped after 0 files, because references")
    assert "gallery.MemberView.photo in the database 'other' could not be read: Op" in output
    assert fallback.exists("a.jpg")


def test_cleanup_with_missing_table_raises_and_deletes_nothing(
    upload_with_report, report, fallback
):
    upload_with_report("a.jpg")
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_local RENAME TO gallery_document")
    try:
        output = run_cleanup(report)
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("ALTER TABLE gallery_document RENAME TO gallery_local")
    assert "The database 'default' has no table of gallery.Local. Run migrate." in output
    assert fallback.exists("a.jpg")


def test_cleanup_after_lost_database_connection_deletes_nothing(
    upload_with_report, report, fallback
):
    upload_with_report("a.jpg")
    with connections["other"].execute_wrapper(fail_query):
        assert "the connection was lost" in run_cleanup(report)
    assert fallback.exists("a.jpg")


def test_cleanup_in_transaction_raises(upload_with_report, report, fallback):
    upload_with_report("a.jpg")
    with transaction.atomic(using="other"):
        assert run_cleanup(report) == "exit 1: groupme_cleanup cannot run inside a transaction."
    assert fallback.exists("a.jpg")


@pytest.mark.django_db(databases=["default", "other"])
def test_cleanup_in_transaction_of_test_case_deletes_file(upload_with_report, report):
    upload_with_report("a.jpg")
    assert run_cleanup(report) == "1 file deleted, 0 kept, 0 failed\n"


def test_cleanup_of_read_only_storage_fails(upload_with_report, report, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.ReadOnlyStorage"}
    }
    upload_with_report("a.jpg")
    assert run_cleanup(report) == (
        "a.jpg: failed, PermissionError: this storage is read-only\n"
        "0 files deleted, 0 kept, 1 failed\n"
        "exit 1: 1 file could not be deleted."
    )


def test_cleanup_of_name_outside_storage_fails(upload_with_report, report):
    upload_with_report("a.jpg")
    change_lines(report, file="../../etc/passwd")
    assert "../../etc/passwd: failed, SuspiciousFileOperation: " in run_cleanup(report)


@pytest.mark.parametrize("days", ["-1", "x", "nan", "inf", "1e9"])
def test_cleanup_with_invalid_days_raises(days):
    with pytest.raises(CommandError, match="argument --older-than"):
        call_command("groupme_cleanup", "--older-than", days)


def test_cleanup_of_old_form_files_deletes_unreferenced_ones(fallback):
    old = save_form_file("photos/a/b/old.jpg")
    recent = save_form_file("recent.jpg", days=6)
    used = save_form_file("used.jpg")
    others = [
        save_file_as("old.jpg"),
        save_file_as("photos/groupme-forms/old.jpg"),
        save_file_as("groupme-forms2/a.jpg"),
    ]
    for name in others:
        make_older(Path(fallback.path(name)), 10)
    Group.objects.create(photo="", banner="./groupme-forms/USED.jpg")
    assert run_cleanup() == "1 file deleted, 1 kept, 0 failed, 1 too new (--older-than 7)\n"
    assert not fallback.exists(old)
    assert all(map(fallback.exists, [recent, used, *others]))


@pytest.mark.skipif(os.name == "nt", reason="Windows restricts who may create symbolic links")
def test_cleanup_of_form_files_does_not_follow_symbolic_links(fallback, tmp_path):
    save_form_file("a.jpg")
    outside = tmp_path / "outside"
    outside.mkdir()
    for folder in (outside, Path(fallback.path("photos"))):
        folder.mkdir(exist_ok=True)
        (folder / "cat.jpg").write_bytes(PHOTO)
        make_older(folder / "cat.jpg", 10)
        Path(fallback.path(f"{FORM_FOLDER}/{folder.name}")).symlink_to(folder)
    Path(fallback.path(f"{FORM_FOLDER}/link.jpg")).symlink_to(outside / "cat.jpg")
    Path(fallback.path(f"{FORM_FOLDER}/loop")).symlink_to(".")
    assert run_cleanup() == "1 file deleted, 0 kept, 0 failed\n"
    assert (outside / "cat.jpg").exists()
    assert fallback.exists("photos/cat.jpg")


@pytest.mark.skipif(os.name == "nt", reason="Windows restricts who may create symbolic links")
def test_cleanup_of_linked_form_folder_keeps_all_files(fallback, tmp_path):
    (tmp_path / "outside").mkdir()
    Path(fallback.path(FORM_FOLDER)).symlink_to(tmp_path / "outside")
    name = save_form_file("a.jpg")
    assert run_cleanup() == ""
    assert fallback.exists(name)


def test_cleanup_of_form_file_with_recent_upload_keeps_it(upload_with_report, report, fallback):
    name = f"{FORM_FOLDER}/a.jpg"
    Path(fallback.path(FORM_FOLDER)).mkdir()
    Path(fallback.path(name)).write_bytes(PHOTO)
    make_older(Path(fallback.path(name)), 10)
    create_members(name)
    upload_with_report(days=3)
    recent = "0 files deleted, 0 kept, 0 failed, 1 too new (--older-than 7)\n"
    assert run_cleanup(report, verbosity=2) == recent
    assert run_cleanup(report, older_than=3) == "1 file deleted, 0 kept, 0 failed\n"


def test_cleanup_of_form_file_without_time_keeps_it(settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    name = save_file_as(f"{FORM_FOLDER}/a.jpg")
    assert run_cleanup(older_than=0) == ""
    assert storages["default"].exists(name)


def test_cleanup_of_form_files_with_prefixed_names_deletes_them(set_listing):
    name = save_file_as(f"{FORM_FOLDER}/a.jpg")
    save_file_as("b.jpg")
    Local.objects.create(photo="x/b.jpg")
    entries = [f"media/{FORM_FOLDER}/a.jpg", "", ".", "../..", "..\\b.jpg", "../b.jpg", "gone.jpg"]
    set_listing("files", entries)
    set_listing("folders", [f"{FORM_FOLDER}/"])
    assert run_cleanup() == "1 file deleted, 0 kept, 0 failed\n"
    assert not storages["default"].exists(name)
    assert storages["default"].exists("b.jpg")


def test_cleanup_of_storage_that_cannot_list_reports_it(set_listing, capsys):
    set_listing("files", NotImplementedError("no list"))
    call_command("groupme_cleanup")
    out, err = capsys.readouterr()
    assert out == ""
    assert "groupme-forms: skipped, the storage cannot list its files" in err


def test_cleanup_of_storage_with_failing_list_fails(set_listing):
    save_file_as(f"{FORM_FOLDER}/a.jpg")
    set_listing("files", ConnectionError("no connection"))
    output = run_cleanup()
    assert "groupme-forms: failed, ConnectionError: no connection" in output
    assert output.endswith("exit 1: 1 file could not be deleted.")


def test_cleanup_without_form_files_deletes_nothing(settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    assert run_cleanup() == ""
