"""Forms that are submitted or changed while the script shrinks an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.emulator_pictures import encoded, opened
from tests.testapp.models import Album, Member, Photo

from .site import CAT, DOG, NOTES, Site, file, landscape, photo

_SAVED = re.compile(r"/members/\d+/$")
_PREPARING = "Preparing “\u2068large.jpg\u2069”…"

# Let the script wait before it decodes an image, until the function release() is called.
_HOLD = """() => {
  const original = createImageBitmap;
  const gate = new Promise((resolve) => { window.release = resolve; });
  window.createImageBitmap = async (...values) => {
    await gate;
    return original(...values);
  };
}"""
_FAIL = "() => { HTMLCanvasElement.prototype.toBlob = (callback) => callback(null); }"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.GROUPME_MAX_DIMENSION = 1000
    settings.GROUPME_CONVERT_FORMATS = ["webp"]


@pytest.fixture
def large() -> dict[str, Any]:
    return file("large.jpg", photo((1500, 1000)))


@pytest.fixture
def webp() -> dict[str, Any]:
    return file("cat.webp", encoded(opened(landscape()), "WEBP"), "image/webp")


@pytest.fixture
def hold(site: Site, add_page: Page, large: dict[str, Any]) -> Callable[[], Locator]:
    """Return a function that chooses a large image that the script shrinks until released."""

    def choose() -> Locator:
        add_page.evaluate(_HOLD)
        add_page.locator("input[name='photo']").set_input_files(large)
        element = site.input("photo")
        expect(element.get_by_role("status").filter(has_text=_PREPARING)).to_be_visible()
        return element

    return choose


def _release(page: Page) -> None:
    page.evaluate("release()")


def test_form_submitted_during_shrinking_sends_small_image(
    site: Site, add_page: Page, hold: Callable[[], Locator], large: dict[str, Any]
) -> None:
    hold()
    add_page.get_by_role("button", name="Save", exact=True).dblclick(no_wait_after=True)
    add_page.wait_for_timeout(100)
    assert site.posts == []
    _release(add_page)
    add_page.wait_for_url(_SAVED)
    assert site.posts == ["upload", "submit"]
    assert Member.objects.get().photo.width == 1000
    assert site.uploads[0] < len(large["buffer"]) / 2


def test_form_without_upload_request_waits_and_sends_small_image(
    site: Site, settings: Any, large: dict[str, Any]
) -> None:
    settings.GROUPME_UPLOAD_EARLY = False
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.evaluate(_HOLD)
    page.locator("input[name='photo']").set_input_files(large)
    site.press_save()
    _release(page)
    page.wait_for_url(_SAVED)
    assert site.posts == ["submit"]
    assert Member.objects.get().photo.width == 1000


def test_form_waits_for_all_files(site: Site, large: dict[str, Any], webp: dict[str, Any]) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    page.evaluate(_HOLD)
    page.locator("input[name='picture']").set_input_files(large)
    site.press_save()
    page.locator("input[name='logo']").set_input_files(webp)
    _release(page)
    expect(page.locator("body")).to_contain_text("1000x667.jpeg")
    expect(page.locator("body")).to_contain_text("480x325.jpeg")
    assert site.posts == ["upload", "upload", "submit"]


def test_form_shows_prepared_files_until_submission_is_canceled(
    site: Site, large: dict[str, Any], webp: dict[str, Any]
) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    page.evaluate(_HOLD)
    page.locator("input[name='picture']").set_input_files(large)
    page.locator("input[name='logo']").set_input_files(webp)
    site.press_save()
    summary = page.locator(".groupme-summary")
    expect(summary.get_by_role("status")).to_have_text("0 of 2 images prepared")
    summary.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_focused()
    expect(summary).to_have_count(0)
    _release(page)
    expect(site.input("picture")).to_contain_text("1,000 × 667 pixels")
    expect(site.input("logo")).to_contain_text("480 × 325 pixels")
    assert site.posts == []
    site.press_save()
    expect(page.locator("body")).to_contain_text("1000x667.jpeg")
    assert site.posts == ["upload", "upload", "submit"]


def test_rejected_file_prevents_submission(
    site: Site, settings: Any, large: dict[str, Any]
) -> None:
    settings.GROUPME_MAX_UPLOAD_SIZE = 1000
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    page.locator("form").evaluate(
        """form => form.addEventListener("submit", ({ submitter }) => {
          submitter.disabled = true;
        })"""
    )
    page.evaluate(_HOLD)
    page.evaluate(_FAIL)
    page.locator("input[name='photo']").set_input_files(large)
    expect(site.input("photo")).to_contain_text(_PREPARING)
    site.press_save()
    _release(page)
    expect(page.get_by_role("alert")).to_contain_text("large.jpg")
    expect(site.input("photo")).not_to_contain_text("Preparing")
    expect(page.get_by_label("Choose an image")).to_be_focused()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()
    assert site.posts == []


@pytest.mark.parametrize("change", ["replaced", "dropped", "removed", "url", "reset"])
def test_later_change_takes_precedence_and_prevents_submission(
    site: Site, add_page: Page, hold: Callable[[], Locator], change: str
) -> None:
    element = hold()
    site.press_save()
    if change == "replaced":
        add_page.locator("input[name='photo']").set_input_files(DOG)
    elif change == "dropped":
        site.drop("photo", DOG)
    elif change == "removed":
        add_page.locator("input[name='photo']").set_input_files([])
    elif change == "url":
        site.drop("photo", "https://example.com/cat.jpg")
        expect(element).to_contain_text("“\u2068large.jpg\u2069” was removed.")
    else:
        add_page.locator("form").evaluate("form => form.reset()")
    add_page.wait_for_timeout(50)
    _release(add_page)
    is_replaced = change in ("replaced", "dropped")
    expect(element.get_by_role("img", name="dog.png")).to_have_count(1 if is_replaced else 0)
    expect(element).not_to_contain_text("large.jpg” …")
    assert site.posts == []
    if is_replaced:
        assert site.chosen_bytes("photo") == DOG["buffer"]


def test_second_choice_is_used_although_first_is_slower(
    site: Site, add_page: Page, hold: Callable[[], Locator]
) -> None:
    element = hold()
    add_page.evaluate("() => { window.createImageBitmap = async () => { throw new Error(); }; }")
    add_page.locator("input[name='photo']").set_input_files(CAT)
    expect(element).to_contain_text("cat.jpg")
    _release(add_page)
    add_page.wait_for_timeout(300)
    expect(element).not_to_contain_text("large.jpg")
    assert site.chosen_bytes("photo") == CAT["buffer"]


def test_rejected_file_after_shrinking_keeps_shrunken_file(
    site: Site, add_page: Page, large: dict[str, Any]
) -> None:
    element = site.choose("photo", large)
    site.drop("photo", NOTES)
    expect(add_page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(element.get_by_role("img", name="large.jpg")).to_be_visible()
    site.save()
    assert Member.objects.get().photo.width == 1000


def test_page_that_was_left_does_not_submit(
    site: Site, add_page: Page, hold: Callable[[], Locator]
) -> None:
    element = hold()
    site.press_save()
    add_page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    add_page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    _release(add_page)
    expect(element).to_contain_text("1,000 × 667 pixels")
    add_page.wait_for_timeout(100)
    assert site.posts == []
    site.save()
    assert Member.objects.get().photo.width == 1000


def test_dropped_and_pasted_files_are_converted(
    site: Site, add_page: Page, webp: dict[str, Any]
) -> None:
    element = site.drop("photo", webp)
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    element.get_by_role("button", name="Remove").click()
    element.evaluate(
        """(element, clipboardData) => element.dispatchEvent(
          new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))""",
        site.transfer(webp),
    )
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    assert Member.objects.get().photo.format == "jpeg"


def test_file_restored_by_browser_is_shrunk(
    site: Site, add_page: Page, large: dict[str, Any]
) -> None:
    """After a reload or a history navigation, the input has a file without a change event."""
    site.input("photo").evaluate(
        """(element, { files }) => {
          element.querySelector("input[type=file]").files = files;
          dispatchEvent(new PageTransitionEvent("pageshow"));
          dispatchEvent(new PageTransitionEvent("pageshow"));
        }""",
        site.transfer(large),
    )
    expect(site.input("photo")).to_contain_text("1,000 × 667 pixels")


def test_inline_rows_of_admin_shrink_images(
    site: Site, large: dict[str, Any], webp: dict[str, Any]
) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    page.locator("input[name='photo_set-0-caption']").fill("A cat")
    page.locator("input[name='photo_set-1-caption']").fill("A dog")
    page.locator("input[name='photo_set-0-picture']").set_input_files(large)
    site.drop("photo_set-1-picture", webp)
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    first, second = Photo.objects.order_by("caption")
    assert (first.picture.width, second.picture.width) == (1000, 480)
    assert (first.picture.format, second.picture.format) == ("jpeg", "jpeg")
