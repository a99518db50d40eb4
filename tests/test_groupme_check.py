"""``manage.py groupme_check``: what the CDN has lost is told, kept a copy of, and brought back."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db import connection

from django_groupme_images.audits import OUTCOMES
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.commands.groupme_check import Command
from django_groupme_images.pictures import Picture
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


def test_the_mirror_keeps_each_original_once(check, mirror, arrived, emulator):
    names = [uploaded() for _ in range(3)]
    for name in (*names, names[0]):
        member(name)
    assert check(mirror="mirror") == summary(mirrored=4)
    ids = sorted(Picture.parse(name, emulator.cdn_url).id for name in names)
    assert sorted(mirror.listdir("")[1]) == ids
    with mirror.open(ids[0]) as copy:
        assert copy.read() == PHOTO
    before = len(arrived())
    assert check(mirror="mirror") == summary(present=4)
    assert [line.split()[0] for line in arrived()[before:]] == ["HEAD"] * 3


def test_half_a_copy_is_made_again(check, mirror, emulator):
    row = member(uploaded())
    Mirror.is_full = True
    told = check(mirror="mirror")
    assert f"pk={row.pk} {row.photo.name}: failed, OSError: no space left on device\n" in told
    Mirror.is_full = False
    assert mirror.size(row.photo.picture.id) == 10
    assert check(mirror="mirror") == summary(mirrored=1)
    assert mirror.listdir("")[1] == [row.photo.picture.id]
    assert mirror.size(row.photo.picture.id) == len(PHOTO)


def test_a_copy_is_never_replaced_by_less(check, mirror, emulator):
    row = member(uploaded())
    name = mirror.save(row.photo.picture.id, ContentFile(PHOTO + b"a better one"))
    assert check(mirror="mirror") == summary(present=1)
    assert mirror.size(name) == len(PHOTO) + 12


def test_a_download_that_breaks_off_leaves_no_copy(check, mirror, emulator):
    member(uploaded())
    emulator.app.faults.add(Fault("half", method="GET", times=99))
    assert summary(unreachable=1) in check(mirror="mirror")
    assert mirror.listdir("") == ([], [])


def test_a_gone_picture_is_brought_back(check, mirror, emulator, arrived):
    first, second, third = (member(uploaded()) for _ in range(3))
    shared = Group.objects.create(photo=first.photo.name, banner="")
    Plain.objects.create(photo=f"{third.photo.name}.large")
    check("gallery.Member", mirror="mirror")
    lost = first.photo.name, third.photo.name
    lose(emulator, *lost)
    mirror.delete(third.photo.picture.id)
    before = len(arrived())
    told = check("gallery.Member", "gallery.Group", mirror="mirror", restore="mirror")
    assert summary(present=1, restored=2, gone=1) in told
    assert "there is no copy of it to restore it from, either" in told
    assert sum(line.startswith("POST") for line in arrived()[before:]) == 1
    for row in (first, second, third, shared):
        row.refresh_from_db()
    assert first.photo.name == shared.photo.name not in lost
    assert third.photo.name == lost[1]
    with first.photo.open() as photo:
        assert photo.read() == PHOTO


def test_a_copy_that_the_service_refuses(check, mirror, emulator):
    row = member(uploaded())
    mirror.save(row.photo.picture.id, ContentFile(b"no picture"))
    lose(emulator, row.photo.name)
    told = check(restore="mirror")
    assert summary(gone=1) in told
    assert "; and its copy was refused: " in told


@pytest.mark.parametrize("option", ["mirror", "restore"])
def test_a_mirror_that_makes_no_sense(check, option):
    assert "exit 1: Could not find config for 'nowhere'" in check(**{option: "nowhere"})
    assert "exit 1: groupme is a storage on GroupMe" in check(**{option: "groupme"})
