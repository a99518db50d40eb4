"""Tests of ``groupme_upload`` with files, databases, and services that fail."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import IntegrityError, connections

from django_groupme_images.emulator.faults import Fault
from tests.support.bulk import create_members, fail_query, is_uploaded, save_file
from tests.testapp.models import Group, Member, Unique

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


def test_upload_with_failures_reports_row_file_and_reason(upload):
    uploaded, missing, text, outside = create_members(
        save_file(), "gone.jpg", save_file("text.png", b"no picture"), "../../etc/passwd"
    )
    output = upload()
    assert is_uploaded(uploaded)
    assert f"gallery.Member.photo pk={missing.pk} gone.jpg: failed, FileNotFoundError: " in output
    assert f"gallery.Member.photo pk={text.pk} text.png: failed, UploadRejected: " in output
    assert f"pk={outside.pk} ../../etc/passwd: failed, SuspiciousFileOperation: " in output
    assert "\n1 moved, 0 skipped, 3 failed\n" in output
    assert output.endswith("exit 1: 3 of 4 rows failed.")
    assert Member.objects.get(pk=missing.pk).photo.name == "gone.jpg"


def test_upload_of_rejected_shared_file_reports_each_row(upload, list_requests, emulator):
    emulator.app.faults.add(Fault("status", status=400, times=9))
    name = save_file()
    create_members(name, name)
    Group.objects.create(photo=name, banner=name)
    output = upload()
    assert output.count(f"{name}: failed") == 4
    assert list_requests() == ["POST /pictures"]


def test_upload_after_run_with_failures_uploads_the_rest(upload, emulator, list_requests):
    rows = create_members(*[save_file() for _ in range(4)])
    emulator.app.faults.add(Fault("status", status=400, times=2))
    assert "2 moved, 0 skipped, 2 failed" in upload()
    assert upload() == "2 moved, 0 skipped, 0 failed\n"
    assert all(map(is_uploaded, rows))
    assert len(list_requests()) == 6


def test_upload_after_temporary_failures_retries(upload, emulator):
    rows = create_members(*[save_file() for _ in range(3)])
    for status in (429, 503, 420):
        emulator.app.faults.add(Fault("status", status=status))
    assert upload() == "3 moved, 0 skipped, 0 failed\n"
    assert all(map(is_uploaded, rows))


def test_upload_with_violated_constraint_fails_only_that_row(upload, on_upload):
    valid, invalid = (Unique.objects.create(photo=save_file()) for _ in range(2))
    (member,) = create_members(invalid.photo.name)
    duplicates = []

    def create_duplicate(**kwargs: Any) -> None:
        if kwargs["name"] == invalid.photo.name:
            duplicates.append(Unique.objects.create(photo=kwargs["picture"].url))

    on_upload(create_duplicate)
    output = upload()
    assert "2 moved, 0 skipped, 1 failed" in output
    row = f"gallery.Unique.photo pk={invalid.pk} {invalid.photo.name}"
    assert f"{row}: failed, IntegrityError: " in output
    assert is_uploaded(valid)
    assert is_uploaded(member)
    assert not is_uploaded(invalid)
    assert len(duplicates) == 1


def test_upload_with_rejected_updates_fails_only_those_rows(upload, list_requests):
    rows = create_members(*[save_file()] * 1203)
    rejected = {rows[7].pk, rows[1100].pk}

    def reject_updates(execute: Any, sql: str, params: Any, *args: Any) -> Any:
        if sql.startswith("UPDATE") and rejected.intersection(params):
            raise IntegrityError("this row is kept as it is")
        return execute(sql, params, *args)

    with connections["default"].execute_wrapper(reject_updates):
        output = upload()
    assert "1,201 moved, 0 skipped, 2 failed" in output
    assert output.count("failed, IntegrityError: this row is kept as it is") == 2
    assert set(Member.objects.exclude(photo__startswith="http").values_list("pk", flat=True)) == (
        rejected
    )
    assert list_requests() == ["POST /pictures"]


def test_upload_with_rejected_token_stops(emulator, upload, list_requests):
    create_members(*[save_file() for _ in range(50)])
    emulator.app.faults.add(Fault("status", status=401, times=99))
    output = upload(workers=2)
    assert "Run the command again" not in output
    assert "exit 1: Stopped: the access token was rejected: " in output
    assert output.endswith(
        "Set the storage option 'access_token', the setting GROUPME_ACCESS_TOKEN, or the "
        "environment variable GM_TOKEN to a valid access token of a GroupMe user, and then run the "
        "command again."
    )
    assert len(list_requests()) <= 5


def test_upload_without_token_stops(upload, settings, monkeypatch, list_requests):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = ""
    create_members(*[save_file() for _ in range(20)])
    output = upload(workers=2, skip_checks=True)
    assert "exit 1: Stopped: No GroupMe access token" in output
    assert output.endswith("to a GroupMe user's access token.")
    assert list_requests() == []


def test_upload_with_long_retry_after_stops(upload, emulator, list_requests):
    create_members(*[save_file() for _ in range(20)])
    headers = {"Retry-After": "3600"}
    emulator.app.faults.add(Fault("status", status=429, headers=headers, times=99))
    output = upload(workers=2)
    assert "exit 1: Stopped: rate limited by the image service for 3,600 seconds." in output
    assert "RateLimited: " in output
    assert len(list_requests()) <= 2


def test_upload_with_unavailable_service_stops(upload, settings, free_port):
    settings.GROUPME_UPLOAD_URL = f"http://127.0.0.1:{free_port}/pictures"
    create_members(*[save_file() for _ in range(50)])
    output = upload(workers=4)
    assert "exit 1: Stopped: the image service failed 30 times in a row." in output
    assert 30 <= output.count("ServiceUnavailable") <= 38


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_after_lost_database_connection_stops(upload, caplog, list_requests):
    rows = create_members(*[save_file() for _ in range(40)])

    def fail_later(execute: Any, *args: Any) -> Any:
        return fail_query() if len(list_requests()) > 5 else execute(*args)

    with connections["default"].execute_wrapper(fail_later):
        output = upload(workers=2)
    assert "exit 1: Stopped: OperationalError: the connection was lost." in output
    assert "the connection was lost" in caplog.text
    moved = sum(map(is_uploaded, rows))
    assert f"{moved} moved, " in output
    assert len(list_requests()) <= moved + 2 * 2 + 1


LIMIT_IDLE_TIME = {
    "mysql": "SET SESSION wait_timeout = 1",  # seconds
    "postgresql": "SET idle_session_timeout = 1000",  # milliseconds
    "sqlite": "SELECT 1",  # SQLite has no such limit, but its connection is renewed as well.
}


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_longer_than_idle_limit_of_database_reconnects(upload, settings, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.runner._MAX_CONNECTION_AGE", 0.5)
    rows = create_members(*[save_file() for _ in range(3)])
    settings.GROUPME_ACCESS_TOKEN = lambda: time.sleep(2) or "token"
    with connections["default"].cursor() as cursor:
        cursor.execute(LIMIT_IDLE_TIME[connections["default"].vendor])
    assert upload(workers=1) == "3 moved, 0 skipped, 0 failed\n"
    assert all(map(is_uploaded, rows))


def test_upload_in_transaction_keeps_database_connection(upload, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.runner._MAX_CONNECTION_AGE", 0)
    rows = create_members(save_file())
    connection = connections["default"].connection
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert connections["default"].connection is connection
    assert all(map(is_uploaded, rows))
