"""Several images in a browser without JavaScript, and the appearance of the widget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from tests.testapp.models import Member

from .grid import choose, items
from .site import CAT, NOTES, Site, file, landscape

# For preloading, axe adds style elements, which the Content Security Policy forbids.
_AXE = {"resultTypes": ["violations"], "preload": False}

_FILES = [file(f"{side}.jpg", landscape((side, 300))) for side in (300, 400, 500, 200)]


def test_images_without_javascript_are_kept_removed_and_saved(
    site_without_javascript: Site,
) -> None:
    site = site_without_javascript
    page = site.open("/photos/add/")
    page.get_by_label("Title").fill("Trip")
    page.get_by_label("Choose images").set_input_files([*_FILES[:3], NOTES])
    site.save()
    expect(page.locator(".errorlist")).to_contain_text("notes.jpg")
    kept = page.get_by_role("listitem").filter(has=page.get_by_role("checkbox"))
    expect(kept).to_have_count(3)
    expect(kept.nth(1)).to_contain_text("\u2068400.jpg\u2069: 400 × 300 pixels")
    box = kept.nth(1).get_by_role("checkbox", name="Remove")
    expect(box).to_have_accessible_description("\u2068400.jpg\u2069: 400 × 300 pixels")
    box.focus()
    page.keyboard.press("Space")
    page.get_by_label("Choose images").set_input_files([CAT])
    site.save()
    expect(page.locator("body")).to_contain_text("3 photos were saved.")
    assert len(site.uploads) == 4
    saved = Member.objects.order_by("pk")
    assert [member.photo.width for member in saved] == [300, 500, 480]


_LOOKS = {
    "light": ("light", 1000, {}),
    "dark": ("dark", 1000, {}),
    "360": ("light", 360, {}),
    "forced": ("light", 1000, {"forced_colors": "active"}),
    "rtl": ("light", 360, {}),
}


def _open_form(site: Site, look: str, settings: Any) -> Page:
    if look == "rtl":
        settings.LANGUAGE_CODE = "he"
    scheme, width, options = _LOOKS[look]
    page = site.open("/photos/add/")
    page.emulate_media(color_scheme=scheme, **options)
    page.set_viewport_size({"width": width, "height": 700})
    page.locator("[name=title]").fill(" ")
    return page


def _check(page: Page, look: str, path: Path) -> None:
    """Take a screenshot, and check the layout and the accessibility of the page."""
    _wait_for_images(page)
    page.screenshot(path=path, full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= _LOOKS[look][1]
    boxes = [item.bounding_box() for item in page.locator(".groupme-image").all()]
    assert (boxes[0]["x"] > boxes[1]["x"]) is (look == "rtl")
    assert boxes[0]["y"] == boxes[1]["y"]  # At least two images are next to each other.
    assert Axe().run(page, options=_AXE).response["violations"] == []


@pytest.mark.parametrize("look", _LOOKS)
def test_grid_without_scripts_passes_axe(
    site: Site, screenshots: Path, settings: Any, look: str
) -> None:
    # axe itself is a script.
    site.page.route(
        "**/groupme_images/*.js",
        lambda route: route.fulfill(body="", content_type="text/javascript"),
    )
    page = _open_form(site, look, settings)
    page.locator("[name=photos]").set_input_files(_FILES)
    site.save()
    expect(page.get_by_role("checkbox")).to_have_count(4)
    page.get_by_role("checkbox").nth(2).check()
    label = page.locator(".groupme-image label").first.bounding_box()
    assert label
    assert label["height"] >= 24
    _check(page, look, screenshots / f"kept-{look}.png")


@pytest.mark.parametrize("look", _LOOKS)
def test_grid_in_all_states_passes_axe(
    site: Site, screenshots: Path, settings: Any, look: str
) -> None:
    settings.GROUPME_MAX_RETRIES = 0
    page = _open_form(site, look, settings)
    choose(page, _FILES[:2])
    site.save()  # Both are displayed as uploaded.
    choose(page, [*_FILES[2:], NOTES, {**_FILES[2], "name": "copy.jpg"}])
    expect(page.locator(".groupme-copy")).to_be_visible()
    _check(page, look, screenshots / f"grid-{look}-before.png")
    site.emulator.app.faults.add(Fault("status", status=503, method="POST"))
    site.delay_uploads(1)
    site.press_save()
    expect(page.locator(".groupme-summary progress")).to_be_visible()
    page.screenshot(path=screenshots / f"grid-{look}-during.png", full_page=True)
    expect(page.locator(".groupme-summary button")).to_have_count(0)
    expect(items(page).nth(2).get_by_role("alert")).to_contain_text("500.jpg")
    _check(page, look, screenshots / f"grid-{look}-after.png")


def test_buttons_on_touch_screen_are_large(
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    live_server: Any,
    service: EmulatorServer,
    screenshots: Path,
) -> None:
    context = watch_console(new_context(has_touch=True, is_mobile=True))
    site = Site(context.new_page(), live_server.url, service)
    page = site.open("/photos/add/")
    page.set_viewport_size({"width": 360, "height": 640})
    expect(page.get_by_text("Choose images or take photos")).to_be_visible()
    choose(page, _FILES[:3])
    page.screenshot(path=screenshots / "grid-touch.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    for button in items(page).get_by_role("button").all():
        box = button.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44


def _wait_for_images(page: Page) -> None:
    page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth)")
