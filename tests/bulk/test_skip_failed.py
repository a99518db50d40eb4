"""Tests of ``groupme_upload --skip-failed``: files rejected in an earlier run are skipped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.core.files.storage import storages

from django_groupme_images.bulk.columns import find_columns
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.bulk.upload import BulkUpload
from django_groupme_images.bulk.upload_log import UploadLog
from django_groupme_images.emulator.faults import Fault
from tests.support.bulk import (
    PHOTO,
    create_members,
    is_uploaded,
    read_names,
    read_report,
    save_file,
)
from tests.support.commands import run_command
from tests.support.descriptors import CAN_COUNT, no_more_descriptors
from tests.testapp.models import Group, Member, Profile

BAD = b"no image"

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


@pytest.fixture
def upload(upload: Callable[..., str], report: Path) -> Callable[..., str]:
    """Run ``groupme_upload --report --skip-failed``, and return its output."""
    return partial(upload, report=report, skip_failed=True)


def write_file(name: str, content: bytes, newer_by: float = 0) -> None:
    """Replace a file of the fallback storage, and set its modification time relative to now."""
    path = Path(storages["default"].path(name))
    modified = path.stat().st_mtime
    path.write_bytes(content)
    os.utime(path, (modified, modified + newer_by))


def test_report_of_rejected_file_contains_version(upload, report, fallback):
    (member,) = create_members(name := save_file("text.png", BAD))
    assert "exit 1: 1 of 1 row failed." in upload()
    (line,) = read_report(report)
    assert line.pop("reason").startswith("UploadRejected: ")
    assert line == {
        "outcome": "failed",
        "model": "gallery.Member",
        "field": "photo",
        "database": "default",
        "pk": member.pk,
        "file": name,
        "source": "default",
        "size": len(BAD),
        "modified": fallback.get_modified_time(name).isoformat(),
        "permanent": True,
    }


def test_upload_of_rejected_file_skips_it(upload, report, list_requests):
    valid, text = create_members(save_file(), name := save_file("text.png", BAD))
    assert "1 moved, 0 skipped, 1 failed\nexit 1: 1 of 2 rows failed." in upload()
    before, requests = report.read_text(encoding="utf-8"), list_requests()
    for _ in range(2):
        assert upload(verbosity=2) == (
            f"gallery.Member.photo pk={text.pk} {name}: skipped, the file was rejected in an "
            "earlier run\n0 moved, 1 skipped, 0 failed\n"
        )
    assert upload(verbosity=0) == ""
    assert list_requests() == requests
    assert report.read_text(encoding="utf-8") == before
    assert is_uploaded(valid)
    assert not is_uploaded(text)


def test_upload_of_file_rejected_by_app_skips_it(upload, settings, list_requests):
    settings.GROUPME_MAX_UPLOAD_SIZE = len(PHOTO) - 1
    create_members(save_file())
    assert "failed, ImageRejected: " in upload()
    assert upload() == "0 moved, 1 skipped, 0 failed\n"
    assert list_requests() == []


def test_upload_without_skip_failed_uploads_rejected_file(upload, settings):
    """The last line of the file counts."""
    settings.GROUPME_MAX_UPLOAD_SIZE = len(PHOTO) - 1
    (member,) = create_members(name := save_file())
    upload()
    settings.GROUPME_MAX_UPLOAD_SIZE = None
    assert upload() == "0 moved, 1 skipped, 0 failed\n"
    assert upload(skip_failed=False) == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    (member,) = create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


@pytest.mark.parametrize("change", ["size", "time"])
def test_upload_of_replaced_file_uploads_it(upload, list_requests, change):
    (member,) = create_members(name := save_file("a.jpg", b"x" * len(PHOTO)))
    upload()
    write_file(name, PHOTO + b"x" if change == "size" else PHOTO, newer_by=change == "time")
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert list_requests() == ["POST /pictures"] * 2


def test_upload_of_file_replaced_by_another_rejected_one_skips_both(upload, list_requests):
    create_members(name := save_file("a.jpg", BAD))
    upload()
    write_file(name, b"no image either")
    assert "1 failed" in upload()
    assert upload() == "0 moved, 1 skipped, 0 failed\n"
    assert len(list_requests()) == 2


@pytest.mark.parametrize("status", [503, 429, 420])
def test_upload_after_temporary_failure_retries(upload, report, emulator, status):
    (member,) = create_members(save_file())
    emulator.app.faults.add(Fault("status", status=status, times=99))
    assert "1 failed" in upload()
    assert [line["permanent"] for line in read_report(report)] == [False]
    emulator.app.faults.clear()
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


def test_upload_after_rejected_token_retries(upload, report, emulator):
    (member,) = create_members(save_file())
    emulator.app.faults.add(Fault("status", status=401))
    upload()
    assert [line["permanent"] for line in read_report(report)] == [False]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


def test_upload_after_unexpected_response_retries(upload, report, emulator):
    (member,) = create_members(save_file())
    emulator.app.faults.add(Fault("status", status=302))
    assert "UnexpectedResponse" in upload()
    assert [line["permanent"] for line in read_report(report)] == [False]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


def test_upload_after_later_temporary_failure_retries(upload, emulator):
    (member,) = create_members(save_file())
    emulator.app.faults.add(Fault("status", status=400))
    upload()
    emulator.app.faults.add(Fault("status", status=503, times=99))
    upload(skip_failed=False)
    emulator.app.faults.clear()
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


def test_upload_of_missing_file_fails_in_each_run(upload, report):
    create_members("gone.jpg")
    for _ in range(2):
        assert "gone.jpg: failed, FileNotFoundError: " in upload()
    assert not any("permanent" in line for line in read_report(report))


def test_upload_after_storage_failure_reports_it(upload, monkeypatch):
    create_members(name := save_file("a.jpg", BAD))
    upload()

    def fail(name: str) -> int:
        raise PermissionError("the folder is locked")

    monkeypatch.setattr(storages["default"], "size", fail)
    assert f"{name}: failed, PermissionError: the folder is locked" in upload()


def test_upload_of_rejected_file_without_time_uploads_it(upload, settings, list_requests, report):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    create_members(save_file("a.jpg", BAD))
    for _ in range(2):
        assert "1 failed" in upload()
    assert not any("permanent" in line for line in read_report(report))
    assert len(list_requests()) == 2


def test_upload_of_file_whose_time_became_unknown_uploads_it(upload, settings, list_requests):
    create_members(save_file("a.jpg", BAD))
    upload()
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    save_file("a.jpg", BAD)
    assert "1 failed" in upload()
    assert len(list_requests()) == 2


def test_upload_with_report_of_earlier_version_uploads_file(upload, report, list_requests):
    """Earlier versions of the app recorded neither the version nor whether it is permanent."""
    create_members(save_file("text.png", BAD))
    upload()
    keys = ("source", "size", "modified", "permanent")
    (line,) = read_report(report)
    report.write_text(json.dumps({key: line[key] for key in line if key not in keys}))
    assert "1 failed" in upload()
    assert len(list_requests()) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"permanent": False},
        {"permanent": 1},
        {"permanent": None},
        {"size": 3},
        {"size": "8"},
        {"modified": "yesterday"},
        {"modified": None},
        {"source": "other"},
        {"source": None},
        {"file": "b.png"},
        {"file": ["text.png"]},
        {"file": "https://example.com/text.png"},
    ],
)
def test_upload_with_edited_failure_line_uploads_file(upload, report, list_requests, values):
    create_members(save_file("text.png", BAD))
    upload()
    report.write_text(json.dumps(read_report(report)[0] | values))
    assert "1 failed" in upload()
    assert len(list_requests()) == 2


def test_upload_of_rejected_shared_file_skips_all_rows(upload, report, list_requests):
    name = save_file("text.png", BAD)
    create_members(*[name] * 3)
    Group.objects.create(photo=name, banner=name)
    upload()
    create_members(f"./{name}")
    assert upload() == "0 moved, 6 skipped, 0 failed\n"
    assert len(list_requests()) == 1
    assert len(read_report(report)) == 5


def test_upload_of_same_name_in_another_storage_uploads_it(upload, settings, list_requests):
    settings.STORAGES = settings.STORAGES | {"copy": settings.STORAGES["default"]}
    create_members(save_file("text.png", BAD))
    upload()
    assert "1 failed" in upload(source="copy")
    assert upload(source="copy") == "0 moved, 1 skipped, 0 failed\n"
    assert len(list_requests()) == 2


def test_upload_of_rejected_default_file_skips_it(upload, list_requests):
    save_file("profiles/default.png", BAD)
    Profile.objects.create(other="")
    assert "1 failed" in upload()
    Profile.objects.create(other="")
    assert upload() == "0 moved, 2 skipped, 0 failed\n"
    assert len(list_requests()) == 1


def test_upload_with_limit_continues_after_rejected_files(upload, list_requests, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 4)
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 4)
    bad = create_members(*[save_file(f"a{number}.png", BAD) for number in range(12)])
    valid = create_members(*[save_file(f"b{number}.jpg") for number in range(6)])
    for _ in range(4):
        assert "0 moved, " in (output := upload(limit=3))
        assert ", 3 failed\n" in output
    for _ in range(2):
        assert upload(limit=3) == "3 moved, 12 skipped, 0 failed\n"
    assert all(map(is_uploaded, valid))
    assert not any(map(is_uploaded, bad))
    assert upload(limit=3) == "0 moved, 12 skipped, 0 failed\n"
    assert len(list_requests()) == 18


def test_upload_with_limit_counts_only_files_that_are_not_skipped(upload, list_requests):
    create_members(*[save_file("text.png", BAD) for _ in range(5)])
    upload()
    create_members(*[save_file() for _ in range(5)])
    upload(limit=2)
    assert sum(map(is_uploaded, Member.objects.all())) == 2
    assert len(list_requests()) == 7


def test_upload_with_skipped_files_still_stops_in_outage(report, emulator, list_requests):
    """Skipped files are not successes that interrupt a series of failures."""
    for number in range(50):
        create_members(save_file(f"{number}a.png", BAD), save_file(f"{number}b.jpg"))
    columns = find_columns(["gallery.Member"])
    emulator.app.faults.add(Fault("status", status=400, times=100))
    with UploadLog(report) as log:
        # Only the first of each pair is rejected.
        names = read_names(columns, urls=False)
        for results in BulkUpload(BulkRunner(workers=1), log=log).run(
            file for file in names if file.name.endswith("png")
        ):
            for result in results:
                log.write(result.line())
    emulator.app.faults.clear()
    emulator.app.faults.add(Fault("status", status=503, times=9999))
    runner = BulkRunner(workers=1)
    with UploadLog(report) as log:
        upload = BulkUpload(runner, log=log, skip_failed=True)
        files = sorted(names, key=lambda file: (int(file.name.split(".")[0][:-1]), file.name))
        outcomes = [result.outcome for results in upload.run(files) for result in results]
    assert runner.stop_reason == "the image service failed 30 times in a row"
    assert outcomes.count("failed") < 35
    assert outcomes.count("skipped") < 35


def test_cleanup_with_report_of_rejected_file_keeps_it(upload, report, fallback):
    create_members(name := save_file("text.png", BAD))
    upload(delete_source=True)
    Member.objects.all().delete()
    assert run_command("groupme_cleanup", str(report), older_than=0) == ""
    assert fallback.exists(name)


def test_skip_failed_without_report_raises(upload):
    assert upload(report=None) == "exit 1: --skip-failed requires --report FILE."


def test_skip_failed_with_pipe_as_report_raises(upload, list_requests):
    create_members(save_file())
    assert upload(report=Path(os.devnull)).startswith(
        "exit 1: --skip-failed requires a report that is a regular file, not "
    )
    assert list_requests() == []


@pytest.mark.parametrize("option", ["dry_run", "enqueue"])
@pytest.mark.parametrize("has_report", [True, False])
def test_skip_failed_with_dry_run_or_enqueue_raises(upload, report, option, has_report):
    assert upload(report=report if has_report else None, **{option: True}) == (
        "exit 1: --report and --skip-failed cannot be combined with --dry-run or --enqueue."
    )


@pytest.mark.skipif(not CAN_COUNT, reason="needs /proc")
def test_upload_with_skip_failed_closes_all_files(upload):
    create_members(*[save_file("text.png", BAD) for _ in range(20)])
    upload()
    upload()
    with no_more_descriptors():
        assert upload() == "0 moved, 20 skipped, 0 failed\n"
