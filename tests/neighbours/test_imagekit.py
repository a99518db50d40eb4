"""django-imagekit: files of its own for pictures on GroupMe."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import InvalidPicture, PictureNotFound

from .conftest import half_red
from .manual import told
from .models import Portrait, Scaled

pytestmark = pytest.mark.django_db

STORAGE, FORMAT, THUMBNAIL = told("django-imagekit")


def test_a_spec_of_a_picture(photo, served, arrived):
    url = Portrait.objects.create(photo=photo).square.url
    assert served(url).size == (100, 100)
    for _ in range(3):
        assert Portrait.objects.get().square.url == url
    assert Portrait.objects.get().square.width == 100
    assert arrived() == [f"GET /{photo.rpartition('/')[2]}"]


def test_it_is_a_file_with_the_address_in_its_path(new_photo, files):
    for photo in (new_photo(), new_photo()):
        assert Portrait.objects.create(photo=photo).square.url
    assert len(files()) == 2
    folder = f"CACHE/images/{photo.replace('//', '/').rpartition('.')[0]}/"
    assert all(name.startswith(folder) and ":" in name for name in files())


def test_without_a_format_its_file_has_no_extension_of_an_image(photo, render, files, arrived):
    portrait = Portrait.objects.create(photo=photo)
    assert FORMAT == "format"
    assert portrait.formatless.url
    assert render("{% load imagekit %}" + THUMBNAIL, member=portrait)
    assert len(files()) == 2
    assert all(name.endswith(f".{photo.rpartition('.')[2]}") for name in files())
    assert len(arrived()) == 2


def test_a_file_that_waits(waiting, emulator, served, arrived):
    assert served(Portrait.objects.create(photo=waiting).square.url).size == (100, 100)
    assert arrived() == []


def test_what_is_not_there_raises_what_a_missing_file_raises(gone, waiting):
    with pytest.raises(PictureNotFound):
        assert Portrait.objects.create(photo=gone).square.url
    with pytest.raises(FileNotFoundError):
        assert Portrait.objects.create(photo="gone.jpg").square.url
    assert issubclass(PictureNotFound, FileNotFoundError)


def test_a_picture_is_processed_before_its_upload(emulator, arrived):
    scaled = Scaled.objects.create(processed=ContentFile(half_red(), "cat.jpg"))
    assert scaled.processed.url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert arrived() == ["POST /pictures"]


def test_a_thumbnail_on_groupme_is_not_found_again(photo, arrived):
    for _ in range(2):
        with pytest.raises(InvalidPicture, match="CACHE/images/"):
            assert Portrait.objects.create(photo=photo).on_groupme.url
    assert [request.split()[0] for request in arrived()] == ["GET", "POST"]


def test_the_setting_of_its_storage(settings):
    assert getattr(settings, STORAGE) == "files"
