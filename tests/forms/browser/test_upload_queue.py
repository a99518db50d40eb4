"""Uploads of several images in a form outside the admin, whose data is sent with each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.http import HttpRequest, HttpResponseServerError
from django.views.generic import View
from playwright.sync_api import Locator, Page, expect

from django_groupme_images.emulator.faults import Fault
from tests.testapp.views import Card

from .conftest import Post
from .site import DOG, LOGO, Site


@pytest.fixture
def card(site: Site) -> Page:
    """Return the page with the form of a card, in which two images are chosen."""
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    site.choose("logo", LOGO)
    return page


def _fail(site: Site, times: int = 1, status: int = 503) -> None:
    site.emulator.app.faults.add(Fault("status", status=status, method="POST", times=times))


def _save_with_failure(site: Site) -> Locator:
    """Save, wait until the first image has failed, and return the Retry button."""
    _fail(site)
    site.press_save()
    expect(site.page.locator(".groupme-summary")).to_contain_text("1 failed")
    return site.page.get_by_role("button", name="Retry")


def _expect_saved(page: Page, *parts: str) -> None:
    for part in parts:
        expect(page.locator("body")).to_contain_text(part)


def test_each_request_contains_whole_form_and_one_file(
    site: Site, card: Page, posts: list[Post]
) -> None:
    site.save()
    _expect_saved(card, "480x325.jpeg", "64x32.png")
    assert site.posts == ["upload", "upload", "submit"]
    assert [post.files for post in posts] == [["picture"], ["logo"], []]
    assert all("title" in post.fields for post in posts)
    assert {"picture-uploaded", "logo-uploaded"} <= set(posts[2].fields)


def test_untouched_inputs_are_not_submitted(site: Site, posts: list[Post]) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.save()
    assert posts[0].fields == ["csrfmiddlewaretoken", "name"]


def test_summary_and_rows_show_progress_and_pass_axe(site: Site, card: Page) -> None:
    site.delay_uploads(2)
    site.press_save()
    expect(card.locator(".groupme-summary")).to_contain_text("0 of 2 images uploaded")
    expect(site.input("picture")).to_contain_text("Processing “")
    expect(site.input("logo")).to_contain_text("Waiting to be uploaded")
    options = {"resultTypes": ["violations"], "preload": False}
    violations = Axe().run(card, options=options).response["violations"]
    assert [violation["id"] for violation in violations] == []
    _expect_saved(card, "480x325.jpeg", "64x32.png")


def test_failed_image_with_retry_is_uploaded_without_submission(site: Site, card: Page) -> None:
    _fail(site)
    site.press_save()
    summary = card.locator(".groupme-summary")
    text = "1 of 2 images uploaded, 1 failed. Please retry or remove each failed image, then save."
    expect(summary.get_by_role("status")).to_have_text(text)
    expect(card.locator("input[name=picture]")).to_be_focused()
    card.get_by_role("button", name="Retry \u2068cat.jpg\u2069").click()
    expect(site.input("picture")).to_contain_text("has been uploaded. Submit the form to save it.")
    expect(summary).to_have_count(0)
    assert site.posts == ["upload"] * 3
    site.save()
    _expect_saved(card, "480x325.jpeg", "64x32.png")
    assert site.posts == ["upload"] * 3 + ["submit"]


def test_retry_that_fails_again_offers_retry(site: Site, card: Page) -> None:
    retry = _save_with_failure(site)
    _fail(site)
    retry.click()
    expect(card.locator("input[name=picture]")).to_be_focused()
    expect(retry).to_be_visible()
    assert site.posts == ["upload"] * 3


def test_save_during_retry_submits_after_retry(site: Site, card: Page) -> None:
    retry = _save_with_failure(site)
    site.delay_uploads(1)
    retry.click()
    expect(card.get_by_role("progressbar")).to_be_visible()
    site.save()
    _expect_saved(card, "480x325.jpeg", "64x32.png")
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert len(site.uploads) == 3


def test_retry_during_upload_delays_submission(site: Site, card: Page) -> None:
    _fail(site)
    site.delay_uploads(2)
    site.press_save()
    card.get_by_role("button", name="Retry").click()
    _expect_saved(card, "480x325.jpeg", "64x32.png")
    assert site.posts == ["upload"] * 3 + ["submit"]


def test_file_chosen_during_upload_is_uploaded_before_submission(
    site: Site, card: Page, posts: list[Post]
) -> None:
    card.locator("input[name=logo]").set_input_files([])
    site.delay_uploads(2)
    site.press_save()
    expect(card.get_by_role("progressbar")).to_be_visible()
    site.choose("logo", DOG)
    _expect_saved(card, "480x325.jpeg", "64x32.png")
    assert [post.files for post in posts] == [["picture"], ["logo"], []]


def test_failed_image_that_is_removed_during_upload_does_not_prevent_submission(
    site: Site, card: Page
) -> None:
    card.locator("input[name=picture]").evaluate("input => { input.form.noValidate = true }")
    _fail(site, status=400)
    site.delay_uploads(2)
    card.locator("input[name=logo]").evaluate(_MOVE_FIRST)
    site.press_save()
    alert = site.input("logo").get_by_role("alert")
    expect(alert).to_contain_text("rejected")
    site.input("logo").get_by_role("button", name="Remove").click()
    _expect_saved(card, "480x325.jpeg")
    assert site.posts == ["upload", "upload", "submit"]


_MOVE_FIRST = """input => {
  const element = input.closest("groupme-image-input");
  document.querySelector("groupme-image-input").before(element);
}"""


def test_consecutive_site_errors_end_queue(
    site: Site, card: Page, expected_messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are only two images, so all of them fail before the queue ends."""
    expected_messages.append("status of 500")

    def fail(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return HttpResponseServerError("Sorry")

    dispatch: Callable[..., Any] = View.dispatch
    monkeypatch.setattr(Card, "dispatch", fail, raising=False)
    site.press_save()
    summary = card.locator(".groupme-summary")
    expect(summary).to_contain_text("0 of 2 images uploaded, 2 failed.")
    expect(card.get_by_role("button", name="Retry")).to_have_count(2)
    assert site.posts == ["upload", "upload"]
    monkeypatch.setattr(Card, "dispatch", dispatch, raising=False)
    site.save()
    _expect_saved(card, "480x325.jpeg", "64x32.png")
