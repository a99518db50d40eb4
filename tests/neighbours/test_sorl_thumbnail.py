"""sorl-thumbnail: files of its own for pictures on GroupMe."""

from __future__ import annotations

import pytest
from django.utils.functional import empty
from sorl.thumbnail import default, delete

from .manual import told
from .models import Member

pytestmark = pytest.mark.django_db

STORAGE, THUMBNAIL = told("sorl-thumbnail")
TAG = "{% load sorl_thumbnail %}" + THUMBNAIL + "{{ image.url }}{% endthumbnail %}"


def test_a_thumbnail_of_a_picture(photo, render, served, arrived):
    member = Member.objects.create(photo=photo)
    url = render(TAG, member=member)
    assert served(url).size == (100, 100)
    assert [render(TAG, member=member) for _ in range(3)] == [url] * 3
    assert arrived() == [f"GET /{photo.rpartition('/')[2]}"]


def test_its_filters(photo, render, arrived):
    template = "{% load sorl_thumbnail %}{{ photo|is_portrait }} {{ photo|margin:'500x400' }}"
    for _ in range(2):
        assert render(template, photo=Member(photo=photo).photo) == "False 40px 10px 40px 10px"
    assert len(arrived()) == 1


def test_each_picture_has_its_own(new_photo, render, files):
    urls = {render(TAG, member=Member(photo=new_photo())) for _ in range(2)}
    assert len(urls) == len(files()) == 2


def test_a_file_that_waits(waiting, emulator, render, served, arrived):
    assert served(render(TAG, member=Member.objects.create(photo=waiting))).size == (100, 100)
    assert arrived() == []


@pytest.mark.parametrize("kind", ["gone", "file"])
def test_what_is_not_there_has_the_url_of_nothing(gone, waiting, render, files, kind):
    url = render(TAG, member=Member(photo={"gone": gone, "file": "gone.jpg"}[kind]))
    assert url.startswith("/media/cache/")
    assert files() == [waiting]


def test_deleting_a_picture_deletes_its_thumbnails(photo, render, files, arrived):
    member = Member.objects.create(photo=photo)
    render(TAG, member=member)
    delete(member.photo)
    assert files() == []
    assert len(arrived()) == 1


@pytest.fixture
def thumbnails_on_groupme(settings):
    setattr(settings, STORAGE, "groupme")
    default.storage._wrapped = empty  # it reads its setting once
    yield
    default.storage._wrapped = empty


def test_a_thumbnail_on_groupme_is_uploaded_at_each_rendering(
    thumbnails_on_groupme, photo, render, arrived, emulator
):
    member = Member.objects.create(photo=photo)
    first, second = (render(TAG, member=member) for _ in range(2))
    assert first.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert first != second
    assert [request.split()[0] for request in arrived()] == ["GET", "POST"] * 2
