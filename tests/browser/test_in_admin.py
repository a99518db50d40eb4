"""The admin, as a project has it by registering its models and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.names import FORM_FOLDER

from ..emulator_pictures import plain
from ..gallery.models import Album, Member, Photo
from .site import CAT, Site, file

pytestmark = pytest.mark.browser

_DOG = file("dog.png", plain("PNG", (64, 32)), "image/png")


def test_add_and_change(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    assert page.url.endswith("/change/")  # the button's name was sent along
    expect(site.input("photo")).to_contain_text("Currently: Original, 480 × 325 pixels")
    site.choose("photo", _DOG)
    site.save()
    assert site.posts == ["ahead", "for good"] * 2
    assert len(site.uploads) == 2
    assert Member.objects.get().photo.format == "png"


def send_without_a_name(site: Site) -> Page:
    page = site.open_admin("member/add/")
    site.choose("photo")
    site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    expect(site.input("photo")).to_contain_text("Uploaded; not saved yet")
    page.get_by_label("Name").fill("Ann")
    return page


def test_another_field_is_wrong(site: Site) -> None:
    send_without_a_name(site)
    site.save()
    assert site.posts == ["ahead", "for good", "for good"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo


def test_an_outage_costs_no_picture(site: Site, fallback: Any, screenshots: Path) -> None:
    """With a fallback storage the form goes through, and the file waits there."""
    site.emulator.app.faults.add(Fault("status", status=503, method="POST", times=99))
    page = send_without_a_name(site)
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    name = f"{FORM_FOLDER}/{fallback.listdir(FORM_FOLDER)[1][0]}"
    link = site.input("photo").get_by_role("link", name=name)
    expect(link).to_have_attribute("href", f"/media/{name}")
    page.screenshot(path=screenshots / "waiting-in-admin.png", full_page=True)
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.name == name
    assert fallback.size(name) == len(CAT["buffer"])


def test_cleared(site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open_admin(f"member/{member.pk}/change/")
    page.get_by_label("Remove the picture").check()
    site.save()
    member.refresh_from_db()
    assert not member.photo


def test_row_that_is_added(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    page.locator("input[name='photo_set-0-caption']").fill("A cat")
    page.locator("input[name='photo_set-1-caption']").fill("A dog")
    site.drop("photo_set-1-picture", _DOG)
    added = site.input("photo_set-1-picture")
    expect(added.get_by_text("64 × 32 pixels")).to_be_visible()
    assert added.locator(".groupme-script").count() == 1
    site.choose("photo_set-0-picture")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 2
    widths = Photo.objects.order_by("caption").values_list("picture", flat=True)
    assert ["480x325" in name for name in widths] == [True, False]


def test_row_that_is_removed(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    site.choose("photo_set-0-picture")
    site.choose("photo_set-1-picture", _DOG)
    page.locator("input[name='photo_set-1-caption']").fill("A dog")
    page.get_by_role("button", name="Remove").first.click()  # the second row is the first now
    expect(site.input("photo_set-0-picture")).to_contain_text("dog.png")
    site.save()
    assert len(site.uploads) == 1
    assert Photo.objects.get().caption == "A dog"


def test_editable_list(site: Site) -> None:
    members = [Member.objects.create(name=name) for name in ("Ann", "Bob")]
    page = site.open_admin("member/")
    site.choose("form-1-photo")  # the latest comes first
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    for member in members:
        member.refresh_from_db()
    assert [bool(member.photo) for member in members] == [True, False]
    expect(page.locator(".column-photo, .field-thumbnail_photo img")).not_to_have_count(0)


def test_service_down(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.emulator.stop()
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("alert")).to_contain_text("The image service does not answer")
    assert not Member.objects.exists()
