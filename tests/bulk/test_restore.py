"""Tests of ``groupme_check --restore``: it uploads copies of missing images."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import connection

from django_groupme_images.bulk.check import BulkCheck
from django_groupme_images.bulk.columns import find_columns
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.emulator.faults import Fault
from tests.support import emulator_pictures as pictures
from tests.support.bulk import PHOTO, read_names
from tests.support.deadlines import SLOWNESS, wait_until
from tests.support.groupme_check import (
    copy_name,
    count_methods,
    create_member,
    delete_from_cdn,
    rename_photo,
    summary,
    upload_image,
)
from tests.testapp.models import Group, Member, Plain

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def mirrored_rows(check: Any) -> list[Any]:
    """40 rows whose images are in the mirror."""
    rows = [create_member(upload_image()) for _ in range(40)]
    assert check(mirror="mirror") == summary(mirrored=40)
    return rows


def stored_names() -> set[str]:
    return set(Member.objects.values_list("photo", flat=True))


def interrupt_when(condition: Callable[[], bool]) -> None:
    """Send SIGINT to this process as soon as the condition is true."""
    wait_until(condition)
    os.kill(os.getpid(), signal.SIGINT)


def test_restore_of_missing_image_uploads_copy_and_changes_rows(
    check, mirror, emulator, list_requests
):
    first, second, third = (create_member(upload_image()) for _ in range(3))
    shared = Group.objects.create(photo=first.photo.name, banner="")
    Plain.objects.create(photo=f"{third.photo.name}.large")
    check("gallery.Member", mirror="mirror")
    old_names = first.photo.name, third.photo.name
    delete_from_cdn(emulator, *old_names)
    mirror.delete(copy_name(third))
    before = len(list_requests())
    output = check("gallery.Member", "gallery.Group", mirror="mirror", restore="mirror")
    assert summary(present=1, restored=2, gone=1) in output
    assert "the mirror has no copy of it" in output
    assert count_methods(list_requests()[before:]) == {"HEAD": 3, "GET": 2, "POST": 1}
    for row in (first, second, third, shared):
        row.refresh_from_db()
    assert first.photo.name == shared.photo.name not in old_names
    assert third.photo.name == old_names[1]
    with first.photo.open() as photo:
        assert photo.read() == PHOTO


def test_restore_with_copy_under_old_name_uploads_it(check, mirror, emulator):
    row = create_member(upload_image())
    mirror.save(row.photo.picture.id, ContentFile(PHOTO))
    delete_from_cdn(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


def test_restore_with_damaged_copy_uploads_copy_under_old_name(check, mirror, emulator):
    row = create_member(upload_image())
    mirror.save(copy_name(row), ContentFile(PHOTO[:-40]))
    mirror.save(row.photo.picture.id, ContentFile(PHOTO))
    delete_from_cdn(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


@pytest.mark.parametrize(
    "path",
    [
        "secret",
        "48x32.jpeg.secret",
        "acaa6e60c7430130f0981ae261cd424B",
        "47x32.jpeg.acaa6e60c7430130f0981ae261cd424b",
        "48x32.png.acaa6e60c7430130f0981ae261cd424b",
        "32x48.jpeg.acaa6e60c7430130f0981ae261cd424b",
    ],
)
def test_restore_of_user_entered_url_uploads_no_other_file(
    check, mirror, list_requests, emulator, path
):
    for name in ("secret", "acaa6e60c7430130f0981ae261cd424b", "48x32.jpeg.secret"):
        mirror.save(name, ContentFile(PHOTO))
    mirror.save("groupme-pictures/48x32.jpeg.acaa6e60c7430130f0981ae261cd424b", ContentFile(PHOTO))
    row = create_member(f"{emulator.cdn_url}{path}")
    assert summary(gone=1) in check(restore="mirror")
    assert count_methods(list_requests()) == {"HEAD": 1, "GET": 1}
    row.refresh_from_db()
    assert row.photo.name == f"{emulator.cdn_url}{path}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "is not an image"),
        (PHOTO[:-50], "the file is damaged or incomplete"),
        (pictures.plain("PNG"), "its format is PNG, which does not match http://"),
        (pictures.plain(size=(32, 48)), "its size is 32×48 pixels, which does not match http://"),
    ],
)
def test_restore_of_invalid_copy_uploads_nothing(
    check, mirror, emulator, list_requests, content, reason
):
    row = create_member(upload_image())
    mirror.save(copy_name(row), ContentFile(content))
    delete_from_cdn(emulator, row.photo.name)
    output = check(restore="mirror")
    assert summary(gone=1) in output
    assert f"; its copy {copy_name(row)} was not uploaded: " in output
    assert reason in output
    assert count_methods(list_requests())["POST"] == 1


def test_restore_of_copy_that_exceeds_limits_reports_limit(check, mirror, emulator, settings):
    row = create_member(upload_image())
    check(mirror="mirror")
    delete_from_cdn(emulator, row.photo.name)
    settings.GROUPME_MAX_UPLOAD_SIZE = len(PHOTO) - 1
    assert f"more than the {len(PHOTO) - 1:,} allowed" in check(restore="mirror")
    settings.GROUPME_MAX_UPLOAD_SIZE, settings.GROUPME_ALLOWED_FORMATS = None, ["png"]
    assert "the format JPEG is not allowed" in check(restore="mirror")


def test_restore_of_copy_that_the_service_rejects_reports_gone(check, mirror, emulator):
    row = create_member(upload_image())
    check(mirror="mirror")
    delete_from_cdn(emulator, row.photo.name)
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    output = check(restore="mirror")
    assert summary(gone=1) in output
    assert "was not uploaded: " in output


@pytest.mark.parametrize("status", [403, 404])
def test_restore_with_cdn_that_rejects_all_requests_changes_nothing(
    check, emulator, list_requests, mirrored_rows, status
):
    before, names = len(list_requests()), stored_names()
    emulator.app.faults.add(Fault("status", status=status, times=1000))
    output = check(restore="mirror")
    assert count_methods(list_requests()[before:]) == {"HEAD": 40, "GET": 40}
    assert stored_names() == names
    assert summary(gone=40) in output
    assert output.count("; not restored: too many images are missing\n") == 40
    assert "exit 1: 40 of 40 images are missing (100%), more than 20%, so nothing was " in output
    assert output.endswith("run the command again with --max-missing 100.")
    emulator.app.faults.clear()
    assert check(restore="mirror") == summary(present=40)


def test_restore_with_max_missing_restores_more(check, emulator, mirrored_rows):
    delete_from_cdn(emulator, *(row.photo.name for row in mirrored_rows[:9]))
    assert check(restore="mirror") == summary(present=31, restored=9)
    delete_from_cdn(emulator, *(row.photo.name for row in mirrored_rows[10:20]))
    output = check(restore="mirror")
    assert "exit 1: 10 of 40 images are missing (25%)" in output
    assert "--max-missing 25." in output
    assert check(restore="mirror", max_missing=24) != summary(present=30, restored=10)
    assert check(restore="mirror", max_missing=25) == summary(present=30, restored=10)


def test_restore_with_20_percent_missing_restores_all(check, emulator, mirrored_rows):
    extra = [create_member(upload_image()) for _ in range(10)]
    create_member("https://example.com/cat.jpg")
    check(mirror="mirror")
    delete_from_cdn(emulator, *(row.photo.name for row in [*mirrored_rows[:8], *extra[:2]]))
    assert summary(present=40, restored=10, invalid=1) in check(restore="mirror")


def test_restore_with_invalid_urls_does_not_count_them(check, emulator, mirrored_rows):
    for row in mirrored_rows[:30]:
        rename_photo(row, f"https://example.com/{row.pk}.jpg")
    delete_from_cdn(emulator, *(row.photo.name for row in mirrored_rows[30:]))
    assert "exit 1: 10 of 10 images are missing" in check(restore="mirror")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_restore_after_interrupted_check_changes_nothing(
    check, emulator, mirrored_rows, list_requests
):
    delete_from_cdn(emulator, *(row.photo.name for row in mirrored_rows[:5]))
    emulator.app.faults.add(Fault("delay", seconds=0.05 * SLOWNESS, times=1000))
    before, names = len(list_requests()), stored_names()
    thread = threading.Thread(
        target=interrupt_when, args=(lambda: len(list_requests()) - before > 8,)
    )
    thread.start()
    output = check(restore="mirror", workers=1)
    thread.join()
    assert "exit 130: Stopped: interrupted by SIGINT. Run the command again" in output
    assert stored_names() == names
    assert count_methods(list_requests()[before:])["POST"] == 0


def test_restore_after_30_failures_in_a_row_changes_nothing(check, emulator, mirrored_rows):
    names = stored_names()
    delete_from_cdn(emulator, *names)
    emulator.app.faults.add(Fault("delay", seconds=0, times=8))
    emulator.app.faults.add(Fault("status", status=503, times=9999))
    output = check(restore="mirror", workers=1)
    assert (
        "exit 1: Stopped: the image service failed 30 times in a row. Run the command again"
        in output
    )
    assert output.count(": gone, ") == 4
    assert output.count("; not restored: the image service failed 30 times in a row\n") == 4
    assert stored_names() == names


@pytest.mark.parametrize("workers", [1, 4])
def test_restore_with_rejected_token_reports_each_image(
    check, emulator, mirrored_rows, list_requests, workers
):
    delete_from_cdn(emulator, *(row.photo.name for row in mirrored_rows))
    emulator.app.faults.add(Fault("status", status=401, method="POST", times=99))
    before, names = len(list_requests()), stored_names()
    output = check(restore="mirror", max_missing=100, workers=workers)
    assert len({line.split()[1] for line in output.splitlines() if " pk=" in line}) == 40
    assert "not restored: the access token was rejected: " in output
    assert "exit 1: Stopped: the access token was rejected: " in output
    assert "Run the command again" not in output
    assert count_methods(list_requests()[before:])["POST"] <= 3 * workers
    assert stored_names() == names


def test_restore_of_opened_copy_after_stop_uploads_nothing(emulator, list_requests):
    runner = BulkRunner(workers=1)

    class StoppingStorage(InMemoryStorage):
        def _open(self, *args: Any) -> Any:
            runner.stop("enough")
            return super()._open(*args)

    mirror = StoppingStorage()
    row = create_member(upload_image())
    mirror.save(copy_name(row), ContentFile(PHOTO))
    delete_from_cdn(emulator, row.photo.name)
    names = read_names(find_columns(["gallery.Member.photo"]), urls=True)
    ((result,),) = BulkCheck(runner, restore=mirror).run(names)
    assert result.outcome == "gone"
    assert result.reason.endswith("; not restored: enough")
    assert count_methods(list_requests())["POST"] == 1


def test_restore_of_rows_changed_during_check_skips_them(
    check, emulator, mirrored_rows, list_requests
):
    first, second, *_ = mirrored_rows
    unchanged = create_member(second.photo.name)
    delete_from_cdn(emulator, first.photo.name, second.photo.name)
    before = len(list_requests())
    is_changed = False

    def change_rows(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal is_changed
        # The check sends 40 HEAD requests, and 2 GET requests for the missing images.
        if sql.startswith("SELECT") and len(list_requests()) - before >= 42 and not is_changed:
            is_changed = True
            Member.objects.filter(pk__in=[first.pk, second.pk]).update(photo="")
        return execute(sql, *args)

    with connection.execute_wrapper(change_rows):
        output = check(restore="mirror", workers=1)
    assert is_changed
    assert output == summary(present=38, restored=1, skipped=2)
    assert count_methods(list_requests()[before:])["POST"] == 1
    unchanged.refresh_from_db()
    assert unchanged.photo.name != second.photo.name
