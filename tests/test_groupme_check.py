"""``manage.py groupme_check``: reports missing images, keeps copies, and restores from them."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db import connection
from PIL import Image

from django_groupme_images.audits import OUTCOMES
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.commands.groupme_check import Command
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .commands import said_by
from .gallery.models import Club, Group, Local, Member, Plain
from .urls_of_pictures import JPEG

PHOTO = pictures.plain()

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class Mirror(InMemoryStorage):
    """Fails in the middle of a file where it is told to."""

    is_full = False

    def _save(self, name: str, content: Any) -> str:
        if not Mirror.is_full:
            return super()._save(name, content)
        super()._save(name, ContentFile(content.read(10)))
        raise OSError("no space left on device")


@pytest.fixture(autouse=True)
def mirror(settings: Any) -> Any:
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    settings.STORAGES = settings.STORAGES | {"mirror": {"BACKEND": f"{__name__}.Mirror"}}
    yield storages["mirror"]
    Mirror.is_full = False


@pytest.fixture
def check(emulator: EmulatorServer) -> Any:
    """Run the command without a limit to its pace, and give what it wrote."""
    return partial(said_by, "groupme_check", rate=0)


def uploaded() -> str:
    return GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


def member(photo: str) -> Member:
    return Member.objects.create(photo=photo)


def summary(**counts: int) -> str:
    return ", ".join(f"{counts.get(outcome, 0)} {outcome}" for outcome in OUTCOMES) + "\n"


def copy_of(row: Any) -> str:
    """The name of its image's copy in the mirror."""
    return f"groupme-pictures/{row.photo.name.rpartition('/')[2]}"


def methods(requests: list[str]) -> Counter[str]:
    return Counter(line.split()[0] for line in requests)


def rename(row: Any, name: str) -> None:
    """Let the row hold a name that the emulator did not give."""
    type(row).objects.filter(pk=row.pk).update(photo=name)
    row.refresh_from_db()


def lose(emulator: EmulatorServer, *names: str) -> None:
    """As the service does: the picture is not there any more."""
    for name in names:
        emulator.app.store.find(name.rpartition("/")[2]).unlink()


def test_all_is_well(check, arrived):
    names = [uploaded() for _ in range(6)]
    member(names[0])
    member(names[1])
    Plain.objects.create(photo=names[2], other="")
    Group.objects.create(photo=names[3], banner=names[3])
    Club.objects.create(photo=names[4], banner="photos/waits.jpg")
    Local.objects.create(photo="local.jpg")
    Member(photo=names[5]).save(using="other")
    before = len(arrived())
    assert check() == summary(present=6)
    asked = sorted(f"HEAD /{name.rpartition('/')[2]}" for name in names[:5])
    assert sorted(arrived()[before:]) == asked
    assert check(database="other") == summary(present=1)
    assert check("gallery.Group.banner") == summary(present=1)
    assert check(limit=1, verbosity=0) == ""


@pytest.mark.parametrize("kept", ["{}.large", "{}.avatar"])
def test_names_that_are_not_as_they_would_be_stored_now(check, emulator, mirror, kept):
    row = member(uploaded())
    url = row.photo.name
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_member SET photo = %s", [kept.format(url)])
    assert check(mirror="mirror") == summary(mirrored=1)
    lose(emulator, url)
    assert check(restore="mirror") == summary(restored=1)
    row.refresh_from_db()
    assert row.photo.picture.url == row.photo.name != url


def test_an_old_address_without_encryption(check, settings):
    settings.GROUPME_CDN_URL = "https://localhost:1/"
    settings.GROUPME_TIMEOUT = 0.1
    member("")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_member SET photo = 'http://localhost:1/123456789'")
    assert summary(unreachable=1) in check()


def test_a_cdn_that_refuses_head(check, emulator, arrived):
    member(uploaded())
    emulator.app.faults.add(Fault("status", status=405, method="HEAD"))
    assert check() == summary(present=1)
    assert [line.split()[0] for line in arrived()] == ["POST", "HEAD", "GET"]


def test_what_is_bad(check, emulator, tmp_path):
    good, gone, broken = (member(uploaded()) for _ in range(3))
    foreign = member("https://example.com/cat.jpg")
    official = member(JPEG)  # seen from an emulator, which cannot be asked for it
    lose(emulator, gone.photo.name)
    path = f"/{broken.photo.name.rpartition('/')[2]}"
    emulator.app.faults.add(Fault("status", status=503, path=path, times=99))
    told = check(report=tmp_path / "report")
    assert summary(present=1, gone=1, unreachable=1, invalid=2) in told
    assert f"gallery.Member.photo pk={gone.pk} {gone.photo.name}: gone, " in told
    assert f"pk={broken.pk} {broken.photo.name}: unreachable, ServiceUnavailable: " in told
    assert f"pk={foreign.pk} https://example.com/cat.jpg: invalid, " in told
    assert f"pk={official.pk} {JPEG}: invalid, " in told
    assert told.endswith("exit 1: 4 of 5 rows are not as they should be; see above.")
    lines = [json.loads(line) for line in (tmp_path / "report").read_text().splitlines()]
    assert {line["pk"]: line["outcome"] for line in lines} == {
        good.pk: "present",
        gone.pk: "gone",
        broken.pk: "unreachable",
        foreign.pk: "invalid",
        official.pk: "invalid",
    }


def test_no_token_is_needed(check, settings, monkeypatch):
    member(uploaded())
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = None
    assert check() == summary(present=1)
    assert Command.requires_system_checks == ()


# The mirror


def test_mirror_keeps_each_original_once(check, mirror, arrived):
    rows = [member(uploaded()) for _ in range(3)]
    member(rows[0].photo.name)
    assert check(mirror="mirror") == summary(mirrored=4)
    assert mirror.listdir("") == (["groupme-pictures"], [])
    names = sorted(row.photo.name.rpartition("/")[2] for row in rows)
    assert sorted(mirror.listdir("groupme-pictures")[1]) == names
    with mirror.open(copy_of(rows[0])) as copy:
        assert copy.read() == PHOTO
    before = len(arrived())
    assert check(mirror="mirror") == summary(present=4)
    assert methods(arrived()[before:]) == {"HEAD": 3}


def test_mirror_saves_incomplete_copy_again(check, mirror):
    row = member(uploaded())
    Mirror.is_full = True
    told = check(mirror="mirror")
    assert f"pk={row.pk} {row.photo.name}: failed, OSError: no space left on device\n" in told
    Mirror.is_full = False
    assert mirror.size(copy_of(row)) == 10
    assert check(mirror="mirror") == summary(mirrored=1)
    assert len(mirror.listdir("groupme-pictures")[1]) == 1
    assert mirror.size(copy_of(row)) == len(PHOTO)


@pytest.mark.parametrize("is_old", [False, True])
def test_mirror_keeps_larger_copy(check, mirror, is_old):
    row = member(uploaded())
    name = mirror.save(row.photo.picture.id if is_old else copy_of(row), ContentFile(PHOTO + b"x"))
    assert check(mirror="mirror") == summary(present=1)
    assert mirror.size(name) == len(PHOTO) + 1


def test_mirror_saves_no_incomplete_download(check, mirror, emulator):
    member(uploaded())
    emulator.app.faults.add(Fault("half", method="GET", times=99))
    assert summary(unreachable=1) in check(mirror="mirror")
    assert mirror.listdir("") == ([], [])


def test_image_that_only_head_finds_is_unreachable(check, mirror, emulator):
    row = member(uploaded())
    emulator.app.faults.add(Fault("status", status=403, method="GET", times=99))
    told = check(mirror="mirror", restore="mirror")
    assert f"{row.photo.name}: unreachable, PictureNotFound: " in told
    assert mirror.listdir("") == ([], [])


HTML = "<!DOCTYPE html><title>Blocked</title>"


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "Application/XML", "application/json"]
)
def test_page_with_status_200_is_unreachable(check, mirror, emulator, kind):
    row = member(uploaded())
    headers = {"Content-Type": kind}
    emulator.app.faults.add(Fault("status", status=200, headers=headers, body=HTML, times=99))
    told = check(mirror="mirror")
    assert (
        f"unreachable, UnexpectedResponse: {row.photo.name} is not an image, but {kind}\n" in told
    )
    assert mirror.listdir("") == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        HTML.encode(),
        PHOTO[:-50],
        pictures.plain("PNG"),
        pictures.plain(size=(32, 48)),
        pictures.plain(size=(47, 32)),
        b"",
    ],
    ids=["HTML", "cut off", "PNG", "turned", "smaller", "empty"],
)
def test_mirror_saves_only_image_of_url(check, mirror, emulator, content):
    row = member(uploaded())
    emulator.app.store.find(row.photo.name.rpartition("/")[2]).write_bytes(content)
    told = check(mirror="mirror")
    assert summary(failed=1) in told
    assert "failed, the CDN's response was not saved: " in told
    assert mirror.listdir("") == ([], [])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mirror_accepts_both_sizes_of_rotated_image(check, mirror, emulator, orientation):
    data = pictures.turned(orientation)
    row = member(GroupMeStorage().save("cat.jpg", ContentFile(data)))
    assert check(mirror="mirror") == summary(mirrored=1)
    swapped = re.sub(r"/(\d+)x(\d+)\.", r"/\2x\1.", row.photo.name)
    store = emulator.app.store
    path = store.find(row.photo.name.rpartition("/")[2])
    path.rename(path.with_name(swapped.rpartition("/")[2]))
    rename(row, swapped)
    assert summary(**{"mirrored" if orientation > 4 else "failed": 1}) in check(mirror="mirror")


def test_mirror_with_invalid_exif_compares_stored_size(check, mirror, emulator):
    row = member(uploaded())
    image = Image.new("RGB", (48, 32))
    broken = pictures.encoded(image, "JPEG", dpi=(72, 72), exif=b"Exif\0\0no TIFF header")
    emulator.app.store.find(row.photo.name.rpartition("/")[2]).write_bytes(broken)
    assert check(mirror="mirror") == summary(mirrored=1)


@pytest.mark.parametrize("name", ["123456789", "acaa6e60c7430130f0981ae261cd424b"])
def test_mirror_of_url_without_dimensions(check, mirror, emulator, name):
    row = member(uploaded())
    path = emulator.app.store.find(row.photo.name.rpartition("/")[2])
    path.rename(path.with_name(f"48x32.jpeg.{name}"))
    rename(row, f"{emulator.cdn_url}{name}")
    assert check(mirror="mirror") == summary(mirrored=1)
    assert mirror.listdir("groupme-pictures") == ([], [name])
    lose(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


class Renaming(InMemoryStorage):
    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"{name}-1"


def test_mirror_that_renames_files_fails(check, settings):
    member(uploaded())
    settings.STORAGES = settings.STORAGES | {"mirror": {"BACKEND": f"{__name__}.Renaming"}}
    told = check(mirror="mirror")
    assert "failed, OSError: the mirror saved the copy as 'groupme-pictures/48x32" in told
    assert storages["mirror"].listdir("groupme-pictures") == ([], [])


# Restoring


def test_restore_uploads_copy_and_changes_rows(check, mirror, emulator, arrived):
    first, second, third = (member(uploaded()) for _ in range(3))
    shared = Group.objects.create(photo=first.photo.name, banner="")
    Plain.objects.create(photo=f"{third.photo.name}.large")
    check("gallery.Member", mirror="mirror")
    lost = first.photo.name, third.photo.name
    lose(emulator, *lost)
    mirror.delete(copy_of(third))
    before = len(arrived())
    told = check("gallery.Member", "gallery.Group", mirror="mirror", restore="mirror")
    assert summary(present=1, restored=2, gone=1) in told
    assert "there is no copy of it to restore" in told
    assert methods(arrived()[before:]) == {"HEAD": 3, "GET": 2, "POST": 1}
    for row in (first, second, third, shared):
        row.refresh_from_db()
    assert first.photo.name == shared.photo.name not in lost
    assert third.photo.name == lost[1]
    with first.photo.open() as photo:
        assert photo.read() == PHOTO


def test_restore_finds_copy_under_old_name(check, mirror, emulator):
    row = member(uploaded())
    mirror.save(row.photo.picture.id, ContentFile(PHOTO))
    lose(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


def test_restore_uses_old_copy_if_new_one_is_damaged(check, mirror, emulator):
    row = member(uploaded())
    mirror.save(copy_of(row), ContentFile(PHOTO[:-40]))
    mirror.save(row.photo.picture.id, ContentFile(PHOTO))
    lose(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


@pytest.mark.parametrize(
    "name",
    [
        "{cdn}secret",
        "{cdn}48x32.jpeg.secret",
        "{cdn}acaa6e60c7430130f0981ae261cd424B",
        "{cdn}47x32.jpeg.acaa6e60c7430130f0981ae261cd424b",
        "{cdn}48x32.png.acaa6e60c7430130f0981ae261cd424b",
        "{cdn}32x48.jpeg.acaa6e60c7430130f0981ae261cd424b",
    ],
)
def test_restore_of_url_that_a_visitor_entered_selects_no_other_file(
    check, mirror, arrived, emulator, name
):
    for other in ("secret", "acaa6e60c7430130f0981ae261cd424b", "48x32.jpeg.secret"):
        mirror.save(other, ContentFile(PHOTO))
    mirror.save("groupme-pictures/48x32.jpeg.acaa6e60c7430130f0981ae261cd424b", ContentFile(PHOTO))
    row = member(name.format(cdn=emulator.cdn_url))
    assert summary(gone=1) in check(restore="mirror")
    assert methods(arrived()) == {"HEAD": 1, "GET": 1}
    row.refresh_from_db()
    assert row.photo.name == name.format(cdn=emulator.cdn_url)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "is not an image"),
        (PHOTO[:-50], "is cut off or damaged"),
        (pictures.plain("PNG"), "it is a PNG image, unlike http://"),
        (pictures.plain(size=(32, 48)), "it has 32×48 pixels, unlike http://"),
    ],
)
def test_restore_of_bad_copy_uploads_nothing(check, mirror, emulator, arrived, content, reason):
    row = member(uploaded())
    mirror.save(copy_of(row), ContentFile(content))
    lose(emulator, row.photo.name)
    told = check(restore="mirror")
    assert summary(gone=1) in told
    assert f"; its copy {copy_of(row)} was not uploaded: " in told
    assert reason in told
    assert methods(arrived())["POST"] == 1


def test_restore_of_copy_that_exceeds_limits_uploads_nothing(check, mirror, emulator, settings):
    row = member(uploaded())
    check(mirror="mirror")
    lose(emulator, row.photo.name)
    settings.GROUPME_MAX_UPLOAD_SIZE = len(PHOTO) - 1
    assert "can be uploaded" in check(restore="mirror")
    settings.GROUPME_MAX_UPLOAD_SIZE, settings.GROUPME_ALLOWED_FORMATS = None, ["png"]
    assert "is a picture saved as JPEG" in check(restore="mirror")


def test_restore_of_copy_that_the_service_rejects(check, mirror, emulator):
    row = member(uploaded())
    check(mirror="mirror")
    lose(emulator, row.photo.name)
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    told = check(restore="mirror")
    assert summary(gone=1) in told
    assert "was not uploaded: " in told


def test_miss_is_confirmed_by_another_request(check, emulator, arrived):
    row = member(uploaded())
    emulator.app.faults.add(Fault("status", status=403, method="HEAD"))
    assert check() == summary(present=1)
    emulator.app.faults.add(Fault("status", status=403, method="HEAD"))
    emulator.app.faults.add(Fault("status", status=503, method="GET", times=99))
    assert summary(unreachable=1) in check()
    emulator.app.faults.clear()
    lose(emulator, row.photo.name)
    before = len(arrived())
    assert summary(gone=1) in check()
    assert methods(arrived()[before:]) == {"HEAD": 1, "GET": 1}


@pytest.fixture
def forty(check: Any) -> list[Any]:
    rows = [member(uploaded()) for _ in range(40)]
    assert check(mirror="mirror") == summary(mirrored=40)
    return rows


def names_now() -> set[str]:
    return set(Member.objects.values_list("photo", flat=True))


@pytest.mark.parametrize("status", [403, 404])
def test_restore_with_cdn_that_rejects_all_requests_changes_nothing(
    check, emulator, arrived, forty, status
):
    before, names = len(arrived()), names_now()
    emulator.app.faults.add(Fault("status", status=status, times=1000))
    told = check(restore="mirror")
    assert methods(arrived()[before:]) == {"HEAD": 40, "GET": 40}
    assert names_now() == names
    assert summary(gone=40) in told
    assert told.count("; not restored: too many images are missing\n") == 40
    assert "exit 1: 40 of 40 images are missing (100%), more than 20%, so nothing was " in told
    assert told.endswith("run the command again with --max-missing 100.")
    emulator.app.faults.clear()
    assert check(restore="mirror") == summary(present=40)


def test_restore_with_max_missing_restores_more(check, emulator, forty):
    lose(emulator, *(row.photo.name for row in forty[:9]))
    assert check(restore="mirror") == summary(present=31, restored=9)
    lose(emulator, *(row.photo.name for row in forty[10:20]))
    told = check(restore="mirror")
    assert "exit 1: 10 of 40 images are missing (25%)" in told
    assert "--max-missing 25." in told
    assert check(restore="mirror", max_missing=24) != summary(present=30, restored=10)
    assert check(restore="mirror", max_missing=25) == summary(present=30, restored=10)


def test_restore_of_a_fifth_of_the_images(check, emulator, forty):
    extra = [member(uploaded()) for _ in range(10)]
    member("https://example.com/cat.jpg")
    check(mirror="mirror")
    lose(emulator, *(row.photo.name for row in [*forty[:8], *extra[:2]]))
    assert summary(present=40, restored=10, invalid=1) in check(restore="mirror")


def test_restore_counts_only_images_that_the_cdn_knows_or_not(check, emulator, forty):
    for row in forty[:30]:
        rename(row, f"https://example.com/{row.pk}.jpg")
    lose(emulator, *(row.photo.name for row in forty[30:]))
    assert "exit 1: 10 of 10 images are missing" in check(restore="mirror")


def test_restore_after_interrupted_check_restores_nothing(
    check, emulator, forty, arrived, settings
):
    lose(emulator, *(row.photo.name for row in forty[:5]))
    emulator.app.faults.add(Fault("delay", seconds=0.05, times=1000))
    before, names = len(arrived()), names_now()
    stopper = threading.Thread(target=interrupt, args=(lambda: len(arrived()) - before > 8,))
    stopper.start()
    told = check(restore="mirror", workers=1)
    stopper.join()
    assert "exit 130: Stopped: interrupted by SIGINT. Run the command again" in told
    assert names_now() == names
    assert methods(arrived()[before:])["POST"] == 0


def interrupt(condition: Any) -> None:
    while not condition():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_restore_after_service_went_down_restores_nothing(check, emulator, forty):
    names = names_now()
    lose(emulator, *names)
    emulator.app.faults.add(Fault("delay", seconds=0, times=8))
    emulator.app.faults.add(Fault("status", status=503, times=9999))
    told = check(restore="mirror", workers=1)
    assert "exit 1: Stopped: the service failed 30 times in a row. Run the command again" in told
    assert told.count(": gone, ") == 4
    assert told.count("; not restored: the service failed 30 times in a row\n") == 4
    assert names_now() == names


@pytest.mark.parametrize("workers", [1, 4])
def test_restore_with_rejected_token_reports_each_image(check, emulator, forty, arrived, workers):
    lose(emulator, *(row.photo.name for row in forty))
    emulator.app.faults.add(Fault("status", status=401, method="POST", times=99))
    before, names = len(arrived()), names_now()
    told = check(restore="mirror", max_missing=100, workers=workers)
    assert len({line.split()[1] for line in told.splitlines() if " pk=" in line}) == 40
    assert "not restored: the access token was rejected: " in told
    assert "exit 1: Stopped: the access token was rejected: " in told
    assert "Run the command again" not in told
    assert methods(arrived()[before:])["POST"] <= 3 * workers
    assert names_now() == names


def test_restore_skips_rows_that_were_changed_meanwhile(check, emulator, forty, arrived):
    one, two, *_ = forty
    twin = member(two.photo.name)
    lose(emulator, one.photo.name, two.photo.name)
    before = len(arrived())

    def edit(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("SELECT") and len(arrived()) - before >= 42 and not edited:
            edited.append(True)
            Member.objects.filter(pk__in=[one.pk, two.pk]).update(photo="")
        return execute(sql, *args)

    edited: list[bool] = []
    with connection.execute_wrapper(edit):
        told = check(restore="mirror", workers=1)
    assert edited
    assert told == summary(present=38, restored=1, skipped=2)
    assert methods(arrived()[before:])["POST"] == 1
    twin.refresh_from_db()
    assert twin.photo.name != two.photo.name


@pytest.mark.parametrize("option", ["mirror", "restore"])
def test_mirror_that_does_not_exist(check, option):
    assert "exit 1: Could not find config for 'nowhere'" in check(**{option: "nowhere"})
    assert "exit 1: groupme is a storage on GroupMe" in check(**{option: "groupme"})
