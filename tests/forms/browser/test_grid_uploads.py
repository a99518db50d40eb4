"""The widget for several images: uploads that fail, and forms that are displayed again."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeMultipleImageFormField
from tests.testapp.forms import PhotosForm
from tests.testapp.views import PhotosAdd

from .conftest import Post
from .grid import NAMES, choose, files, items, names, open_form, saved_widths, tokens
from .inlines import images
from .site import Site


class LargeForm(PhotosForm):
    photos = GroupMeMultipleImageFormField(max_files=40)


@pytest.fixture
def form_page(site: Site) -> Page:
    """Return the page with a form for at most 6 images."""
    return open_form(site)


def _expect_saved(site: Site, count: int) -> None:
    expect(site.page.locator("body")).to_contain_text(f"{count} photos were saved.")


def _save(site: Site, count: int) -> None:
    site.press_save()
    _expect_saved(site, count)


def _fail(site: Site, status: int, times: int = 1) -> None:
    site.emulator.app.faults.add(Fault("status", status=status, method="POST", times=times))


def _summary(page: Page) -> Any:
    return page.locator(".groupme-summary")


def _click_earlier(page: Page, index: int) -> None:
    items(page).nth(index).get_by_role("button", name="earlier").click()


def test_24_files_are_uploaded_three_at_a_time(
    site: Site, posts: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotosAdd, "form_class", LargeForm)
    choose(open_form(site), images(24))
    _save(site, 24)
    assert [len(post.files) for post in posts] == [1] * 24 + [0]
    assert 2 <= max(post.running for post in posts) <= 3
    assert len(site.uploads) == 24
    assert saved_widths() == list(range(100, 124))


def test_retry_uploads_failed_image_without_submission(
    site: Site, form_page: Page, settings: Any
) -> None:
    settings.GROUPME_MAX_RETRIES = 0
    choose(form_page, images(3))
    _fail(site, 503)
    site.press_save()
    expect(_summary(form_page)).to_contain_text("2 of 3 images uploaded, 1 failed.")
    failed = items(form_page).first
    expect(failed.get_by_role("alert")).to_contain_text("“photo-000.png” was not uploaded")
    retry = failed.get_by_role("button", name="Retry")
    expect(retry).to_be_focused()
    assert files(form_page) == NAMES[:1]
    assert tokens(form_page) == 2
    _click_earlier(form_page, 2)
    retry.click()
    expect(failed.get_by_role("status")).to_contain_text("Submit the form to save it.")
    assert site.posts == ["upload"] * 4
    _save(site, 3)
    assert site.posts == ["upload"] * 4 + ["submit"]
    assert len(site.uploads) == 4
    assert saved_widths() == [100, 102, 101]


def test_rejected_image_can_be_removed_and_others_are_saved(site: Site, form_page: Page) -> None:
    choose(form_page, images(3))
    _fail(site, 400)
    site.press_save()
    expect(_summary(form_page)).to_contain_text("1 failed")
    expect(items(form_page).first.get_by_role("alert")).to_contain_text("rejected")
    expect(form_page.get_by_role("button", name="Retry")).to_have_count(0)
    remove = items(form_page).first.get_by_role("button", name="Remove")
    expect(remove).to_be_focused()
    remove.click()
    _save(site, 2)
    assert len(site.uploads) == 3
    assert saved_widths() == [101, 102]


def test_canceled_upload_keeps_finished_images(site: Site, form_page: Page) -> None:
    choose(form_page, images(6))
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=0))
    for _ in range(3):
        site.delay_uploads(1)
    site.press_save()
    expect(items(form_page).first).to_contain_text("Uploaded")
    form_page.get_by_role("button", name="Cancel").click()
    expect(_summary(form_page)).to_contain_text("Upload canceled. The form was not saved.")
    # Running requests continue in the background.
    expect(form_page.locator("[name=photos-uploaded]")).to_have_count(4)
    assert files(form_page) == NAMES[4:6]
    assert site.posts == ["upload"] * 4
    _save(site, 6)
    assert len(site.uploads) == 6
    assert saved_widths() == [100, 101, 102, 103, 104, 105]


def test_single_image_has_stop_button(site: Site, form_page: Page) -> None:
    choose(form_page, images(1))
    site.delay_uploads(1)
    site.press_save()
    expect(items(form_page)).to_contain_text("Processing “")
    site.press_stop()
    expect(items(form_page).get_by_role("status")).to_contain_text("Upload canceled.")
    expect(items(form_page)).to_contain_text("has been uploaded. Submit the form to save it.")
    _save(site, 1)
    assert len(site.uploads) == 1


def test_image_removed_during_upload_is_not_saved(site: Site, form_page: Page) -> None:
    choose(form_page, images(3))
    site.delay_uploads(1)
    site.press_save()
    expect(items(form_page).first).to_contain_text("Processing “")
    items(form_page).first.get_by_role("button", name="Remove").click()
    _expect_saved(site, 2)
    assert saved_widths() == [101, 102]


def test_file_added_during_upload_is_uploaded_as_well(site: Site, form_page: Page) -> None:
    choose(form_page, images(2))
    site.delay_uploads(1)
    site.press_save()
    expect(items(form_page).first).to_contain_text("Processing “")
    choose(form_page, images(3)[2:])
    _expect_saved(site, 3)
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert saved_widths() == [100, 101, 102]


# The form is displayed again


def _save_invalid(site: Site, page: Page, count: int) -> None:
    """Save images in a form without a title, so that the page displays them as uploaded."""
    page.get_by_label("Title").fill(" ")
    choose(page, images(count))
    site.save()
    expect(page.locator("body")).to_contain_text("This field is required.")
    expect(items(page)).to_have_count(count)


def test_uploaded_images_of_invalid_form_are_moved_removed_and_saved(
    site: Site, form_page: Page
) -> None:
    _save_invalid(site, form_page, 3)
    expect(form_page.get_by_role("checkbox")).to_have_count(0)
    expect(items(form_page).first.get_by_role("link")).to_have_text(
        f"\u2068{NAMES[0]}\u2069: 100 × 60 pixels"
    )
    expect(items(form_page).first.get_by_role("status")).to_have_text("Uploaded")
    items(form_page).nth(1).get_by_role("button", name="Remove").click()
    choose(form_page, images(4)[3:])
    _click_earlier(form_page, 2)
    _click_earlier(form_page, 1)
    form_page.get_by_label("Title").fill("Trip")
    _save(site, 3)
    assert site.posts == ["upload"] * 3 + ["submit", "upload", "submit"]
    assert len(site.uploads) == 4
    assert saved_widths() == [103, 100, 102]


def test_reset_form_restores_uploaded_images(site: Site, form_page: Page) -> None:
    _save_invalid(site, form_page, 2)
    items(form_page).first.get_by_role("button", name="Remove").click()
    choose(form_page, images(3)[2:])
    form_page.evaluate("document.querySelector('form').reset()")
    expect(items(form_page)).to_have_count(2)
    expect(items(form_page).first).to_contain_text(NAMES[0])
    form_page.get_by_label("Title").fill("Trip")
    _save(site, 2)
    assert saved_widths() == [100, 101]


def test_reload_keeps_no_images(site: Site, form_page: Page) -> None:
    choose(form_page, images(2))
    form_page.reload()
    expect(form_page.get_by_label("Title")).to_be_visible()
    assert names(form_page) == files(form_page)


def test_back_navigation_after_save_uploads_nothing_again(site: Site, form_page: Page) -> None:
    choose(form_page, images(2))
    _save(site, 2)
    form_page.go_back()
    expect(form_page.get_by_label("Title")).to_have_value("Trip")
    assert names(form_page) == files(form_page) == []
    site.save()
    expect(form_page.locator("body")).to_contain_text("This field is required.")
    assert len(site.uploads) == 2


def test_upload_early_false_submits_files_in_order(
    site: Site, form_page: Page, settings: Any, posts: list[Post]
) -> None:
    settings.GROUPME_UPLOAD_EARLY = False
    form_page = open_form(site)
    choose(form_page, images(3))
    _click_earlier(form_page, 2)
    _save(site, 3)
    assert [post.files for post in posts] == [["photos"] * 3]
    assert saved_widths() == [100, 102, 101]


def test_upload_early_false_keeps_order_of_uploaded_images_and_files(
    site: Site, settings: Any
) -> None:
    settings.GROUPME_UPLOAD_EARLY = False
    settings.GROUPME_MAX_RETRIES = 0
    page = open_form(site)
    choose(page, images(2))
    _fail(site, 400)
    site.save()
    expect(page.locator(".errorlist")).to_contain_text("rejected")
    expect(items(page)).to_have_count(1)
    choose(page, images(4)[2:])
    earlier = items(page).nth(1).get_by_role("button", name="earlier")
    expect(earlier).to_have_attribute("aria-disabled", "true")
    earlier.click(force=True)
    _click_earlier(page, 2)
    _save(site, 3)
    assert saved_widths()[1:] == [103, 102]


def test_response_that_is_not_the_form_is_offered_as_link(
    site: Site, form_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotosAdd, "post", lambda *args, **kwargs: HttpResponse("saved"))
    choose(form_page, images(1))
    site.press_save()
    expect(items(form_page).get_by_role("alert")).to_contain_text("returned a different page")
    assert site.posts == ["upload"]


def test_form_that_other_script_submits_contains_files(
    site: Site, form_page: Page, posts: list[Post]
) -> None:
    choose(form_page, images(2))
    form_page.locator("form").evaluate("(form) => form.submit()")
    _expect_saved(site, 2)
    assert [post.files for post in posts] == [["photos", "photos"]]
