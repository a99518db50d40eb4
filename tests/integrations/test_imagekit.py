"""Test thumbnails that django-imagekit makes of uploaded images and pending files."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import InvalidPicture, PictureNotFound

from .documentation import documented_code
from .helpers import half_red_jpeg
from .models import ImageKitMember, ResizedMember

pytestmark = pytest.mark.django_db

STORAGE, FORMAT, THUMBNAIL = documented_code("django-imagekit")


def test_spec_of_uploaded_image_downloads_it_once(photo_url, open_media, list_requests):
    url = ImageKitMember.objects.create(photo=photo_url).square.url
    assert open_media(url).size == (100, 100)
    for _ in range(3):
        assert ImageKitMember.objects.get().square.url == url
    assert ImageKitMember.objects.get().square.width == 100
    assert list_requests() == [f"GET /{photo_url.rpartition('/')[2]}"]


def test_spec_of_uploaded_image_has_url_in_its_path(add_photo, list_media):
    for photo_url in (add_photo(), add_photo()):
        assert ImageKitMember.objects.create(photo=photo_url).square.url
    assert len(list_media()) == 2
    folder = f"CACHE/images/{photo_url.replace('//', '/').rpartition('.')[0]}/"
    assert all(name.startswith(folder) and ":" in name for name in list_media())


def test_spec_without_format_has_no_image_extension(photo_url, render, list_media, list_requests):
    member = ImageKitMember.objects.create(photo=photo_url)
    assert FORMAT == "format"
    assert member.formatless.url
    assert render("{% load imagekit %}" + THUMBNAIL, member=member)
    assert len(list_media()) == 2
    assert all(name.endswith(f".{photo_url.rpartition('.')[2]}") for name in list_media())
    assert len(list_requests()) == 2


def test_spec_of_pending_file_makes_no_request(pending_name, emulator, open_media, list_requests):
    url = ImageKitMember.objects.create(photo=pending_name).square.url
    assert open_media(url).size == (100, 100)
    assert list_requests() == []


def test_spec_of_missing_image_raises_file_not_found_error(missing_url, pending_name):
    with pytest.raises(PictureNotFound):
        assert ImageKitMember.objects.create(photo=missing_url).square.url
    with pytest.raises(FileNotFoundError):
        assert ImageKitMember.objects.create(photo="missing.jpg").square.url
    assert issubclass(PictureNotFound, FileNotFoundError)


def test_processed_image_field_uploads_processed_image(emulator, list_requests):
    member = ResizedMember.objects.create(processed=ContentFile(half_red_jpeg(), "cat.jpg"))
    assert member.processed.url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert list_requests() == ["POST /pictures"]


def test_spec_with_storage_on_groupme_raises(photo_url, arrived_methods):
    for _ in range(2):
        with pytest.raises(InvalidPicture, match="CACHE/images/"):
            assert ImageKitMember.objects.create(photo=photo_url).on_groupme.url
    assert arrived_methods() == ["GET", "POST"]


def test_documented_setting_of_spec_storage_is_file_system(settings):
    assert getattr(settings, STORAGE) == "files"
