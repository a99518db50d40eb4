"""Test thumbnails that easy-thumbnails makes of uploaded images and pending files."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import InvalidPicture

from .documentation import documented_code
from .helpers import half_red_jpeg
from .models import Member, ResizedMember, ThumbnailOnGroupMeMember

pytestmark = pytest.mark.django_db

STORAGE, THUMBNAIL = documented_code("easy-thumbnails")
TAG = "{% load easy_thumbnails %}" + THUMBNAIL


def test_thumbnail_of_uploaded_image_downloads_it_once(
    photo_url, render, open_media, list_requests
):
    url = render(TAG, member=Member.objects.create(photo=photo_url))
    assert open_media(url).size == (100, 100)
    assert list_requests() == [f"GET /{photo_url.rpartition('/')[2]}"]


def test_thumbnail_of_uploaded_image_has_url_in_its_path(photo_url, render, list_media):
    render(TAG, member=Member.objects.create(photo=photo_url))
    assert list_media() == [f"{photo_url.replace('//', '/')}.100x100_q85_crop.jpg"]
    assert ":" in list_media()[0]


def test_thumbnail_rendered_four_times_downloads_image_twice(photo_url, render, list_requests):
    """The first thumbnail seems outdated, because easy-thumbnails records its source after it."""
    member = Member.objects.create(photo=photo_url)
    requests = []
    for _ in range(4):
        render(TAG, member=member)
        requests.append(len(list_requests()))
    assert requests == [1, 2, 2, 2]


def test_thumbnail_with_fallback_downloads_image_twice(
    photo_url, pending_name, render, list_requests, arrived_methods
):
    """easy-thumbnails does not treat a storage with a fallback as local and read its file times."""
    member = Member.objects.create(photo=photo_url)
    urls = {render(TAG, member=member) for _ in range(4)}
    assert len(urls) == 1
    assert set(arrived_methods()) == {"GET"}
    assert len(list_requests()) == 2


def test_thumbnail_of_pending_file_makes_no_request(
    pending_name, emulator, render, open_media, list_requests
):
    url = render(TAG, member=Member.objects.create(photo=pending_name))
    assert url == f"/media/{pending_name}.100x100_q85_crop.jpg"
    assert open_media(url).size == (100, 100)
    assert list_requests() == []


# easy-thumbnails tries VIL if Pillow cannot open a file.
@pytest.mark.filterwarnings("ignore:Could not import VIL:UserWarning")
def test_thumbnail_of_missing_image_is_empty(missing_name, pending_name, render, list_media):
    member = Member.objects.create(photo=missing_name)
    assert render(TAG, member=member) == ""
    assert list_media() == [pending_name]


def test_thumbnailer_field_with_resize_source_uploads_resized_image(emulator, list_requests):
    member = ResizedMember.objects.create(resized=ContentFile(half_red_jpeg(), "cat.jpg"))
    assert member.resized.url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert list_requests() == ["POST /pictures"]


def test_thumbnail_with_storage_on_groupme_raises(emulator, render, arrived_methods):
    ThumbnailOnGroupMeMember.objects.create(photo=ContentFile(half_red_jpeg(), "cat.jpg"))
    for _ in range(2):
        with pytest.raises(InvalidPicture, match="100x100_q85_crop.jpg' is not the URL"):
            render(TAG, member=ThumbnailOnGroupMeMember.objects.get())
    assert arrived_methods() == ["POST", "GET", "POST"]


def test_documented_setting_of_thumbnail_storage_is_file_system(settings):
    assert eval(STORAGE, {"STORAGES": settings.STORAGES})["BACKEND"].endswith("FileSystemStorage")
