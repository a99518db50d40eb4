"""The same without JavaScript: everything is there, and nothing dead is shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from ..gallery.models import Album, Member, Photo
from .site import CAT, NOTES, Site

pytestmark = pytest.mark.browser


def test_file(plain_site: Site) -> None:
    page = plain_site.open("/members/add/")
    shown = plain_site.input("photo")
    assert shown.inner_text().split("\n") == ["Choose a picture", "Or its address on the web"]
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Choose a picture").set_input_files(CAT)
    plain_site.save()
    expect(page.get_by_role("img", name="Ann")).to_be_visible()
    assert plain_site.posts == ["for good"]
    assert plain_site.uploads == [len(CAT["buffer"])]


def test_address(plain_site: Site) -> None:
    page = plain_site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("address").fill(plain_site.picture())
    plain_site.save()
    assert plain_site.posts == ["for good"]
    assert plain_site.uploads == []  # it is on the CDN already
    assert Member.objects.get().photo.width == 480


def test_wrong_file_then_a_right_one(plain_site: Site) -> None:
    page = plain_site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Choose a picture").set_input_files(NOTES)
    plain_site.save()
    expect(page.locator(".errorlist")).to_contain_text("notes.jpg")
    page.get_by_label("Choose a picture").set_input_files(CAT)
    plain_site.save()
    assert plain_site.uploads == [len(CAT["buffer"])]


def test_another_field_is_wrong(plain_site: Site) -> None:
    page = plain_site.open("/card/")
    page.get_by_label("Title").fill(" ")
    page.get_by_label("Choose a picture").first.set_input_files(CAT)
    plain_site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    expect(plain_site.input("picture")).to_contain_text("Uploaded; not saved yet: Original")
    page.get_by_label("Title").fill("Cats")
    plain_site.save()
    assert "480x325.jpeg" in page.content()
    assert plain_site.uploads == [len(CAT["buffer"])]


def test_removed(plain_site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=plain_site.picture())
    page = plain_site.open(f"/members/{member.pk}/change/")
    page.get_by_label("Remove the picture").check()
    plain_site.save()
    member.refresh_from_db()
    assert not member.photo


def test_formset_and_admin(plain_site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = plain_site.open(f"/albums/{album.pk}/")
    page.get_by_label("Caption").fill("A cat")
    page.get_by_label("Choose a picture").set_input_files(CAT)
    plain_site.save()
    page = plain_site.open_admin(f"photo/{Photo.objects.get().pk}/change/")
    page.get_by_label("Choose a picture").set_input_files(CAT)
    plain_site.save()
    assert plain_site.uploads == [len(CAT["buffer"])] * 2
