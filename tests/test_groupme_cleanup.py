"""``manage.py groupme_cleanup`` and ``--delete-source``: no file is deleted that is in use."""

from __future__ import annotations

import json
import os
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.names import FORM_FOLDER
from django_groupme_images.references import ReferencesUnknown, default_names
from django_groupme_images.tasks import upload_batch

from . import emulator_pictures as pictures
from .commands import said_by
from .gallery.models import Brand, Group, Hidden, Local, Member, Profile
from .test_groupme_upload import is_moved, members

PHOTO = pictures.plain()
DAY = 24 * 60 * 60

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def files(waiting_files: FileSystemStorage) -> FileSystemStorage:
    return waiting_files


@pytest.fixture
def upload(emulator: EmulatorServer) -> Any:
    return partial(said_by, "groupme_upload", rate=0)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.jsonl"


@pytest.fixture
def uploaded(upload: Any, report: Path) -> Any:
    """Upload files with a report, as many days ago as given."""

    def upload_files(*names: str, days: float = 10) -> None:
        members(*map(saved, names))
        upload(report=report)
        change_lines(report, uploaded=(datetime.now(UTC) - timedelta(days=days)).isoformat())

    return upload_files


def change_lines(report: Path, **values: Any) -> None:
    lines = [json.loads(line) | values for line in report.read_text().splitlines()]
    report.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def cleanup(*reports: Path, **options: Any) -> str:
    return said_by("groupme_cleanup", *map(str, reports), **options)


def saved(name: str = "photos/cat.jpg") -> str:
    storage = storages["default"]
    assert storage.save(name, ContentFile(PHOTO)) == name
    return name


def abandoned(name: str, days: float = 10) -> str:
    """Save the file of a form that was abandoned this number of days ago."""
    name = saved(f"{FORM_FOLDER}/{name}")
    age(Path(storages["default"].path(name)), days)
    return name


def age(path: Path, days: float) -> None:
    moment = path.stat().st_mtime - days * DAY
    os.utime(path, (moment, moment))


# References


NAMES = [
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


@pytest.mark.parametrize(("name", "reference"), NAMES)
def test_delete_source_with_another_spelling_in_a_row_keeps_the_file(
    upload, files, name, reference
):
    (member,) = members(saved(name))
    Local.objects.create(photo=reference)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert files.exists(name)


@pytest.mark.parametrize(
    "reference", ["other/cat.jpg", "photos/cat.jpg/x", "xphotos/cat.jpg", "photos/cat.jpeg", "."]
)
def test_delete_source_with_a_reference_to_another_file_deletes_the_file(upload, files, reference):
    members(saved())
    Local.objects.create(photo=reference)
    assert "1 file deleted" in upload(delete_source=True)
    assert not files.exists("photos/cat.jpg")


def test_delete_source_with_a_reference_through_a_symbolic_link_keeps_the_file(upload, files):
    members(saved())
    Path(files.path("pictures")).symlink_to(files.path("photos"))
    Local.objects.create(photo="pictures/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists("photos/cat.jpg")


def test_delete_source_with_a_row_of_another_database_keeps_the_file(upload, files):
    members(saved())
    Local(photo="./photos/cat.jpg").save(using="other")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists("photos/cat.jpg")


def test_delete_source_with_a_path_field_keeps_the_file(upload, files):
    members(saved())
    Brand.objects.create(manual="/srv/media/photos/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists("photos/cat.jpg")


def test_delete_source_with_rows_that_a_manager_hides_keeps_their_files(upload, files):
    members(saved())
    Hidden.objects.create(document="photos/cat.jpg")
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists("photos/cat.jpg")


def test_upload_with_rows_that_a_manager_hides_changes_them(upload):
    hidden = Hidden(photo=saved())
    hidden.save()
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT photo FROM gallery_hidden")
        assert "48x32.jpeg" in cursor.fetchone()[0]


@pytest.mark.parametrize("name", ["profiles/default.png", "brands/logo.png", "brands/icon.png"])
def test_delete_source_of_a_default_keeps_the_file(upload, files, report, name):
    members(saved(name))
    assert "deleted" not in upload(delete_source=True, report=report)
    assert files.exists(name)


def test_delete_source_as_a_task_keeps_referenced_files(emulator, files):
    names = [saved(name) for name in ("a.jpg", "b.jpg", "profiles/default.png")]
    members(*names)
    Local.objects.create(photo="A.JPG")
    counts = upload_batch.func(["gallery.Member"], names, delete_source=True)
    assert counts == {"moved": 2, "skipped": 1}
    assert {name for name in names if files.exists(name)} == {"a.jpg", "profiles/default.png"}


@pytest.mark.parametrize("database", ["default", "other"])
def test_delete_source_in_a_transaction_that_is_rolled_back_keeps_the_file(upload, files, database):
    members(saved())
    Local(photo="photos/cat.jpg").save(using="other")
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=database):
        Local.objects.using("other").delete()
        upload(delete_source=True)
        _ = 1 / 0
    assert files.exists("photos/cat.jpg")


def test_delete_source_in_a_transaction_deletes_after_the_commit(upload, files):
    members(saved())
    with transaction.atomic(using="other"):
        upload(delete_source=True)
        assert files.exists("photos/cat.jpg")
    assert not files.exists("photos/cat.jpg")


def test_delete_source_with_a_broken_view_keeps_the_file(upload, files, caplog, broken_view):
    (member,) = members(saved())
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert files.exists("photos/cat.jpg")
    assert "gallery.MemberView.photo in the database 'other' cannot be read: Op" in caplog.text


def test_delete_source_with_a_name_in_a_view_keeps_the_file(upload, files):
    members(saved())
    with view("other", "SELECT 1 AS id, 'photos/cat.jpg' AS photo"):
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    assert files.exists("photos/cat.jpg")


def test_delete_source_with_a_default_that_raises_keeps_the_file(upload, files, caplog):
    members(saved())
    field = Profile._meta.get_field("photo")
    field.default = lambda: 1 / 0
    vars(field).pop("_get_default", None)
    try:
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    finally:
        field.default = "profiles/default.png"
        vars(field).pop("_get_default", None)
    assert files.exists("photos/cat.jpg")
    assert "The default of gallery.Profile.photo is not known" in caplog.text
    assert "gallery.Profile.photo cannot be read: ZeroDivisionError" in caplog.text


def test_default_that_the_database_computes_is_unknown():
    field = GroupMeImageField(db_default=Lower(Value("Profiles/default.png")))
    with pytest.raises(ReferencesUnknown, match="a default that the database computes"):
        list(default_names(field))
    assert list(default_names(GroupMeImageField(db_default=Value("a.png")))) == ["a.png"]
    assert list(default_names(GroupMeImageField(db_default="a.png"))) == ["a.png"]


def test_upload_with_a_table_without_a_key_skips_it(upload):
    members(saved())
    with view("default", "SELECT 'photos/cat.jpg' AS photo"):
        assert upload() == "1 moved, 0 skipped, 0 failed\n"


def test_delete_source_with_a_database_in_manual_transactions_keeps_the_file(upload, files, caplog):
    members(saved())
    connections["other"].set_autocommit(False)
    try:
        assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n"
    finally:
        connections["other"].rollback()
        connections["other"].set_autocommit(True)
    assert files.exists("photos/cat.jpg")
    assert "No source file is deleted" in caplog.text


class view:  # noqa: N801  # It is used like a function.
    """A database view of MemberView."""

    def __init__(self, database: str, query: str) -> None:
        self._database, self._query = database, query

    def __enter__(self) -> None:
        with connections[self._database].cursor() as cursor:
            cursor.execute(f"CREATE VIEW gallery_member_view AS {self._query}")

    def __exit__(self, *_: object) -> None:
        with connections[self._database].cursor() as cursor:
            cursor.execute("DROP VIEW gallery_member_view")


@pytest.fixture
def broken_view() -> Any:
    with view("other", "SELECT id, photo FROM nowhere"):  # This database is always SQLite.
        yield


# Unmanaged models


def test_upload_with_a_view_skips_it(upload, capsys):
    (member,) = members(saved())
    with view("default", "SELECT id, photo FROM gallery_member"):
        assert upload() == "1 moved, 0 skipped, 0 failed\n"
        assert "unmanaged: it is a database view" in upload("gallery.MemberView", verbosity=0)
    assert is_moved(member)


# The sources of uploads


def test_cleanup_deletes_the_sources_of_old_uploads(uploaded, report, files):
    uploaded("a.jpg", "b.jpg")
    assert cleanup(report) == "2 files deleted, 0 kept, 0 failed\n"
    assert files.listdir("") == ([], [])
    assert cleanup(report) == "0 files deleted, 0 kept, 0 failed\n"


def test_cleanup_with_several_reports_and_verbosity(uploaded, report, tmp_path):
    uploaded("a.jpg")
    Local.objects.create(photo="A.jpg")
    other = report.rename(tmp_path / "first.jsonl")
    uploaded("b.jpg")
    assert sorted(cleanup(other, report, verbosity=2).splitlines()) == [
        "1 file deleted, 1 kept, 0 failed",
        "a.jpg: kept, it is still referenced",
        "b.jpg: deleted",
    ]
    assert cleanup(other, report, verbosity=0) == ""


@pytest.mark.parametrize(
    ("days", "options", "count"),
    [(6.9, {}, 0), (7.1, {}, 1), (0, {"older_than": 0}, 1), (2, {"older_than": 2.5}, 0)],
)
def test_cleanup_keeps_recent_uploads(uploaded, report, files, days, options, count):
    uploaded("a.jpg", days=days)
    cleanup(report, **options)
    assert files.exists("a.jpg") is not bool(count)


def test_cleanup_with_a_recent_upload_of_the_same_file_keeps_it(uploaded, report, files):
    uploaded("a.jpg")
    line = json.loads(report.read_text())
    line["uploaded"] = datetime.now(UTC).isoformat()
    report.write_text(f"{json.dumps(line)}\n{report.read_text()}")
    assert cleanup(report) == "0 files deleted, 0 kept, 0 failed\n"


def test_cleanup_with_dry_run_deletes_nothing(uploaded, report, files):
    uploaded("a.jpg")
    assert cleanup(report, dry_run=True, verbosity=2) == (
        "a.jpg: to delete\n1 file to delete, 0 kept, 0 failed\n"
    )
    assert files.exists("a.jpg")


def test_cleanup_of_a_file_that_was_replaced_keeps_it(uploaded, report, files):
    uploaded("size.jpg", "time.jpg", "back.jpg")
    Path(files.path("size.jpg")).write_bytes(b"another")
    age(Path(files.path("time.jpg")), 1)
    Member.objects.first().delete()
    members("BACK.jpg")
    assert cleanup(report) == "0 files deleted, 1 kept, 0 failed\n"
    assert len(files.listdir("")[1]) == 3


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
def test_cleanup_with_a_line_of_something_else_keeps_the_file(uploaded, report, files, values):
    uploaded("a.jpg")
    Local.objects.create(photo="a.jpg") if values.get("file", "").endswith("a.jpg") else None
    change_lines(report, **values)
    assert cleanup(report).startswith("0 files deleted")
    assert files.exists("a.jpg")


def test_cleanup_with_unknown_storage_raises_and_deletes_nothing(uploaded, report, files):
    uploaded("a.jpg", "b.jpg")
    first, second = report.read_text().splitlines()
    report.write_text(f"{json.dumps(json.loads(first) | {'source': 'old'})}\n{second}")
    assert cleanup(report).startswith("exit 1: No file is deleted, because of the storage 'old': ")
    assert len(files.listdir("")[1]) == 2
    report.write_text(f"{json.dumps(json.loads(first) | {'source': 'groupme'})}\n{second}")
    assert "groupme is a storage on GroupMe" in cleanup(report)


def test_cleanup_of_a_folder_keeps_it(uploaded, report, files):
    uploaded("a.jpg")
    files.delete("a.jpg")
    change_lines(
        report,
        file=".",
        size=files.size("."),
        modified=files.get_modified_time(".").isoformat(),
    )
    assert cleanup(report) == "0 files deleted, 1 kept, 0 failed\n"


def test_cleanup_of_a_storage_without_paths_compares_names(uploaded, report, settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Remote"}}
    uploaded("a/a.jpg", "b.jpg")
    Local.objects.create(photo="b/a.jpg")
    Local.objects.create(photo="media/B.JPG")
    assert cleanup(report) == "1 file deleted, 1 kept, 0 failed\n"


def test_cleanup_with_missing_report_raises(tmp_path):
    assert cleanup(tmp_path / "missing").startswith("exit 1: The report cannot be read: ")


def test_cleanup_with_a_broken_view_raises_and_deletes_nothing(
    uploaded, report, files, broken_view
):
    uploaded("a.jpg")
    abandoned("b.jpg")
    told = cleanup(report)
    assert told.startswith("exit 1: Stopped after 0 files, because references")
    assert "gallery.MemberView.photo in the database 'other' cannot be read: Op" in told
    assert files.exists("a.jpg")


def test_cleanup_before_a_migration_raises_and_deletes_nothing(uploaded, report, files):
    uploaded("a.jpg")
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_local RENAME TO gallery_document")
    try:
        told = cleanup(report)
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("ALTER TABLE gallery_document RENAME TO gallery_local")
    assert "The database 'default' has no table of gallery.Local. Run migrate." in told
    assert files.exists("a.jpg")


def test_cleanup_without_a_database_raises(uploaded, report, files):
    uploaded("a.jpg")

    def broken(*args: Any) -> None:
        raise OperationalError("the connection was lost")

    with connections["other"].execute_wrapper(broken):
        assert "the connection was lost" in cleanup(report)
    assert files.exists("a.jpg")


def test_cleanup_in_a_transaction_raises(uploaded, report, files):
    uploaded("a.jpg")
    with transaction.atomic(using="other"):
        assert cleanup(report) == "exit 1: groupme_cleanup cannot run inside a transaction."
    assert files.exists("a.jpg")


@pytest.mark.django_db(databases=["default", "other"])
def test_cleanup_in_a_test_case_deletes(uploaded, report):
    uploaded("a.jpg")
    assert cleanup(report) == "1 file deleted, 0 kept, 0 failed\n"


class Undeletable(InMemoryStorage):
    def delete(self, name: str) -> None:
        raise PermissionError("this storage is read-only")


def test_cleanup_of_a_read_only_storage_fails(uploaded, report, settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Undeletable"}}
    uploaded("a.jpg")
    assert cleanup(report) == (
        "a.jpg: failed, PermissionError: this storage is read-only\n"
        "0 files deleted, 0 kept, 1 failed\n"
        "exit 1: 1 file could not be deleted."
    )


def test_cleanup_of_a_name_outside_of_the_storage_fails(uploaded, report):
    uploaded("a.jpg")
    change_lines(report, file="../../etc/passwd")
    assert "../../etc/passwd: failed, SuspiciousFileOperation: " in cleanup(report)


@pytest.mark.parametrize("days", ["-1", "x", "nan", "inf", "1e9"])
def test_cleanup_with_wrong_days_raises(days):
    with pytest.raises(CommandError, match="argument --older-than"):
        call_command("groupme_cleanup", "--older-than", days)


# The files of abandoned forms


def test_cleanup_deletes_old_files_of_forms(files):
    old, recent, used = (
        abandoned("photos/a/b/old.jpg"),
        abandoned("recent.jpg", days=6),
        abandoned("used.jpg"),
    )
    others = [
        saved("old.jpg"),
        saved("photos/groupme-forms/old.jpg"),
        saved("groupme-forms2/a.jpg"),
    ]
    for name in others:
        age(Path(files.path(name)), 10)
    Group.objects.create(photo="", banner="./groupme-forms/USED.jpg")
    assert cleanup() == "1 file deleted, 1 kept, 0 failed\n"
    assert not files.exists(old)
    assert all(map(files.exists, [recent, used, *others]))


def test_cleanup_of_forms_does_not_follow_symbolic_links(files, tmp_path):
    abandoned("a.jpg")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (elsewhere, Path(files.path("photos"))):
        folder.mkdir(exist_ok=True)
        (folder / "cat.jpg").write_bytes(PHOTO)
        age(folder / "cat.jpg", 10)
        Path(files.path(f"{FORM_FOLDER}/{folder.name}")).symlink_to(folder)
    Path(files.path(f"{FORM_FOLDER}/link.jpg")).symlink_to(elsewhere / "cat.jpg")
    Path(files.path(f"{FORM_FOLDER}/loop")).symlink_to(".")
    assert cleanup() == "1 file deleted, 0 kept, 0 failed\n"
    assert (elsewhere / "cat.jpg").exists()
    assert files.exists("photos/cat.jpg")


def test_cleanup_of_forms_with_a_linked_folder_keeps_all(files, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Path(files.path(FORM_FOLDER)).symlink_to(tmp_path / "elsewhere")
    name = abandoned("a.jpg")
    assert cleanup() == "0 files deleted, 0 kept, 0 failed\n"
    assert files.exists(name)


def test_cleanup_of_forms_keeps_files_of_recent_uploads(uploaded, report, files):
    name = f"{FORM_FOLDER}/a.jpg"
    Path(files.path(FORM_FOLDER)).mkdir()
    Path(files.path(name)).write_bytes(PHOTO)
    age(Path(files.path(name)), 10)
    members(name)
    uploaded(days=3)
    assert cleanup(report) == "0 files deleted, 0 kept, 0 failed\n"
    assert cleanup(report, older_than=3) == "1 file deleted, 0 kept, 0 failed\n"


class Flat(InMemoryStorage):
    """Lists complete names with a prefix, and the folder, as some object storages do."""

    folders: Any = ()
    files: Any = ()

    def listdir(self, path: str) -> Any:
        if isinstance(self.files, Exception):
            raise self.files
        return (self.folders, self.files) if path == FORM_FOLDER else ([], [])

    def get_modified_time(self, name: str) -> datetime:
        return super().get_modified_time(name) - timedelta(days=10)


class Remote(Flat):
    """Has no paths, either."""

    def path(self, name: str) -> str:
        raise NotImplementedError

    def _relative_path(self, name: str) -> str:
        return name


@pytest.fixture(params=["Flat", "Remote"])
def listing(settings: Any, monkeypatch: pytest.MonkeyPatch, request: Any) -> Any:
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.{request.param}"}}
    return partial(monkeypatch.setattr, Flat)


def test_cleanup_of_forms_with_names_that_have_a_prefix(listing):
    name = saved(f"{FORM_FOLDER}/a.jpg")
    saved("b.jpg")
    Local.objects.create(photo="x/b.jpg")
    entries = [f"media/{FORM_FOLDER}/a.jpg", "", ".", "../..", "..\\b.jpg", "../b.jpg", "gone.jpg"]
    listing("files", entries)
    listing("folders", [f"{FORM_FOLDER}/"])
    assert cleanup() == "1 file deleted, 0 kept, 0 failed\n"
    assert not storages["default"].exists(name)
    assert storages["default"].exists("b.jpg")


def test_cleanup_of_forms_with_a_storage_that_cannot_list_is_reported(listing, capsys):
    listing("files", NotImplementedError("no list"))
    call_command("groupme_cleanup")
    out, err = capsys.readouterr()
    assert out == "0 files deleted, 0 kept, 0 failed\n"
    assert "groupme-forms: skipped, the storage cannot list its files" in err


def test_cleanup_of_forms_with_a_storage_that_fails_to_list_fails(listing):
    saved(f"{FORM_FOLDER}/a.jpg")
    listing("files", ConnectionError("no connection"))
    told = cleanup()
    assert "groupme-forms: failed, ConnectionError: no connection" in told
    assert told.endswith("exit 1: 1 file could not be deleted.")


def test_cleanup_without_forms_deletes_nothing(settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    assert cleanup() == "0 files deleted, 0 kept, 0 failed\n"
