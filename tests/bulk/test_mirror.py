"""Tests of ``groupme_check --mirror``: it copies images into another storage."""

from __future__ import annotations

import re

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from PIL import Image

from django_groupme_images.emulator.faults import Fault
from tests.support import emulator_pictures as pictures
from tests.support.bulk import PHOTO
from tests.support.groupme_check import (
    Mirror,
    copy_name,
    count_methods,
    create_member,
    delete_from_cdn,
    rename_photo,
    summary,
    upload_image,
)

pytestmark = pytest.mark.django_db(databases=["default", "other"])

HTML = "<!DOCTYPE html><title>Blocked</title>"


def test_mirror_of_shared_image_saves_one_copy(check, mirror, list_requests):
    rows = [create_member(upload_image()) for _ in range(3)]
    create_member(rows[0].photo.name)
    assert check(mirror="mirror") == summary(mirrored=4)
    assert mirror.listdir("") == (["groupme-pictures"], [])
    names = sorted(row.photo.name.rpartition("/")[2] for row in rows)
    assert sorted(mirror.listdir("groupme-pictures")[1]) == names
    with mirror.open(copy_name(rows[0])) as copy:
        assert copy.read() == PHOTO
    before = len(list_requests())
    assert check(mirror="mirror") == summary(present=4)
    assert count_methods(list_requests()[before:]) == {"HEAD": 3}


def test_mirror_with_incomplete_copy_saves_it_again(check, mirror):
    row = create_member(upload_image())
    Mirror.is_full = True
    output = check(mirror="mirror")
    assert f"pk={row.pk} {row.photo.name}: failed, OSError: no space left on device\n" in output
    Mirror.is_full = False
    assert mirror.size(copy_name(row)) == 10
    assert check(mirror="mirror") == summary(mirrored=1)
    assert len(mirror.listdir("groupme-pictures")[1]) == 1
    assert mirror.size(copy_name(row)) == len(PHOTO)


@pytest.mark.parametrize("has_old_name", [False, True])
def test_mirror_with_larger_copy_keeps_it(check, mirror, has_old_name):
    row = create_member(upload_image())
    name = mirror.save(
        row.photo.picture.id if has_old_name else copy_name(row), ContentFile(PHOTO + b"x")
    )
    assert check(mirror="mirror") == summary(present=1)
    assert mirror.size(name) == len(PHOTO) + 1


def test_mirror_after_incomplete_download_saves_nothing(check, mirror, emulator):
    create_member(upload_image())
    emulator.app.faults.add(Fault("half", method="GET", times=99))
    assert summary(unreachable=1) in check(mirror="mirror")
    assert mirror.listdir("") == ([], [])


def test_mirror_of_image_that_only_head_finds_reports_unreachable(check, mirror, emulator):
    row = create_member(upload_image())
    emulator.app.faults.add(Fault("status", status=403, method="GET", times=99))
    output = check(mirror="mirror", restore="mirror")
    assert f"{row.photo.name}: unreachable, PictureNotFound: " in output
    assert mirror.listdir("") == ([], [])


@pytest.mark.parametrize(
    "content_type", ["text/html; charset=utf-8", "Application/XML", "application/json"]
)
def test_mirror_of_page_with_status_200_reports_unreachable(check, mirror, emulator, content_type):
    row = create_member(upload_image())
    headers = {"Content-Type": content_type}
    emulator.app.faults.add(Fault("status", status=200, headers=headers, body=HTML, times=99))
    output = check(mirror="mirror")
    reason = f"{row.photo.name} is not an image, but {content_type}\n"
    assert f"unreachable, UnexpectedResponse: {reason}" in output
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
    ids=["HTML", "truncated", "PNG", "rotated", "smaller", "empty"],
)
def test_mirror_of_image_that_differs_from_its_url_saves_nothing(check, mirror, emulator, content):
    row = create_member(upload_image())
    emulator.app.store.find(row.photo.name.rpartition("/")[2]).write_bytes(content)
    output = check(mirror="mirror")
    assert summary(failed=1) in output
    assert "failed, the CDN's response was not saved: " in output
    assert mirror.listdir("") == ([], [])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mirror_of_rotated_image_accepts_both_sizes(check, mirror, emulator, orientation):
    row = create_member(upload_image(pictures.rotated(orientation)))
    assert check(mirror="mirror") == summary(mirrored=1)
    swapped = re.sub(r"/(\d+)x(\d+)\.", r"/\2x\1.", row.photo.name)
    path = emulator.app.store.find(row.photo.name.rpartition("/")[2])
    path.rename(path.with_name(swapped.rpartition("/")[2]))
    rename_photo(row, swapped)
    assert summary(**{"mirrored" if orientation > 4 else "failed": 1}) in check(mirror="mirror")


def test_mirror_of_image_with_invalid_exif_compares_stored_size(check, mirror, emulator):
    row = create_member(upload_image())
    image = Image.new("RGB", (48, 32))
    content = pictures.encoded(image, "JPEG", dpi=(72, 72), exif=b"Exif\0\0no TIFF header")
    emulator.app.store.find(row.photo.name.rpartition("/")[2]).write_bytes(content)
    assert check(mirror="mirror") == summary(mirrored=1)


@pytest.mark.parametrize("picture_id", ["123456789", "acaa6e60c7430130f0981ae261cd424b"])
def test_mirror_of_url_without_dimensions_saves_copy(check, mirror, emulator, picture_id):
    row = create_member(upload_image())
    path = emulator.app.store.find(row.photo.name.rpartition("/")[2])
    path.rename(path.with_name(f"48x32.jpeg.{picture_id}"))
    rename_photo(row, f"{emulator.cdn_url}{picture_id}")
    assert check(mirror="mirror") == summary(mirrored=1)
    assert mirror.listdir("groupme-pictures") == ([], [picture_id])
    delete_from_cdn(emulator, row.photo.name)
    assert check(restore="mirror") == summary(restored=1)


class RenamingStorage(InMemoryStorage):
    """A storage that saves each file under another name."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"{name}-1"


def test_mirror_in_storage_that_renames_files_fails(check, settings):
    create_member(upload_image())
    settings.STORAGES = settings.STORAGES | {"mirror": {"BACKEND": f"{__name__}.RenamingStorage"}}
    output = check(mirror="mirror")
    assert "failed, OSError: the mirror saved the copy as 'groupme-pictures/48x32" in output
    assert storages["mirror"].listdir("groupme-pictures") == ([], [])
