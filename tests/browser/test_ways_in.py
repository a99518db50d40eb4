"""Choosing, dropping and pasting a picture, or giving its address: what is shown, and sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from django_groupme_images.emulator import EmulatorServer

from ..emulator_pictures import encoded, opened, plain, turned
from ..gallery.models import Member
from .site import CAT, NOTES, Site, file

pytestmark = pytest.mark.browser

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
def web_address() -> Iterator[str]:
    """The address of a picture somewhere on the web."""
    with EmulatorServer() as web:
        answer = requests.post(
            web.upload_url, CAT["buffer"], headers={"X-Access-Token": "any"}, timeout=5
        )
        yield answer.json()["payload"]["url"]


def test_chosen(site: Site, page_to_add: Page) -> None:
    element = site.choose("photo")
    expect(element.get_by_text("480 × 325 pixels, ")).to_be_visible()
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    expect(page_to_add.get_by_role("img", name="Ann")).to_be_visible()
    assert site.posts == ["ahead", "for good"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.width == 480


def test_shown_after_it_was_saved(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.save()
    page = site.open(f"/members/{Member.objects.get().pk}/change/")
    element = site.input("photo")
    expect(element).to_contain_text("Currently: Original, 480 × 325 pixels")
    preview = element.locator(".groupme-present img")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 200
    page.get_by_label("Name").fill("Anna")
    site.save()
    assert site.posts == ["ahead", "for good", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_dropped(site: Site, page_to_add: Page) -> None:
    element = site.input("photo")
    element.dispatch_event("dragover", {"dataTransfer": site.transfer(CAT)})
    expect(element).to_have_css("outline-style", "dashed")
    site.drop("photo", CAT)
    expect(element).to_have_css("outline-style", "none")
    expect(element.get_by_text("480 × 325 pixels, ")).to_be_visible()
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert site.uploads == [len(CAT["buffer"])]


def test_pasted(site: Site, page_to_add: Page) -> None:
    page_to_add.context.grant_permissions(["clipboard-read", "clipboard-write"])
    picture = base64.b64encode(plain("PNG", (300, 200))).decode()
    page_to_add.evaluate(_WRITE_TO_CLIPBOARD, picture)
    page_to_add.get_by_label("Choose a picture").focus()
    page_to_add.keyboard.press("Control+v")
    expect(site.input("photo").get_by_text("300 × 200 pixels")).to_be_visible()
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.format == "png"


def test_pasted_address(site: Site, page_to_add: Page, web_address: str) -> None:
    page_to_add.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page_to_add.evaluate("text => navigator.clipboard.writeText(text)", web_address)
    page_to_add.get_by_label("Choose a picture").focus()
    page_to_add.keyboard.press("Control+v")
    expect(page_to_add.get_by_label("address")).to_have_value(web_address)
    page_to_add.get_by_label("address").focus()
    page_to_add.keyboard.press("Control+v")
    expect(page_to_add.get_by_label("address")).to_have_value(web_address * 2)


def test_address(site: Site, page_to_add: Page, web_address: str) -> None:
    page_to_add.get_by_label("address").fill(web_address)
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == [0]
    assert Member.objects.get().photo.width == 480


def test_dropped_address(site: Site, page_to_add: Page, web_address: str) -> None:
    site.choose("photo")
    element = site.drop("photo", web_address)
    expect(page_to_add.get_by_label("address")).to_have_value(web_address)
    expect(element).to_contain_text(
        re.compile("The address of the picture was filled in .*cat.jpg.* was removed")
    )
    expect(element.get_by_role("img")).to_have_count(0)
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == [0]


_REMOVE_URL_INPUT = """form => {
  form.querySelector(".groupme-address").remove();
  form.outerHTML = form.outerHTML; // and start the script again
}"""

_DRAG_OVER = """(element, dataTransfer) => {
  const event = new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true });
  element.dispatchEvent(event);
  return [event.defaultPrevented, element.classList.contains("groupme-dragged")];
}"""


@pytest.fixture
def page_without_url_input(site: Site, page_to_add: Page) -> Page:
    """The form as rendered by a field that does not allow URLs."""
    page_to_add.locator("form").evaluate(_REMOVE_URL_INPUT)
    page_to_add.get_by_label("Name").fill("Ann")
    return page_to_add


def test_file_without_url_input_is_uploaded(site: Site, page_without_url_input: Page) -> None:
    element = site.choose("photo")
    site.drop("photo", CAT)
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert Member.objects.get().photo.width == 480


def test_file_without_url_input_is_replaced_and_removed(
    site: Site, page_without_url_input: Page
) -> None:
    site.choose("photo")
    element = site.choose("photo", file("dog.png", plain("PNG", (64, 32)), "image/png"))
    site.drop("photo", NOTES)
    expect(page_without_url_input.get_by_role("alert")).to_contain_text("notes.jpg")
    element.get_by_role("button", name="Do not send").click()
    expect(element).to_contain_text("was removed")
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == []


def test_dropped_url_without_url_input_is_ignored(site: Site, page_without_url_input: Page) -> None:
    """It must not take the visitor to that URL either."""
    element = site.choose("photo")
    transfer = site.transfer("https://example.com/cat.jpg")
    assert element.evaluate(_DRAG_OVER, transfer) == [True, False]
    site.drop("photo", "https://example.com/cat.jpg")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    expect(element).not_to_contain_text("address")
    site.save()
    assert site.uploads == [len(CAT["buffer"])]


def test_pasted_url_without_url_input_is_ignored(site: Site, page_without_url_input: Page) -> None:
    page = page_without_url_input
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('https://example.com/cat.jpg')")
    page.get_by_label("Choose a picture").focus()
    page.keyboard.press("Control+v")
    expect(site.input("photo")).not_to_contain_text("address")
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == []


def test_cleared_without_url_input(site: Site) -> None:
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open(f"/members/{member.pk}/change/")
    page.locator("form").evaluate(_REMOVE_URL_INPUT)
    element = site.choose("photo")
    page.get_by_label("Remove the picture").check()
    expect(element).to_contain_text("was removed from the form")
    site.save()
    member.refresh_from_db()
    assert not member.photo


def test_file_instead_of_an_address(site: Site, page_to_add: Page) -> None:
    page_to_add.get_by_label("address").fill("https://example.com/cat.jpg")
    element = site.choose("photo")
    expect(page_to_add.get_by_label("address")).to_have_value("")
    expect(element).to_contain_text("The address will not be sent")
    site.save()
    assert site.uploads == [len(CAT["buffer"])]


def test_address_instead_of_a_file(site: Site, page_to_add: Page, web_address: str) -> None:
    element = site.choose("photo")
    page_to_add.get_by_label("address").fill(web_address)
    page_to_add.get_by_label("address").press("Enter")
    page_to_add.wait_for_url(re.compile(r"/members/\d+/$"))
    assert site.posts == ["for good"]
    assert site.uploads == [0]
    assert element.count() == 0


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (NOTES, "“\u2068notes.jpg\u2069” is not a picture that can be used here."),
        (file("cat.bmp", plain("BMP")), "Choose another: JPEG, PNG or GIF."),
        (file("cat.jpg", b""), "“\u2068cat.jpg\u2069” is empty."),
        (file("cat.png", plain("PNG") + bytes(30 * 1024)), "has 30 kB, and 20 kB is the limit."),
        (
            file("cat.png", plain("PNG") + bytes(20 * 1024)),
            re.compile(r"has 20,\d\d\d bytes, and 20,480 bytes is the limit\."),
        ),
    ],
    ids=["not a picture", "another format", "empty", "too large", "slightly too large"],
)
def test_refused_at_once(site: Site, settings: Any, chosen: dict[str, Any], reason: Any) -> None:
    settings.GROUPME_MAX_UPLOAD_SIZE = 20 * 1024
    page = site.open("/members/add/")
    choose = page.get_by_label("Choose a picture")
    choose.set_input_files(chosen)
    expect(page.get_by_role("alert")).to_contain_text(reason)
    expect(choose).to_have_attribute("aria-invalid", "true")
    expect(choose).to_have_accessible_description(page.get_by_role("alert").inner_text())
    assert choose.evaluate("input => input.files.length") == 0
    site.choose("photo")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(choose).not_to_have_attribute("aria-invalid", "true")
    expect(choose).to_have_accessible_description("")


def test_refused_leaves_what_was_chosen_before(site: Site, page_to_add: Page) -> None:
    element = site.choose("photo")
    site.drop("photo", NOTES)
    expect(page_to_add.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert site.uploads == [len(CAT["buffer"])]


def test_format_that_the_script_does_not_know(site: Site, settings: Any) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "tiff"]
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    element = site.choose("photo", file("cat.tif", plain("TIFF"), "image/tiff"))
    expect(element).to_contain_text("this browser cannot show it")
    expect(element.get_by_role("img")).to_have_count(0)
    expect(element.get_by_role("button", name="Do not send")).to_be_visible()


def test_not_to_be_sent_after_all(site: Site, page_to_add: Page) -> None:
    element = site.choose("photo")
    element.get_by_role("button", name="Do not send this picture").click()
    expect(page_to_add.get_by_label("Choose a picture")).to_be_focused()
    expect(element).to_contain_text("was removed from the form")
    expect(element.get_by_role("img")).to_have_count(0)
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == []
    assert not Member.objects.get().photo


def test_form_that_is_reset(site: Site, page_to_add: Page) -> None:
    element = site.choose("photo")
    page_to_add.locator("form").evaluate("form => form.reset()")
    expect(element.get_by_role("img")).to_have_count(0)
    expect(element.get_by_role("button", name="Do not send")).to_have_count(0)


@pytest.mark.parametrize("clears_last", [True, False])
def test_cleared(site: Site, clears_last: bool) -> None:
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open(f"/members/{member.pk}/change/")
    clear = page.get_by_label("Remove the picture")
    if clears_last:
        element = site.choose("photo")
        clear.check()
        expect(element).to_contain_text("was removed from the form")
        expect(element.get_by_role("img")).to_have_count(0)
    else:
        clear.check()
        site.choose("photo")
        expect(clear).not_to_be_checked()
    site.save()
    member.refresh_from_db()
    assert bool(member.photo) is not clears_last
    assert len(site.uploads) == (0 if clears_last else 1)


def test_disabled(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate(
        """form => form.querySelectorAll("input").forEach(input => { input.disabled = true })"""
    )
    element = site.drop("photo", CAT)
    expect(element.get_by_role("img")).to_have_count(0)
    assert page_to_add.get_by_label("Choose").evaluate("input => input.files.length") == 0


def test_preview_is_upright(site: Site, page_to_add: Page) -> None:
    element = site.choose("photo", file("phone.jpg", turned(6)))
    expect(element.get_by_text("32 × 48 pixels")).to_be_visible()
    canvas = element.locator("canvas")
    assert canvas.evaluate(_SIZE_OF_CANVAS) == [32, 48]
    upper, lower = canvas.evaluate(_CORNERS)
    assert upper[0] > 200  # red
    assert lower[2] > 200  # blue


def test_preview_of_a_large_picture_is_small(site: Site, page_to_add: Page) -> None:
    large = opened(plain("JPEG", (2000, 1000)))
    element = site.choose("photo", file("large.jpg", encoded(large, "JPEG")))
    expect(element.get_by_text("2,000 × 1,000 pixels")).to_be_visible()
    canvas = element.locator("canvas")
    assert canvas.evaluate(_SIZE_OF_CANVAS) == [400, 200]
    assert canvas.evaluate("canvas => canvas.getBoundingClientRect().width") <= 202


def test_keyboard_alone(site: Site) -> None:
    page = site.open("/members/add/")
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name"))
    assert reached == ["name", "photo", "photo-url"]
    site.choose("photo")
    page.get_by_label("Name").focus()
    page.keyboard.type("Ann")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose a picture")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Do not send this picture")).to_be_focused()
    expect(page.locator(":focus")).to_have_css("outline-style", "solid")
    page.keyboard.press("Tab")
    expect(page.get_by_label("address")).to_be_focused()
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().name == "Ann"


def test_two_pictures_are_told_apart(site: Site) -> None:
    page = site.open("/card/")
    for name in ("Picture", "Logo"):
        group = page.get_by_role("group", name=name, exact=True)
        expect(group.get_by_label("Or its address on the web")).to_be_visible()
