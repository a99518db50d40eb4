"""``groupme_upload --report``: a file that the report contains is not uploaded again."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.records import Records, ReportFile
from django_groupme_images.signals import picture_uploaded

from . import emulator_pictures as pictures
from .commands import said_by
from .gallery.models import Member, Profile
from .test_groupme_upload import ROOT, is_moved, members, rows_of, saved

PHOTO = pictures.plain()
DEFAULT = "profiles/default.png"

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture(autouse=True)
def files(waiting_files: FileSystemStorage) -> FileSystemStorage:
    return waiting_files


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.jsonl"


@pytest.fixture
def upload(emulator: EmulatorServer, report: Path) -> Any:
    return partial(said_by, "groupme_upload", rate=0, report=report)


def lines_of(report: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in report.read_text().splitlines()]


# What is appended


def test_report_of_a_second_run_is_appended(upload, report):
    members(saved())
    upload()
    members(saved(), "gone.jpg")
    upload()
    assert [line["outcome"] for line in lines_of(report)].count("moved") == 2
    assert len(lines_of(report)) == 3


def test_report_has_one_line_per_row(upload, report):
    rows = members(*[saved()] * 3)
    upload()
    lines = lines_of(report)
    assert sorted(line["pk"] for line in lines) == sorted(row.pk for row in rows)
    assert {line["outcome"] for line in lines} == {"moved"}
    assert len({line["url"] for line in lines}) == 1


def test_report_has_the_upload_before_the_row_is_changed(upload, report):
    (member,) = members(saved())
    seen = []

    def receiver(**kwargs: Any) -> None:
        member.refresh_from_db()
        seen.append((member.photo.name, [line["url"] for line in lines_of(report)]))

    picture_uploaded.connect(receiver)
    try:
        upload()
    finally:
        picture_uploaded.disconnect(receiver)
    assert seen == [("photos/cat.jpg", [Member.objects.get().photo.name])]


def test_report_of_a_row_that_was_changed_has_a_second_line(upload, report):
    members(saved())

    def receiver(**kwargs: Any) -> None:
        Member.objects.update(photo="")

    picture_uploaded.connect(receiver)
    try:
        assert upload() == "0 moved, 1 skipped, 0 failed\n"
    finally:
        picture_uploaded.disconnect(receiver)
    assert [line["outcome"] for line in lines_of(report)] == ["moved", "skipped"]


def test_report_starts_a_new_line_after_one_that_was_cut_off(upload, report):
    members(saved())
    report.write_text('{"outcome": "mov')
    upload()
    first, second = report.read_text().splitlines()
    assert first == '{"outcome": "mov'
    assert json.loads(second)["file"] == "photos/cat.jpg"


def test_two_writers_append_whole_lines(report):
    with ReportFile(report) as one, ReportFile(report) as another:
        for number in range(100):
            one.write(f'{{"one": {number}}}\n')
            another.write(f'{{"another": {number}}}\n')
    assert len(lines_of(report)) == 200


def test_report_in_a_terminal_or_a_pipe_is_not_read(upload):
    Profile.objects.create(photo=saved(), other="")
    assert upload(report=Path("/dev/null")) == "1 moved, 0 skipped, 0 failed\n"
    ours, its = os.pipe()
    Profile.objects.create(photo=saved(), other="")
    upload(report=Path(f"/dev/fd/{its}"))
    os.close(its)
    with os.fdopen(ours) as pipe:
        assert json.loads(pipe.read())["outcome"] == "moved"


# What is not uploaded again


def test_file_that_was_uploaded_is_not_uploaded_again(upload, arrived):
    members(name := saved())
    upload()
    url = Member.objects.get().photo.name
    members(name)
    Profile.objects.create(photo=name, other=name)
    assert upload() == "3 moved, 0 skipped, 0 failed\n"
    assert set(Member.objects.values_list("photo", flat=True)) == {url}
    assert Profile.objects.get().photo.name == Profile.objects.get().other.name == url
    assert arrived() == ["POST /pictures"]


def test_file_that_was_uploaded_and_deleted_still_has_its_url(upload, files, arrived):
    members(name := saved())
    upload()
    files.delete(name)
    (member,) = members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_other_spelling_of_a_file_has_its_url(upload, files, arrived, is_deleted):
    members(name := saved())
    upload()
    if is_deleted:
        files.delete(name)
    (member,) = members(f"./{name}")
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert arrived() == ["POST /pictures"]


def test_file_that_was_deleted_after_two_versions_is_not_mixed_up(upload, files, arrived):
    for size in ((20, 10), (30, 10)):
        members(files.save("a.jpg", ContentFile(pictures.plain(size=size))))
        upload()
        files.delete("a.jpg")
    members("a.jpg")
    assert "a.jpg: failed, FileNotFoundError" in upload()


def test_file_that_cannot_be_opened_is_not_mixed_up(upload, files, settings, arrived):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Secretive"}}
    for _ in range(2):
        storages["default"].delete("a.jpg")
        members(storages["default"].save("a.jpg", ContentFile(PHOTO)))
        upload()
    assert arrived() == ["POST /pictures"] * 2


@pytest.mark.parametrize("change", ["size", "time"])
def test_file_that_was_replaced_is_uploaded(upload, files, arrived, change):
    members(name := saved())
    upload()
    path = Path(files.path(name))
    time = path.stat().st_mtime
    path.write_bytes(pictures.plain(size=(20, 10)) if change == "size" else PHOTO)
    os.utime(path, (time, time + (change == "time")))
    members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert arrived() == ["POST /pictures"] * 2


def test_file_of_another_storage_is_uploaded(upload, settings, arrived):
    settings.STORAGES = settings.STORAGES | {"copy": settings.STORAGES["default"]}
    members(name := saved())
    upload()
    members(name)
    assert upload(source="copy") == "1 moved, 0 skipped, 0 failed\n"
    assert arrived() == ["POST /pictures"] * 2


@pytest.mark.parametrize(
    "values",
    [
        {"url": "https://example.com/48x32.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"},
        {"url": "https://i.groupme.com.example.com/48x32.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"},
        {"url": None},
        {"size": 12},
        {"modified": "2026-01-01T00:00:00+00:00"},
        {"uploaded": "0001-01-01T00:00:00+23:00"},
        {"source": "other"},
    ],
)
def test_line_that_was_edited_is_ignored(upload, report, arrived, values):
    members(name := saved())
    upload()
    report.write_text(json.dumps(lines_of(report)[0] | values))
    (member,) = members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_moved(member)
    assert arrived() == ["POST /pictures"] * 2


def test_lines_that_cannot_be_read_are_ignored(upload, report, arrived):
    members(name := saved())
    upload()
    line = report.read_text().strip()
    long = json.dumps({"x": "x" * 200_000})
    junk = [
        "",
        "[]",
        "null",
        "{}",
        '"x"',
        "[" * 50_000,
        "1" * 5_000,
        long,
        "\0",
        line[:-1],
        "\ud83d",
    ]
    text = "\n".join([*junk, line, *junk])
    report.write_bytes(b"\xff\xfe\n" + text.encode(errors="surrogatepass"))
    members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert arrived() == ["POST /pictures"]


def test_report_without_a_newline_at_its_end_is_read(upload, report, arrived):
    members(name := saved())
    upload()
    report.write_text(report.read_text().strip())
    members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert arrived() == ["POST /pictures"]


def test_line_of_another_run_is_found_when_it_is_complete(report):
    modified = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    line = {"source": "default", "file": "a.jpg", "size": 1, "modified": modified}
    text = json.dumps(line | {"uploaded": modified, "url": "https://i.groupme.com/123456789"})
    report.write_text(text[:50])
    with Records(report) as records:
        assert records.find("default", "a.jpg") == []
        report.write_text(text)
        assert [upload.version.size for upload in records.find("default", "a.jpg")] == [1]


# Default files


def test_default_without_a_report_is_skipped(upload, files, arrived):
    saved(DEFAULT)
    row, _ = (Profile.objects.create(other="") for _ in range(2))
    told = upload(report=None, verbosity=2)
    assert told.endswith("0 moved, 2 skipped, 0 failed\n")
    assert f"pk={row.pk} {DEFAULT}: skipped, the file is the default of a field" in told
    assert arrived() == []


def test_default_with_a_report_is_uploaded_once(upload, arrived):
    saved(DEFAULT)
    for count in (2, 4, 6):
        rows = [Profile.objects.create() for _ in range(count // 2)]
        assert upload(delete_source=True) == f"{count} moved, 0 skipped, 0 failed\n"
        assert all(map(is_moved, rows))
        assert all(is_moved(row, "other") for row in rows)
    assert arrived() == ["POST /pictures"]


class Timeless(InMemoryStorage):
    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


class Secretive(Timeless):
    def size(self, name: str) -> Any:
        raise NotImplementedError


def test_dry_run_counts_default_files(upload):
    saved(DEFAULT)
    Profile.objects.create(other="")
    assert upload(report=None, dry_run=True).endswith(" bytes, 1 default file\n")


def test_default_of_a_storage_without_times_is_skipped(upload, settings, arrived):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Timeless"}}
    storages["default"].save(DEFAULT, ContentFile(PHOTO))
    Profile.objects.create(other="")
    assert upload() == "0 moved, 1 skipped, 0 failed\n"
    assert arrived() == []


def test_file_of_a_storage_without_times_is_uploaded_again(upload, settings, arrived):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Timeless"}}
    for _ in range(2):
        storages["default"].delete("a.jpg")
        members(storages["default"].save("a.jpg", ContentFile(PHOTO)))
        assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert arrived() == ["POST /pictures"] * 2


# A process that is killed


SETTINGS = """
import os, signal
from django.core.files.storage import FileSystemStorage
from django_groupme_images.signals import picture_uploaded
from tests.settings import *

def kill(point, **kwargs):
    if os.environ.get("KILL") == point:
        os.kill(os.getpid(), signal.SIGKILL)

class Files(FileSystemStorage):
    asked = 0

    def get_modified_time(self, name):
        Files.asked += 1
        if Files.asked == 2:
            kill("after the upload")
        return super().get_modified_time(name)

    def delete(self, name):
        kill("before the deletion")
        super().delete(name)
        kill("after the deletion")

def token():
    kill("before the upload")
    return "token"

def receiver(**kwargs):
    kill("before the rows")

picture_uploaded.connect(receiver)
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db"}}}}
STORAGES["default"] = {{
    "BACKEND": "site_settings.Files", "OPTIONS": {{"location": "{folder}/files"}},
}}
GROUPME_ACCESS_TOKEN = token
GROUPME_FALLBACK = "default"
GROUPME_UPLOAD_URL = "{server.upload_url}"
GROUPME_CDN_URL = "{server.cdn_url}"
"""


@pytest.fixture
def run(emulator: EmulatorServer, tmp_path: Path) -> Callable[..., int]:
    """Run a command in another process, and return its exit code."""
    (tmp_path / "site_settings.py").write_text(SETTINGS.format(folder=tmp_path, server=emulator))

    def run_command(*arguments: str, kill: str = "", **options: Any) -> int:
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            # A process that is killed leaves a broken file of measurements behind.
            env={name: value for name, value in os.environ.items() if not kill or name[:3] != "COV"}
            | {
                "DJANGO_SETTINGS_MODULE": "site_settings",
                "PYTHONPATH": f"{tmp_path}:{ROOT}",
                "KILL": kill,
            },
            cwd=tmp_path,
            check=False,
            **options,
        ).returncode

    assert run_command("migrate", "--run-syncdb", "--verbosity=0") == 0
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("INSERT INTO gallery_member (name, photo) VALUES ('', ?)", [saved()])
    connection.close()
    return run_command


UPLOAD = ("groupme_upload", "gallery.Member", "--rate=0", "--report=report.jsonl")
CLEANUP = ("groupme_cleanup", "report.jsonl", "--older-than=0")


@pytest.mark.parametrize(
    ("point", "lines", "uploads"),
    [
        ("before the upload", 0, 1),
        ("after the upload", 0, 2),  # The first image stays on the service, and nothing uses it.
        ("before the rows", 1, 1),
    ],
)
def test_upload_that_was_killed_continues(run, report, arrived, tmp_path, point, lines, uploads):
    assert run(*UPLOAD, kill=point) == -signal.SIGKILL
    assert rows_of(tmp_path) == ["photos/cat.jpg"]
    assert len(lines_of(report)) == lines
    assert run(*UPLOAD) == 0
    assert "48x32.jpeg" in rows_of(tmp_path)[0]
    assert arrived() == ["POST /pictures"] * uploads


def test_upload_that_was_killed_in_the_middle_of_a_line_continues(run, report, arrived, tmp_path):
    assert run(*UPLOAD, kill="before the rows") == -signal.SIGKILL
    report.write_bytes(report.read_bytes()[:-20])
    assert run(*UPLOAD) == 0
    assert "48x32.jpeg" in rows_of(tmp_path)[0]
    assert arrived() == ["POST /pictures"] * 2
    assert json.loads(report.read_text().splitlines()[-1])["url"] == rows_of(tmp_path)[0]


@pytest.mark.parametrize("point", ["before the deletion", "after the deletion"])
@pytest.mark.parametrize("command", [(*UPLOAD, "--delete-source"), CLEANUP])
def test_deletion_that_was_killed_continues(run, files, arrived, tmp_path, point, command):
    if command is CLEANUP:
        assert run(*UPLOAD) == 0
    assert run(*command, kill=point) == -signal.SIGKILL
    assert "48x32.jpeg" in rows_of(tmp_path)[0]
    assert files.exists("photos/cat.jpg") is (point == "before the deletion")
    assert run(*CLEANUP) == 0
    assert not files.exists("photos/cat.jpg")
    assert arrived() == ["POST /pictures"]


def test_report_that_cannot_be_written_does_not_lose_the_upload(run, report, arrived, tmp_path):
    full = 2_000_000
    report.write_text("x" * (full - 10))

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))

    assert run(*UPLOAD, preexec_fn=limit_files) == 1
    assert "48x32.jpeg" in rows_of(tmp_path)[0]
    assert arrived() == ["POST /pictures"]
