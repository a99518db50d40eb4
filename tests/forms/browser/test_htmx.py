"""Forms that htmx submits and swaps into the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_htmx
import pytest
from playwright.sync_api import Page, expect

from tests.support.emulator_pictures import plain
from tests.testapp.models import Member

from . import grid
from .inlines import images
from .site import NOTES, Site, file

SQUARE = file("square.png", plain("PNG", size=(40, 40)), "image/png")

_LET_HTMX_SUBMIT = """() => {
  const form = document.querySelector("form");
  const attributes = {
    "hx-post": "",
    "hx-encoding": "multipart/form-data",
    "hx-select": "main",
    "hx-target": "main",
    "hx-swap": "outerHTML",
  };
  for (const [name, value] of Object.entries(attributes)) form.setAttribute(name, value);
  htmx.process(form);
}"""
# By default, htmx 2 adds inline styles, which the Content Security Policy of the site forbids.
_CONFIGURE_HTMX = """() => {
  const meta = document.createElement("meta");
  meta.name = "htmx-config";
  meta.content = JSON.stringify({ includeIndicatorStyles: false });
  document.head.append(meta);
}"""


@pytest.fixture(params=["htmx-2", "htmx-4"])
def htmx(request: pytest.FixtureRequest) -> Path:
    """Return the path of htmx in django-htmx, because this repository does not contain it."""
    folder = Path(django_htmx.__file__).parent / "static/django_htmx"
    return folder / f"{request.param}.min.js"


@pytest.fixture
def add_page(site: Site, add_page: Page, htmx: Path) -> Page:
    """Return the page with the add form of a member, with htmx."""
    _add_htmx(add_page, htmx)
    return add_page


def _add_htmx(page: Page, htmx: Path) -> None:
    page.route("**/htmx.js", lambda route: route.fulfill(path=htmx))
    page.evaluate(_CONFIGURE_HTMX)
    page.add_script_tag(url="/htmx.js")


def _submit_invalid(site: Site, page: Page) -> None:
    """Submit the form without a name, and wait until it is swapped in with the error."""
    page.evaluate(_LET_HTMX_SUBMIT)
    page.get_by_label("Name").fill(" ")
    site.press_save()
    page.wait_for_selector("form:not([hx-post])")
    expect(page.get_by_text("This field is required.")).to_be_visible()


def _submit_valid(site: Site, page: Page) -> Any:
    """Submit the form with a name, and return the photo of the saved member."""
    page.evaluate(_LET_HTMX_SUBMIT)
    page.get_by_label("Name").fill("Ann")
    site.press_save()
    expect(page.get_by_role("heading", name="Ann")).to_be_visible()
    return Member.objects.get().photo


def test_valid_htmx_form_uploads_once(site: Site, add_page: Page) -> None:
    site.choose("photo")
    assert _submit_valid(site, add_page).width == 480
    assert len(site.uploads) == len(site.posts) == 1


def test_swapped_form_keeps_upload(site: Site, add_page: Page) -> None:
    site.choose("photo")
    _submit_invalid(site, add_page)
    expect(site.input("photo").locator("img")).to_be_visible()
    assert _submit_valid(site, add_page).width == 480
    assert len(site.uploads) == 1


def test_form_swapped_twice_keeps_upload(site: Site, add_page: Page) -> None:
    site.choose("photo")
    _submit_invalid(site, add_page)
    _submit_invalid(site, add_page)
    assert _submit_valid(site, add_page).width == 480
    assert len(site.uploads) == 1


def test_swapped_form_with_new_file_uploads_it(site: Site, add_page: Page) -> None:
    site.choose("photo")
    _submit_invalid(site, add_page)
    element = site.choose("photo", SQUARE)
    expect(element.get_by_role("img", name="square.png")).to_be_visible()
    assert _submit_valid(site, add_page).width == 40
    assert len(site.uploads) == 2


def test_swapped_form_with_new_file_removed_keeps_upload(site: Site, add_page: Page) -> None:
    site.choose("photo")
    _submit_invalid(site, add_page)
    element = site.choose("photo", SQUARE)
    element.get_by_role("button", name="Remove").click()
    assert _submit_valid(site, add_page).width == 480
    assert len(site.uploads) == 1


def test_swapped_form_with_dropped_file_uploads_it(site: Site, add_page: Page) -> None:
    _submit_invalid(site, add_page)
    element = site.drop("photo", SQUARE)
    expect(element.get_by_role("img", name="square.png")).to_be_visible()
    assert _submit_valid(site, add_page).width == 40


def test_swapped_form_with_text_file_rejects_it_before_upload(site: Site, add_page: Page) -> None:
    _submit_invalid(site, add_page)
    add_page.locator("input[name='photo']").set_input_files(NOTES)
    expect(site.input("photo").get_by_role("alert")).to_contain_text("notes.jpg")


def test_swapped_form_submitted_without_htmx_is_saved(site: Site, add_page: Page) -> None:
    _submit_invalid(site, add_page)
    add_page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.save()
    assert Member.objects.get().photo.width == 480
    assert len(site.uploads) == 1


def test_swapped_form_with_several_images_keeps_and_adds_images(site: Site, htmx: Path) -> None:
    page = grid.open_form(site, title=" ")
    _add_htmx(page, htmx)
    page.evaluate(_LET_HTMX_SUBMIT)
    grid.choose(page, images(2))
    site.press_save()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    expect(grid.items(page).get_by_role("button", name="Remove")).to_have_count(2)
    grid.choose(page, images(3)[2:])
    grid.items(page).nth(2).get_by_role("button", name="earlier").click()
    page.get_by_label("Title").fill("Trip")
    site.press_save()
    expect(page.locator("body")).to_contain_text("3 photos were saved.")
    assert len(site.posts) == 3  # Two submissions, and one upload request.
    assert len(site.uploads) == 3
    assert grid.saved_widths() == [100, 102, 101]
