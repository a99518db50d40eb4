"""Images that are pasted or dropped anywhere on a page with a widget."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.testapp.models import Album

from .site import CAT, DOG, NOTES, Site

_MAKE_TRANSFER = """([files, texts]) => {
  const transfer = new DataTransfer();
  for (const name of files) {
    transfer.items.add(new File([Uint8Array.of(0xff, 0xd8, 0xff)], name));
  }
  for (const [type, text] of Object.entries(texts)) transfer.setData(type, text);
  return transfer;
}"""

# Returns whether the default action was prevented, and the effect that the browser displays.
_DISPATCH = """(element, [type, dataTransfer]) => {
  const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
  element.dispatchEvent(event);
  return event.defaultPrevented;
}"""

_PASTE = """(element, clipboardData) => {
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  element.dispatchEvent(event);
  return event.defaultPrevented;
}"""

_ADD_OTHER_FIELDS = """() => {
  document.body.insertAdjacentHTML(
    "beforeend",
    "<input type=file id=other><textarea id=notes></textarea>" +
      "<p id=editor contenteditable>Text</p><p id=text>Text</p>",
  );
}"""

_LINKED_THUMBNAIL = (
    '<a href="https://example.com/page/"><img src="https://example.com/cat.jpg" alt="Cat"></a>'
)


def make_transfer(page: Page, *files: str, **texts: str) -> Any:
    """Return a ``DataTransfer`` object; ``text_html`` is its text with the type ``text/html``."""
    types = {name.replace("_", "/"): text for name, text in texts.items()}
    types = {name.replace("uri/list", "uri-list"): text for name, text in types.items()}
    return page.evaluate_handle(_MAKE_TRANSFER, [files, types])


@pytest.fixture
def page_with_other_fields(site: Site, add_page: Page) -> Page:
    add_page.evaluate(_ADD_OTHER_FIELDS)
    return add_page


def test_image_pasted_on_page_with_one_widget_is_used_by_it(site: Site, add_page: Page) -> None:
    assert add_page.locator("body").evaluate(_PASTE, site.transfer(CAT))
    expect(site.input("photo")).to_contain_text("480 × 325 pixels")


def test_image_pasted_in_text_field_is_used_by_widget(site: Site, add_page: Page) -> None:
    assert add_page.get_by_label("Name").evaluate(_PASTE, site.transfer(CAT))
    expect(site.input("photo")).to_contain_text("480 × 325 pixels")


def test_image_with_text_pasted_in_text_field_is_ignored(site: Site, add_page: Page) -> None:
    """Spreadsheets copy cells as text and as an image."""
    cells = make_transfer(add_page, "cells.png", text_plain="1 2")
    assert not add_page.get_by_label("Name").evaluate(_PASTE, cells)
    assert add_page.locator("body").evaluate(_PASTE, cells)


@pytest.mark.parametrize("selector", ["body", "#notes", "#editor"])
def test_pasted_text_is_ignored(page_with_other_fields: Page, selector: str) -> None:
    page = page_with_other_fields
    url = make_transfer(page, text_plain="https://example.com/cat.jpg")
    assert not page.locator(selector).evaluate(_PASTE, url)
    expect(page.get_by_label("image URL")).to_have_value("")


def test_image_pasted_in_rich_text_editor_is_ignored(
    site: Site, page_with_other_fields: Page
) -> None:
    editor = page_with_other_fields.locator("#editor")
    assert not editor.evaluate(_PASTE, site.transfer(CAT))


def test_image_pasted_on_page_with_two_widgets_requires_focus(site: Site) -> None:
    page = site.open("/card/")
    assert not page.locator("body").evaluate(_PASTE, site.transfer(CAT))
    logo = page.locator("input[name=logo]")
    assert logo.evaluate(_PASTE, site.transfer(DOG))
    expect(site.input("logo")).to_contain_text("64 × 32 pixels")
    page.evaluate("document.querySelector('input[name=logo]').disabled = true")
    assert page.locator("body").evaluate(_PASTE, site.transfer(CAT))
    expect(site.input("picture")).to_contain_text("480 × 325 pixels")


def test_image_pasted_on_page_is_not_used_by_hidden_row(site: Site) -> None:
    """The admin has a hidden row, which it copies to add another."""
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    assert page.locator("groupme-image-input").count() == 2
    assert page.locator("body").evaluate(_PASTE, site.transfer(CAT))
    expect(site.input("photo_set-0-picture")).to_contain_text("480 × 325 pixels")


def test_paste_that_page_has_handled_is_ignored(site: Site, add_page: Page) -> None:
    add_page.evaluate("document.addEventListener('paste', (event) => { event.preventDefault(); })")
    assert add_page.locator("body").evaluate(_PASTE, site.transfer(CAT))
    assert add_page.get_by_label("Choose an image").evaluate("input => input.files.length") == 0


@pytest.mark.parametrize("kind", ["dragover", "drop"])
def test_file_dropped_on_page_does_not_leave_it(
    site: Site, page_with_other_fields: Page, kind: str
) -> None:
    page = page_with_other_fields
    transfer = site.transfer(CAT)
    assert page.locator("#text").evaluate(_DISPATCH, [kind, transfer])
    for selector in ("#other", "#notes", "#editor"):
        assert not page.locator(selector).evaluate(_DISPATCH, [kind, transfer])
    text = make_transfer(page, text_plain="Text")
    assert not page.locator("#text").evaluate(_DISPATCH, [kind, text])
    assert page.get_by_label("Choose an image").evaluate("input => input.files.length") == 0


def test_file_dropped_on_page_without_widget_is_ignored(site: Site, add_page: Page) -> None:
    add_page.locator("groupme-image-input").evaluate("element => element.remove()")
    assert not add_page.locator("h1").evaluate(_DISPATCH, ["dragover", site.transfer(CAT)])


def test_highlight_follows_dragged_file(site: Site) -> None:
    page = site.open("/card/")
    transfer = site.transfer(CAT)
    picture, logo = site.input("picture"), site.input("logo")
    picture.evaluate(_DISPATCH, ["dragover", transfer])
    expect(picture).to_have_css("outline-style", "dashed")
    logo.evaluate(_DISPATCH, ["dragover", transfer])
    expect(picture).to_have_css("outline-style", "none")
    expect(logo).to_have_css("outline-style", "dashed")
    page.locator("h1").evaluate(_DISPATCH, ["dragover", transfer])
    expect(logo).to_have_css("outline-style", "none")
    logo.evaluate(_DISPATCH, ["dragover", transfer])
    logo.evaluate(_DISPATCH, ["dragleave", transfer])
    expect(logo).to_have_css("outline-style", "none")


def test_dropped_linked_thumbnail_uses_image(site: Site, add_page: Page) -> None:
    page_url = "https://example.com/page/"
    transfer = make_transfer(add_page, text_html=_LINKED_THUMBNAIL, text_uri_list=page_url)
    element = site.input("photo")
    element.dispatch_event("drop", {"dataTransfer": transfer})
    expect(add_page.get_by_label("image URL")).to_have_value("https://example.com/cat.jpg")
    assert element.locator("img").count() == 0


def test_dropped_linked_thumbnail_without_url_is_ignored(site: Site, add_page: Page) -> None:
    html = '<a href="https://example.com/page/"><img src="data:image/gif;base64,R0lGODlh"></a>'
    page_url = "https://example.com/page/"
    transfer = make_transfer(add_page, text_html=html, text_uri_list=page_url)
    site.input("photo").dispatch_event("drop", {"dataTransfer": transfer})
    expect(add_page.get_by_label("image URL")).to_have_value("")


def test_several_dropped_files_report_that_first_is_used(site: Site, add_page: Page) -> None:
    element = site.input("photo")
    transfer = make_transfer(add_page, "first.jpg", "second.jpg")
    element.dispatch_event("drop", {"dataTransfer": transfer})
    text = "Only “\u2068first.jpg\u2069” was added, because this field accepts one image."
    expect(element).to_contain_text(text)
    assert add_page.get_by_label("Choose an image").evaluate("input => input.files.length") == 1
    site.drop("photo", CAT)
    expect(element).not_to_contain_text("Only")


def test_several_dropped_files_with_rejected_first_show_error(site: Site, add_page: Page) -> None:
    transfer = site.transfer(NOTES)
    transfer.evaluate("transfer => transfer.items.add(new File(['x'], 'second.jpg'))")
    element = site.input("photo")
    element.dispatch_event("drop", {"dataTransfer": transfer})
    expect(add_page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(element).not_to_contain_text("Only")
