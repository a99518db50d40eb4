"""Ways to choose an image: file dialog, drag and drop, clipboard, and URL."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from django_groupme_images.emulator import EmulatorServer
from tests.support.deadlines import DEADLINE
from tests.support.emulator_pictures import encoded, opened, plain, rotated
from tests.testapp.models import Member

from .site import CAT, DOG, NOTES, Site, file

_WRITE_TO_CLIPBOARD = """async (text) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const item = new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) });
  await navigator.clipboard.write([item]);
}"""

_SIZE_OF_CANVAS = "canvas => [canvas.width, canvas.height]"
_CORNERS = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [[...data.slice(0, 3)], [...data.slice(-4, -1)]];
}"""


@pytest.fixture
def external_url() -> Iterator[str]:
    """Return the URL of an image on another server."""
    with EmulatorServer() as server:
        response = requests.post(
            server.upload_url, CAT["buffer"], headers={"X-Access-Token": "any"}, timeout=DEADLINE
        )
        yield response.json()["payload"]["url"]


def test_chosen_file_is_previewed_and_uploaded(site: Site, add_page: Page) -> None:
    element = site.choose("photo")
    expect(element.get_by_text("480 × 325 pixels, ")).to_be_visible()
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    expect(add_page.get_by_role("img", name="Ann")).to_be_visible()
    assert site.posts == ["upload", "submit"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.width == 480


def test_change_form_after_upload_shows_preview(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.save()
    page = site.open(f"/members/{Member.objects.get().pk}/change/")
    element = site.input("photo")
    expect(element).to_contain_text("Current image Original, 480 × 325 pixels")
    preview = element.locator(".groupme-present img")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 200
    page.get_by_label("Name").fill("Anna")
    site.save()
    assert site.posts == ["upload", "submit", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_dropped_file_is_uploaded(site: Site, add_page: Page) -> None:
    element = site.input("photo")
    element.dispatch_event("dragover", {"dataTransfer": site.transfer(CAT)})
    expect(element).to_have_css("outline-style", "dashed")
    site.drop("photo", CAT)
    expect(element).to_have_css("outline-style", "none")
    expect(element.get_by_text("480 × 325 pixels, ")).to_be_visible()
    site.save()
    assert site.posts == ["upload", "submit"]
    assert site.uploads == [len(CAT["buffer"])]


def test_pasted_image_is_uploaded(site: Site, add_page: Page) -> None:
    add_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    image = base64.b64encode(plain("PNG", (300, 200))).decode()
    add_page.evaluate(_WRITE_TO_CLIPBOARD, image)
    add_page.get_by_label("Choose an image").focus()
    add_page.keyboard.press("Control+v")
    expect(site.input("photo").get_by_text("300 × 200 pixels")).to_be_visible()
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.format == "png"


def test_pasted_url_fills_url_input(site: Site, add_page: Page, external_url: str) -> None:
    add_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    add_page.evaluate("text => navigator.clipboard.writeText(text)", external_url)
    add_page.get_by_label("Choose an image").focus()
    add_page.keyboard.press("Control+v")
    expect(add_page.get_by_label("image URL")).to_have_value(external_url)
    add_page.get_by_label("image URL").focus()
    add_page.keyboard.press("Control+v")
    expect(add_page.get_by_label("image URL")).to_have_value(external_url * 2)


def test_entered_url_is_submitted(site: Site, add_page: Page, external_url: str) -> None:
    add_page.get_by_label("image URL").fill(external_url)
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == [0]
    assert Member.objects.get().photo.width == 480


def test_dropped_url_replaces_chosen_file(site: Site, add_page: Page, external_url: str) -> None:
    site.choose("photo")
    element = site.drop("photo", external_url)
    expect(add_page.get_by_label("image URL")).to_have_value(external_url)
    expect(element).to_contain_text(re.compile("The image URL was added.*cat.jpg.* was removed"))
    expect(element.get_by_role("img")).to_have_count(0)
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == [0]


_REMOVE_URL_INPUT = """form => {
  form.querySelector(".groupme-address").remove();
  form.outerHTML = form.outerHTML; // The new element starts the script again.
}"""

_DRAG_OVER = """(element, dataTransfer) => {
  const event = new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true });
  element.dispatchEvent(event);
  return [event.defaultPrevented, element.classList.contains("groupme-dragged")];
}"""


@pytest.fixture
def page_without_url_input(site: Site, add_page: Page) -> Page:
    """Return the page with the form that a field without URLs renders."""
    add_page.locator("form").evaluate(_REMOVE_URL_INPUT)
    add_page.get_by_label("Name").fill("Ann")
    return add_page


def test_file_without_url_input_is_uploaded(site: Site, page_without_url_input: Page) -> None:
    element = site.choose("photo")
    site.drop("photo", CAT)
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    assert site.posts == ["upload", "submit"]
    assert Member.objects.get().photo.width == 480


def test_file_without_url_input_is_replaced_and_removed(
    site: Site, page_without_url_input: Page
) -> None:
    site.choose("photo")
    element = site.choose("photo", DOG)
    site.drop("photo", NOTES)
    expect(page_without_url_input.get_by_role("alert")).to_contain_text("notes.jpg")
    element.get_by_role("button", name="Remove").click()
    expect(element).to_contain_text("was removed")
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []


def test_dropped_url_without_url_input_is_ignored(site: Site, page_without_url_input: Page) -> None:
    """The browser must not open the URL either."""
    element = site.choose("photo")
    transfer = site.transfer("https://example.com/cat.jpg")
    assert element.evaluate(_DRAG_OVER, transfer) == [True, False]
    site.drop("photo", "https://example.com/cat.jpg")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    expect(element).not_to_contain_text("URL was")
    site.save()
    assert site.uploads == [len(CAT["buffer"])]


def test_pasted_url_without_url_input_is_ignored(site: Site, page_without_url_input: Page) -> None:
    page = page_without_url_input
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('https://example.com/cat.jpg')")
    page.get_by_label("Choose an image").focus()
    page.keyboard.press("Control+v")
    expect(site.input("photo")).not_to_contain_text("URL was")
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []


def test_remove_button_without_url_input_removes_image(site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open(f"/members/{member.pk}/change/")
    page.locator("form").evaluate(_REMOVE_URL_INPUT)
    element = site.choose("photo")
    element.get_by_role("button", name="Remove").click()
    element.get_by_role("button", name="Remove").click()
    expect(element).to_contain_text("Will be removed")
    site.save()
    member.refresh_from_db()
    assert not member.photo


def test_chosen_file_replaces_url(site: Site, add_page: Page) -> None:
    add_page.get_by_label("image URL").fill("https://example.com/cat.jpg")
    element = site.choose("photo")
    expect(add_page.get_by_label("image URL")).to_have_value("")
    expect(element).to_contain_text("The image URL was removed.")
    site.save()
    assert site.uploads == [len(CAT["buffer"])]


def test_entered_url_replaces_chosen_file(site: Site, add_page: Page, external_url: str) -> None:
    element = site.choose("photo")
    add_page.get_by_label("image URL").fill(external_url)
    add_page.get_by_label("image URL").press("Enter")
    add_page.wait_for_url(re.compile(r"/members/\d+/$"))
    assert site.posts == ["submit"]
    assert site.uploads == [0]
    assert element.count() == 0


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (NOTES, "“\u2068notes.jpg\u2069” is not a valid image."),
        (file("cat.tif", plain("TIFF")), "TIFF images are not supported."),
        (file("cat.nef", plain("TIFF")), "RAW images are not supported."),
        (file("cat.svg", b"<svg></svg>"), "SVG images are not supported."),
        (file("cat.jxl", b"\xff\x0a"), "JPEG XL images are not supported. Please"),
        (file("cat.jpg", b""), "“\u2068cat.jpg\u2069” is empty."),
        (
            file("cat.png", plain("PNG") + bytes(30 * 1024)),
            "is too large (30 kB). The maximum size is 20 kB.",
        ),
        (
            file("cat.png", plain("PNG") + bytes(20 * 1024)),
            re.compile(r"is too large \(20,\d\d\d bytes\)\. The maximum size is 20,480 bytes\."),
        ),
    ],
    ids=[
        "not a valid image",
        "tiff",
        "raw",
        "svg",
        "jpeg xl",
        "empty",
        "too large",
        "slightly too large",
    ],
)
def test_unusable_file_is_rejected_before_upload(
    site: Site, settings: Any, chosen: dict[str, Any], reason: Any
) -> None:
    settings.GROUPME_MAX_UPLOAD_SIZE = 20 * 1024
    page = site.open("/members/add/")
    choose = page.get_by_label("Choose an image")
    choose.set_input_files(chosen)
    expect(page.get_by_role("alert")).to_contain_text(reason)
    expect(choose).to_have_attribute("aria-invalid", "true")
    expect(choose).to_have_accessible_description(page.get_by_role("alert").inner_text())
    assert choose.evaluate("input => input.files.length") == 0
    site.choose("photo")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(choose).not_to_have_attribute("aria-invalid", "true")
    expect(choose).to_have_accessible_description("")


def test_rejected_file_keeps_chosen_file(site: Site, add_page: Page) -> None:
    element = site.choose("photo")
    site.drop("photo", NOTES)
    expect(add_page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    assert site.posts == ["upload", "submit"]
    assert site.uploads == [len(CAT["buffer"])]


def test_format_unknown_to_script_is_shown_without_preview(site: Site, settings: Any) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "ppm"]
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    element = site.choose("photo", file("cat.ppm", plain("PPM"), "image/x-portable-pixmap"))
    expect(element).to_contain_text("no preview available")
    expect(element.get_by_role("img")).to_have_count(0)
    expect(element.get_by_role("button", name="Remove")).to_be_visible()


def test_remove_button_removes_chosen_file(site: Site, add_page: Page) -> None:
    element = site.choose("photo")
    element.get_by_role("button", name="Remove").click()
    expect(add_page.get_by_label("Choose an image")).to_be_focused()
    expect(element).to_contain_text("was removed.")
    expect(element.get_by_role("img")).to_have_count(0)
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []
    assert not Member.objects.get().photo


def test_form_reset_removes_chosen_file(site: Site, add_page: Page) -> None:
    element = site.choose("photo")
    add_page.locator("form").evaluate("form => form.reset()")
    expect(element.get_by_role("img")).to_have_count(0)
    expect(element.get_by_role("button", name="Remove")).to_have_count(0)


def test_disabled_input_ignores_dropped_file(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate(
        """form => form.querySelectorAll("input").forEach(input => { input.disabled = true })"""
    )
    element = site.drop("photo", CAT)
    expect(element.get_by_role("img")).to_have_count(0)
    assert add_page.get_by_label("Choose").evaluate("input => input.files.length") == 0


def test_preview_of_rotated_photo_is_upright(site: Site, add_page: Page) -> None:
    element = site.choose("photo", file("phone.jpg", rotated(6)))
    expect(element.get_by_text("32 × 48 pixels")).to_be_visible()
    canvas = element.locator("canvas")
    assert canvas.evaluate(_SIZE_OF_CANVAS) == [32, 48]
    upper, lower = canvas.evaluate(_CORNERS)
    assert upper[0] > 200  # red
    assert lower[2] > 200  # blue


def test_preview_of_large_image_is_reduced(site: Site, add_page: Page) -> None:
    large = opened(plain("JPEG", (2000, 1000)))
    element = site.choose("photo", file("large.jpg", encoded(large, "JPEG")))
    expect(element.get_by_text("2,000 × 1,000 pixels")).to_be_visible()
    canvas = element.locator("canvas")
    assert canvas.evaluate(_SIZE_OF_CANVAS) == [400, 200]
    assert canvas.evaluate("canvas => canvas.getBoundingClientRect().width") <= 202


def test_form_with_keyboard_only_is_saved(site: Site) -> None:
    page = site.open("/members/add/")
    focused_names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        focused_names.append(page.evaluate("document.activeElement.name"))
    assert focused_names == ["name", "photo", "photo-url"]
    site.choose("photo")
    page.get_by_label("Name").focus()
    page.keyboard.type("Ann")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose an image")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove")).to_be_focused()
    expect(page.locator(":focus")).to_have_css("outline-style", "solid")
    page.keyboard.press("Tab")
    expect(page.get_by_label("image URL")).to_be_focused()
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().name == "Ann"


def test_two_inputs_have_separate_group_labels(site: Site) -> None:
    page = site.open("/card/")
    for name in ("Picture", "Logo"):
        group = page.get_by_role("group", name=name, exact=True)
        expect(group.get_by_label("Or enter an image URL")).to_be_visible()
