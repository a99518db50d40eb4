"""easy-thumbnails: files of its own for pictures on GroupMe."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import InvalidPicture

from .conftest import half_red
from .manual import told
from .models import Member, Scaled, Thumbnailed

pytestmark = pytest.mark.django_db

STORAGE, THUMBNAIL = told("easy-thumbnails")
TAG = "{% load easy_thumbnails %}" + THUMBNAIL


def test_a_thumbnail_of_a_picture(photo, render, served, arrived):
    url = render(TAG, member=Member.objects.create(photo=photo))
    assert served(url).size == (100, 100)
    assert arrived() == [f"GET /{photo.rpartition('/')[2]}"]


def test_it_is_a_file_with_the_address_in_its_path(photo, render, files):
    render(TAG, member=Member.objects.create(photo=photo))
    assert files() == [f"{photo.replace('//', '/')}.100x100_q85_crop.jpg"]
    assert ":" in files()[0]


def test_the_picture_is_fetched_in_the_first_two_renderings(photo, render, arrived):
    """It notes its source after it has saved the first thumbnail, and takes that for older."""
    member = Member.objects.create(photo=photo)
    requests = []
    for _ in range(4):
        render(TAG, member=member)
        requests.append(len(arrived()))
    assert requests == [1, 2, 2, 2]


def test_with_a_fallback_too(photo, waiting, render, arrived):
    """Which makes no local storage of this one, whose files would be asked for their age."""
    member = Member.objects.create(photo=photo)
    urls = {render(TAG, member=member) for _ in range(4)}
    assert len(urls) == 1
    assert {request.split()[0] for request in arrived()} == {"GET"}
    assert len(arrived()) == 2


def test_a_file_that_waits(waiting, emulator, render, served, arrived):
    url = render(TAG, member=Member.objects.create(photo=waiting))
    assert url == f"/media/{waiting}.100x100_q85_crop.jpg"
    assert served(url).size == (100, 100)
    assert arrived() == []


@pytest.mark.filterwarnings("ignore:Could not import VIL:UserWarning")  # tried if Pillow fails
@pytest.mark.parametrize("kind", ["gone", "file"])
def test_what_is_not_there_has_no_thumbnail(gone, waiting, render, files, kind):
    member = Member.objects.create(photo={"gone": gone, "file": "gone.jpg"}[kind])
    assert render(TAG, member=member) == ""
    assert files() == [waiting]


def test_a_picture_is_resized_before_its_upload(emulator, arrived):
    scaled = Scaled.objects.create(resized=ContentFile(half_red(), "cat.jpg"))
    assert scaled.resized.url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert arrived() == ["POST /pictures"]


def test_a_thumbnail_on_groupme_is_not_found_again(emulator, render, arrived):
    Thumbnailed.objects.create(photo=ContentFile(half_red(), "cat.jpg"))
    for _ in range(2):
        with pytest.raises(InvalidPicture, match="100x100_q85_crop.jpg' is not the URL"):
            render(TAG, member=Thumbnailed.objects.get())
    assert [request.split()[0] for request in arrived()] == ["POST", "GET", "POST"]


def test_the_setting_of_its_storage(settings):
    assert eval(STORAGE, {"STORAGES": settings.STORAGES})["BACKEND"].endswith("FileSystemStorage")
