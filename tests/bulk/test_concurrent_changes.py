"""Tests of ``groupme_upload`` while other code changes rows and files."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile

from tests.support import emulator_pictures as pictures
from tests.support.bulk import create_members, is_uploaded, save_file
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


def test_upload_of_row_changed_during_upload_skips_it(upload, on_upload):
    name = save_file()
    edited, cleared, deleted, same = create_members(*[name] * 4)

    def change_rows(**kwargs: Any) -> None:
        Member.objects.filter(pk=edited.pk).update(photo="other.jpg")
        Member.objects.filter(pk=cleared.pk).update(photo="")
        Member.objects.filter(pk=deleted.pk).delete()

    on_upload(change_rows)
    output = upload(verbosity=2)
    assert "1 moved, 3 skipped, 0 failed" in output
    for row in (edited, cleared, deleted):
        assert f"pk={row.pk} {name}: skipped, the row was changed in the meantime" in output
    assert is_uploaded(same)
    edited.refresh_from_db()
    assert edited.photo.name == "other.jpg"
    cleared.refresh_from_db()
    assert not cleared.photo


def test_upload_of_row_changed_before_upload_sends_no_request(upload, on_upload, list_requests):
    create_members(*[save_file() for _ in range(12)])
    on_upload(lambda name, **_: Member.objects.exclude(photo=name).update(photo=JPEG))
    assert upload(workers=1) == "1 moved, 11 skipped, 0 failed\n"
    assert len(list_requests()) <= 1 + 2  # One worker has up to two more files in flight.


def test_upload_during_another_run_changes_rows_without_failures(upload, on_upload, list_requests):
    rows = create_members(*[save_file() for _ in range(40)])
    outputs = []

    def run_again(**kwargs: Any) -> None:
        if not outputs:  # This is also called during the second run.
            outputs.append("")
            outputs.append(upload())

    on_upload(run_again)
    first = upload(workers=2)
    assert all(map(is_uploaded, rows))
    assert len({row.photo.name for row in rows}) == 40
    assert "0 failed" in first
    assert "0 failed" in outputs[1]
    assert len(list_requests()) <= 40 + 2 * 2


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_of_file_replaced_during_upload_skips_row(upload, fallback, settings):
    name = save_file()
    (member,) = create_members(name)
    newer = pictures.plain(size=(20, 10))

    def replace() -> None:
        fallback.delete(name)
        assert fallback.save(name, ContentFile(newer)) == name

    settings.GROUPME_ACCESS_TOKEN = lambda: replace() or "token"
    output = upload(delete_source=True, verbosity=2)
    settings.GROUPME_ACCESS_TOKEN = "token"
    assert "skipped, the file was replaced in the meantime" in output
    assert member.photo.name == name
    assert fallback.size(name) == len(newer)
    assert upload(delete_source=True) == "1 moved, 0 skipped, 0 failed\n1 file deleted\n"
    member.refresh_from_db()
    assert member.photo.width == 20


def test_upload_of_file_deleted_during_upload_skips_row(upload, fallback, settings):
    name = save_file()
    create_members(name)
    settings.GROUPME_ACCESS_TOKEN = lambda: fallback.delete(name) or "token"
    assert "skipped, the file was replaced in the meantime" in upload(verbosity=2)
    assert "failed, FileNotFoundError" in upload()
