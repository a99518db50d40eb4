"""Tests of ``groupme_upload --report``: reported files are not uploaded again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from django_groupme_images.bulk.upload_log import ReportFile, UploadIndex
from tests.support import emulator_pictures as pictures
from tests.support.bulk import PHOTO, create_members, is_uploaded, read_report, save_file
from tests.support.commands import run_command
from tests.testapp.models import Member, Profile

DEFAULT = "profiles/default.png"

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


@pytest.fixture
def upload(upload: Callable[..., str], report: Path) -> Callable[..., str]:
    """Run ``groupme_upload --report``, and return its output."""
    return partial(upload, report=report)


def test_upload_and_check_accept_path_of_report_as_string(upload, check, tmp_path):
    (row,) = create_members(save_file())
    report = tmp_path / "report.jsonl"
    upload(report=str(report))
    check(report=str(report))
    assert [(line["pk"], line["outcome"]) for line in read_report(report)] == [
        (row.pk, "moved"),
        (row.pk, "present"),
    ]


def test_report_of_uploaded_and_failed_row_contains_all_values(upload, report, fallback):
    uploaded, missing = create_members(save_file(), "gone.jpg")
    upload()
    by_pk = {line["pk"]: line for line in read_report(report)}
    uploaded.refresh_from_db()
    common = {"model": "gallery.Member", "field": "photo", "database": "default"}
    assert by_pk[uploaded.pk] == common | {
        "outcome": "moved",
        "pk": uploaded.pk,
        "file": "photos/cat.jpg",
        "url": uploaded.photo.name,
        "source": "default",
        "size": len(PHOTO),
        "modified": fallback.get_modified_time("photos/cat.jpg").isoformat(),
        "uploaded": by_pk[uploaded.pk]["uploaded"],
    }
    assert datetime.fromisoformat(by_pk[uploaded.pk]["uploaded"]).tzinfo
    assert by_pk[missing.pk].pop("reason").startswith("FileNotFoundError: ")
    assert by_pk[missing.pk] == common | {
        "outcome": "failed",
        "pk": missing.pk,
        "file": "gone.jpg",
    }


def test_report_in_missing_folder_raises(upload, tmp_path, list_requests):
    create_members(save_file())
    report = tmp_path / "no" / "folder"
    assert "exit 1: The report could not be opened: " in upload(report=report)
    assert "exit 1: The report could not be opened: " in run_command("groupme_check", report=report)
    assert list_requests() == []


@pytest.mark.parametrize("option", ["dry_run", "enqueue"])
def test_report_with_dry_run_or_enqueue_raises(upload, option):
    assert upload(**{option: True}) == (
        "exit 1: --report and --skip-failed cannot be combined with --dry-run or --enqueue."
    )


def test_report_of_second_run_is_appended(upload, report):
    create_members(save_file())
    upload()
    create_members(save_file(), "gone.jpg")
    upload()
    assert [line["outcome"] for line in read_report(report)].count("moved") == 2
    assert len(read_report(report)) == 3


def test_report_of_shared_file_has_one_line_per_row(upload, report):
    rows = create_members(*[save_file()] * 3)
    upload()
    lines = read_report(report)
    assert sorted(line["pk"] for line in lines) == sorted(row.pk for row in rows)
    assert {line["outcome"] for line in lines} == {"moved"}
    assert len({line["url"] for line in lines}) == 1


def test_report_before_row_is_changed_contains_url(upload, on_upload, report):
    (member,) = create_members(save_file())
    observed = []

    def receiver(**kwargs: Any) -> None:
        member.refresh_from_db()
        observed.append((member.photo.name, [line["url"] for line in read_report(report)]))

    on_upload(receiver)
    upload()
    assert observed == [("photos/cat.jpg", [Member.objects.get().photo.name])]


def test_report_of_skipped_row_has_second_line(upload, on_upload, report):
    create_members(save_file())
    on_upload(lambda **_: Member.objects.update(photo=""))
    assert upload() == "0 moved, 1 skipped, 0 failed\n"
    assert [line["outcome"] for line in read_report(report)] == ["moved", "skipped"]


def test_report_with_truncated_last_line_starts_new_line(upload, report):
    create_members(save_file())
    report.write_text('{"outcome": "mov')
    upload()
    first, second = report.read_text(encoding="utf-8").splitlines()
    assert first == '{"outcome": "mov'
    assert json.loads(second)["file"] == "photos/cat.jpg"


def test_report_file_with_two_writers_appends_whole_lines(report):
    with ReportFile(report) as first, ReportFile(report) as second:
        for number in range(100):
            first.write(f'{{"first": {number}}}\n')
            second.write(f'{{"second": {number}}}\n')
    assert len(read_report(report)) == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no /dev")
def test_report_in_device_or_pipe_is_not_read(upload):
    Profile.objects.create(photo=save_file(), other="")
    assert upload(report=Path("/dev/null")) == "1 moved, 0 skipped, 0 failed\n"
    read_end, write_end = os.pipe()
    Profile.objects.create(photo=save_file(), other="")
    upload(report=Path(f"/dev/fd/{write_end}"))
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert json.loads(pipe.read())["outcome"] == "moved"


def test_upload_of_reported_file_reuses_url(upload, list_requests):
    create_members(name := save_file())
    upload()
    url = Member.objects.get().photo.name
    create_members(name)
    Profile.objects.create(photo=name, other=name)
    assert upload() == "3 moved, 0 skipped, 0 failed\n"
    assert set(Member.objects.values_list("photo", flat=True)) == {url}
    assert Profile.objects.get().photo.name == Profile.objects.get().other.name == url
    assert list_requests() == ["POST /pictures"]


def test_upload_of_reported_and_deleted_file_reuses_url(upload, fallback, list_requests):
    create_members(name := save_file())
    upload()
    fallback.delete(name)
    (member,) = create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert list_requests() == ["POST /pictures"]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_upload_of_equivalent_name_reuses_url(upload, fallback, list_requests, is_deleted):
    create_members(name := save_file())
    upload()
    if is_deleted:
        fallback.delete(name)
    (member,) = create_members(f"./{name}")
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert list_requests() == ["POST /pictures"]


def test_upload_of_deleted_file_with_two_reported_versions_fails(upload, fallback):
    for size in ((20, 10), (30, 10)):
        create_members(save_file("a.jpg", pictures.plain(size=size)))
        upload()
        fallback.delete("a.jpg")
    create_members("a.jpg")
    assert "a.jpg: failed, FileNotFoundError" in upload()


def test_upload_of_reported_file_without_size_sends_request(upload, settings, list_requests):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutSizes"}
    }
    for _ in range(2):
        storages["default"].delete("a.jpg")
        create_members(save_file("a.jpg"))
        upload()
    assert list_requests() == ["POST /pictures"] * 2


def test_upload_of_reported_file_without_time_sends_request(upload, settings, list_requests):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    for _ in range(2):
        storages["default"].delete("a.jpg")
        create_members(save_file("a.jpg"))
        assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert list_requests() == ["POST /pictures"] * 2


@pytest.mark.parametrize("change", ["size", "time"])
def test_upload_of_replaced_file_sends_request(upload, fallback, list_requests, change):
    create_members(name := save_file())
    upload()
    path = Path(fallback.path(name))
    modified = path.stat().st_mtime
    path.write_bytes(pictures.plain(size=(20, 10)) if change == "size" else PHOTO)
    os.utime(path, (modified, modified + (change == "time")))
    create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert list_requests() == ["POST /pictures"] * 2


def test_upload_of_same_name_in_another_storage_sends_request(upload, settings, list_requests):
    settings.STORAGES = settings.STORAGES | {"copy": settings.STORAGES["default"]}
    create_members(name := save_file())
    upload()
    create_members(name)
    assert upload(source="copy") == "1 moved, 0 skipped, 0 failed\n"
    assert list_requests() == ["POST /pictures"] * 2


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
def test_upload_with_edited_report_line_ignores_it(upload, report, list_requests, values):
    create_members(name := save_file())
    upload()
    report.write_text(json.dumps(read_report(report)[0] | values))
    (member,) = create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert list_requests() == ["POST /pictures"] * 2


def test_upload_with_unreadable_report_lines_ignores_them(upload, report, list_requests):
    create_members(name := save_file())
    upload()
    line = report.read_text(encoding="utf-8").strip()
    unreadable = [
        "",
        "[]",
        "null",
        "{}",
        '"x"',
        "[" * 50_000,
        "1" * 5_000,
        json.dumps({"x": "x" * 200_000}),
        "\0",
        line[:-1],
        "\ud83d",
    ]
    text = "\n".join([*unreadable, line, *unreadable])
    report.write_bytes(b"\xff\xfe\n" + text.encode(errors="surrogatepass"))
    create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert list_requests() == ["POST /pictures"]


def test_upload_with_report_without_final_newline_reads_last_line(upload, report, list_requests):
    create_members(name := save_file())
    upload()
    report.write_text(report.read_text(encoding="utf-8").strip())
    create_members(name)
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert list_requests() == ["POST /pictures"]


def test_upload_index_after_line_is_completed_finds_it(report):
    modified = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    line = {"source": "default", "file": "a.jpg", "size": 1, "modified": modified}
    text = json.dumps(line | {"uploaded": modified, "url": "https://i.groupme.com/123456789"})
    report.write_text(text[:50])
    with UploadIndex(report) as index:
        assert index.find("default", "a.jpg") == []
        report.write_text(text)
        assert [upload.version.size for upload in index.find("default", "a.jpg")] == [1]


def test_upload_of_default_file_without_report_skips_it(upload, list_requests):
    save_file(DEFAULT)
    row, _ = (Profile.objects.create(other="") for _ in range(2))
    reason = "skipped: the file is the default of a field; pass --report to upload it once"
    assert upload(report=None) == f"0 moved, 2 skipped, 0 failed\n2 rows {reason}\n"
    output = upload(report=None, verbosity=2)
    assert f"0 moved, 2 skipped, 0 failed\n2 rows {reason}\n" in output
    assert f"pk={row.pk} {DEFAULT}: skipped, the file is the default of a field" in output
    assert list_requests() == []


def test_upload_of_default_file_with_report_sends_one_request(upload, list_requests):
    save_file(DEFAULT)
    for count in (2, 4, 6):
        rows = [Profile.objects.create() for _ in range(count // 2)]
        assert upload(delete_source=True) == f"{count} moved, 0 skipped, 0 failed\n"
        assert all(map(is_uploaded, rows))
        assert all(is_uploaded(row, "other") for row in rows)
    assert list_requests() == ["POST /pictures"]


def test_upload_of_default_file_without_time_skips_it(upload, settings, list_requests):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    save_file(DEFAULT)
    Profile.objects.create(other="")
    reason = "skipped: the file is the default of a field; pass --report to upload it once"
    assert upload() == f"0 moved, 1 skipped, 0 failed\n1 row {reason}\n"
    assert list_requests() == []
