"""Forms in a browser without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.testapp.models import Album, Member, Photo

from .site import CAT, NOTES, Site


@pytest.fixture
def site(site_without_javascript: Site) -> Site:
    return site_without_javascript


def test_file_without_javascript_is_uploaded(site: Site) -> None:
    page = site.open("/members/add/")
    element = site.input("photo")
    assert element.inner_text().split("\n") == [
        "Choose an image or drop it here",
        "Or enter an image URL",
    ]
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Choose an image").set_input_files(CAT)
    site.save()
    expect(page.get_by_role("img", name="Ann")).to_be_visible()
    assert site.posts == ["submit"]
    assert site.uploads == [len(CAT["buffer"])]


def test_url_without_javascript_is_saved(site: Site) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("image URL").fill(site.add_image())
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []  # The image is already on the CDN.
    assert Member.objects.get().photo.width == 480


def test_rejected_file_without_javascript_can_be_replaced(site: Site) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Choose an image").set_input_files(NOTES)
    site.save()
    expect(page.locator(".errorlist")).to_contain_text("notes.jpg")
    page.get_by_label("Choose an image").set_input_files(CAT)
    site.save()
    assert site.uploads == [len(CAT["buffer"])]


def test_form_without_javascript_with_other_error_keeps_upload(
    site: Site,
) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill(" ")
    page.get_by_label("Choose an image").first.set_input_files(CAT)
    site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    expect(site.input("picture")).to_contain_text("Uploaded, not saved yet Original")
    page.get_by_label("Title").fill("Cats")
    site.save()
    assert "480x325.jpeg" in page.content()
    assert site.uploads == [len(CAT["buffer"])]


def test_clear_checkbox_without_javascript_removes_image(site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open(f"/members/{member.pk}/change/")
    page.get_by_label("Remove").check()
    site.save()
    member.refresh_from_db()
    assert not member.photo


def test_formset_and_admin_without_javascript_upload(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open(f"/albums/{album.pk}/")
    page.get_by_label("Caption").fill("A cat")
    page.get_by_label("Choose an image").set_input_files(CAT)
    site.save()
    page = site.open_admin(f"photo/{Photo.objects.get().pk}/change/")
    page.get_by_label("Choose an image").set_input_files(CAT)
    site.save()
    assert site.uploads == [len(CAT["buffer"])] * 2
