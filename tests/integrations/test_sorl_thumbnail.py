"""Test thumbnails that sorl-thumbnail makes of uploaded images and pending files."""

from __future__ import annotations

import pytest
from django.utils.functional import empty
from sorl.thumbnail import default, delete

from .documentation import documented_code
from .models import Member

pytestmark = pytest.mark.django_db

STORAGE, THUMBNAIL = documented_code("sorl-thumbnail")
TAG = "{% load sorl_thumbnail %}" + THUMBNAIL + "{{ image.url }}{% endthumbnail %}"


def test_thumbnail_of_uploaded_image_downloads_it_once(
    photo_url, render, open_media, list_requests
):
    member = Member.objects.create(photo=photo_url)
    url = render(TAG, member=member)
    assert open_media(url).size == (100, 100)
    assert [render(TAG, member=member) for _ in range(3)] == [url] * 3
    assert list_requests() == [f"GET /{photo_url.rpartition('/')[2]}"]


def test_filters_of_uploaded_image_download_it_once(photo_url, render, list_requests):
    template = "{% load sorl_thumbnail %}{{ photo|is_portrait }} {{ photo|margin:'500x400' }}"
    for _ in range(2):
        output = render(template, photo=Member(photo=photo_url).photo)
        assert output == "False 40px 10px 40px 10px"
    assert len(list_requests()) == 1


def test_thumbnails_of_two_images_have_different_urls(add_photo, render, list_media):
    urls = {render(TAG, member=Member(photo=add_photo())) for _ in range(2)}
    assert len(urls) == len(list_media()) == 2


def test_thumbnail_of_pending_file_makes_no_request(
    pending_name, emulator, render, open_media, list_requests
):
    url = render(TAG, member=Member.objects.create(photo=pending_name))
    assert open_media(url).size == (100, 100)
    assert list_requests() == []


def test_thumbnail_of_missing_image_has_url_without_file(
    missing_name, pending_name, render, list_media
):
    url = render(TAG, member=Member(photo=missing_name))
    assert url.startswith("/media/cache/")
    assert list_media() == [pending_name]


def test_delete_of_uploaded_image_deletes_its_thumbnails(
    photo_url, render, list_media, list_requests
):
    member = Member.objects.create(photo=photo_url)
    render(TAG, member=member)
    delete(member.photo)
    assert list_media() == []
    assert len(list_requests()) == 1


@pytest.fixture
def thumbnails_on_groupme(settings):
    setattr(settings, STORAGE, "groupme")
    default.storage._wrapped = empty  # sorl-thumbnail reads its setting only once.
    yield
    default.storage._wrapped = empty


def test_thumbnail_with_storage_on_groupme_is_uploaded_at_each_rendering(
    thumbnails_on_groupme, photo_url, render, arrived_methods, emulator
):
    member = Member.objects.create(photo=photo_url)
    first, second = (render(TAG, member=member) for _ in range(2))
    assert first.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert first != second
    assert arrived_methods() == ["GET", "POST"] * 2
