"""The field for several images in a browser without JavaScript, and its appearance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.testapp.models import Member

from .site import CAT, NOTES, Site, file, landscape

pytestmark = pytest.mark.browser

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
    items = page.get_by_role("listitem").filter(has=page.get_by_role("checkbox"))
    expect(items).to_have_count(3)
    expect(items.nth(1)).to_contain_text("400.jpg, 400 × 300 pixels")
    box = items.nth(1).get_by_role("checkbox", name="Remove")
    expect(box).to_have_accessible_description("400.jpg, 400 × 300 pixels")
    box.focus()
    page.keyboard.press("Space")
    page.get_by_label("Choose images").set_input_files([CAT])
    site.save()
    expect(page.locator("body")).to_contain_text("3 photos were saved.")
    assert len(site.uploads) == 4
    saved = Member.objects.order_by("pk")
    assert [member.photo.width for member in saved] == [300, 500, 480]


@pytest.mark.parametrize(
    ("look", "scheme", "width", "options"),
    [
        ("light", "light", 1000, {}),
        ("dark", "dark", 1000, {}),
        ("360", "light", 360, {}),
        ("forced", "light", 1000, {"forced_colors": "active"}),
        ("rtl", "light", 360, {}),
    ],
)
def test_grid_of_images_passes_axe(
    site: Site,
    screenshots: Path,
    settings: Any,
    look: str,
    scheme: Any,
    width: int,
    options: Any,
) -> None:
    if look == "rtl":
        settings.LANGUAGE_CODE = "he"
    page = site.open("/photos/add/")
    page.emulate_media(color_scheme=scheme, **options)
    page.set_viewport_size({"width": width, "height": 700})
    page.locator("[name=title]").fill(" ")
    page.locator("[name=photos]").set_input_files(_FILES)
    site.save()
    expect(page.get_by_role("checkbox")).to_have_count(4)
    page.get_by_role("checkbox").nth(2).check()
    _wait_for_images(page)
    page.screenshot(path=screenshots / f"grid-{look}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [item.bounding_box() for item in page.locator(".groupme-image").all()]
    assert (boxes[0]["x"] > boxes[1]["x"]) is (look == "rtl")
    assert boxes[0]["y"] == boxes[1]["y"]  # At least two images are next to each other.
    label = page.locator(".groupme-image label").first.bounding_box()
    assert label
    assert label["height"] >= 24
    assert Axe().run(page, options=_AXE).response["violations"] == []


def _wait_for_images(page: Page) -> None:
    page.wait_for_function("[...document.images].every((image) => image.naturalWidth)")
