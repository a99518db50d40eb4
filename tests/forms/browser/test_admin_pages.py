"""Pages of the admin, with models that are only registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.storage.names import FORM_FOLDER
from tests.testapp.models import Album, Member, Photo

from .site import CAT, DOG, Site


def test_admin_add_and_change_forms_save_images(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    assert page.url.endswith("/change/")  # The name of the button was submitted.
    expect(site.input("photo")).to_contain_text("Current image Original, 480 × 325 pixels")
    site.choose("photo", DOG)
    site.save()
    assert site.posts == ["upload", "submit"] * 2
    assert len(site.uploads) == 2
    assert Member.objects.get().photo.format == "png"


def _submit_without_name(site: Site) -> Page:
    page = site.open_admin("member/add/")
    site.choose("photo")
    site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    expect(site.input("photo")).to_contain_text("Uploaded, not saved yet")
    page.get_by_label("Name").fill("Ann")
    return page


def test_admin_form_with_other_error_keeps_upload(site: Site) -> None:
    _submit_without_name(site)
    site.save()
    assert site.posts == ["upload", "submit", "submit"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo


def test_admin_form_in_outage_saves_pending_file(
    site: Site, fallback: Any, screenshots: Path
) -> None:
    """The fallback storage keeps the file until it can be uploaded."""
    site.emulator.app.faults.add(Fault("status", status=503, method="POST", times=99))
    page = _submit_without_name(site)
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    name = f"{FORM_FOLDER}/{fallback.listdir(FORM_FOLDER)[1][0]}"
    link = site.input("photo").get_by_role("link", name=name)
    expect(link).to_have_attribute("href", f"/media/{name}")
    page.screenshot(path=screenshots / "pending-in-admin.png", full_page=True)
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.name == name
    assert fallback.size(name) == len(CAT["buffer"])


def test_admin_remove_button_removes_image(site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open_admin(f"member/{member.pk}/change/")
    page.get_by_role("button", name="Remove").click()
    expect(site.input("photo")).to_contain_text("Will be removed")
    site.save()
    member.refresh_from_db()
    assert not member.photo


def test_inline_row_added_by_script_uploads_image(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    page.locator("input[name='photo_set-0-caption']").fill("A cat")
    page.locator("input[name='photo_set-1-caption']").fill("A dog")
    site.drop("photo_set-1-picture", DOG)
    added_input = site.input("photo_set-1-picture")
    expect(added_input.get_by_text("64 × 32 pixels")).to_be_visible()
    assert added_input.locator(".groupme-script").count() == 1
    site.choose("photo_set-0-picture")
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 2
    widths = Photo.objects.order_by("caption").values_list("picture", flat=True)
    assert ["480x325" in name for name in widths] == [True, False]


def test_inline_row_removed_by_script_is_not_uploaded(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    site.choose("photo_set-0-picture")
    site.choose("photo_set-1-picture", DOG)
    page.locator("input[name='photo_set-1-caption']").fill("A dog")
    page.locator(".inline-deletelink").first.click()  # The second row becomes the first.
    expect(site.input("photo_set-0-picture")).to_contain_text("dog.png")
    site.save()
    assert len(site.uploads) == 1
    assert Photo.objects.get().caption == "A dog"


def test_editable_list_with_file_saves_it_in_its_row(site: Site) -> None:
    members = [Member.objects.create(name=name) for name in ("Ann", "Bob")]
    page = site.open_admin("member/")
    site.choose("form-1-photo")  # The latest member comes first.
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    for member in members:
        member.refresh_from_db()
    assert [bool(member.photo) for member in members] == [True, False]
    expect(page.locator(".column-photo, .field-thumbnail_photo img")).not_to_have_count(0)


def test_admin_form_with_stopped_service_shows_error(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.emulator.stop()
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("alert")).to_contain_text("The image service is not responding")
    assert not Member.objects.exists()
