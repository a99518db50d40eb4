"""Appearance and accessibility of the zone and the controls in the admin's inlines."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .inlines import choose, expect_added, images, open_shelf, transfer, zone
from .site import CAT, Site, file, landscape

# For preloading, axe adds style elements, which the Content Security Policy forbids.
_AXE = {"resultTypes": ["violations"], "preload": False}


def _expect_no_violations(page: Page) -> None:
    for part in (".groupme-inline", ".groupme-order", ".groupme-copy"):
        if page.locator(f"{part}:visible").count():
            violations = Axe().run(page, context=part, options=_AXE).response["violations"]
            assert [each["id"] for each in violations] == []


@pytest.mark.parametrize("path", ["shelf", "stackedshelf"])
def test_inline_with_files_and_messages_passes_axe(
    site: Site, screenshots: Path, path: str
) -> None:
    page = open_shelf(site, saved=2, path=path)
    name = f"inline-{path}"
    page.screenshot(path=screenshots / f"{name}-before.png", full_page=True)
    chosen = [file(f"lake-{n}.jpg", landscape((480 + n, 325))) for n in range(22)]
    choose(page, [CAT, *chosen, CAT])
    expect(zone(page).get_by_role("alert")).not_to_be_empty()
    expect(page.locator("canvas:visible").last).to_be_visible()
    for scheme, width in (("light", 1500), ("dark", 1500), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=screenshots / f"{name}-{scheme}-{width}.png", full_page=True)
        _expect_no_violations(page)
    page.emulate_media(forced_colors="active")
    page.set_viewport_size({"width": 1500, "height": 900})
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.screenshot(path=screenshots / f"{name}-rtl.png", full_page=True)
    _expect_no_violations(page)


def test_zone_is_labeled_group_with_one_announcement(site: Site) -> None:
    page = open_shelf(site)
    group = zone(page)
    expect(group).to_have_role("group")
    expect(group).to_have_accessible_name("Shelf photos")
    expect(group.locator("input[type=file]")).to_have_attribute("multiple", "")
    choose(page, images(3))
    expect_added(page, 3)
    expect(group.get_by_role("status")).to_have_text("Images added: 3")
    live = page.locator(
        "tr:not(.empty-form) groupme-image-input [role=status]:not([aria-live=off])"
    )
    assert live.count() == 0
    page.locator("input[name='shelfphoto_set-0-picture']").focus()
    assert live.count() > 0


def test_dragged_files_highlight_zone(site: Site) -> None:
    page = open_shelf(site)
    content = transfer(page, images(1))
    for kind, is_highlighted in (("dragover", True), ("dragleave", False)):
        page.locator("#shelfphoto_set-group").dispatch_event(kind, {"dataTransfer": content})
        assert zone(page).evaluate("({ classList }) => classList.contains('groupme-dragged')") is (
            is_highlighted
        )


def test_row_with_new_image_hides_url_input_until_image_is_removed(site: Site) -> None:
    page = open_shelf(site, path="stackedshelf")
    url = page.locator("input[name='shelfphoto_set-0-picture-url']")
    expect(url).to_be_visible()
    choose(page, images(1))
    expect(url).to_be_hidden()
    page.locator("input[name='shelfphoto_set-0-caption']").fill("A cat")
    site.input("shelfphoto_set-0-picture").get_by_role("button", name="Remove").click()
    expect(url).to_be_visible()


def test_first_error_is_not_covered_by_summary(site: Site) -> None:
    page = open_shelf(site)
    choose(page, [*images(5), file("damaged.jpg", CAT["buffer"][:300])])
    expect_added(page, 6)
    site.press_save()
    summary = page.locator(".groupme-summary")
    expect(summary).to_contain_text("5 of 6 images uploaded, 1 failed.")
    error = site.input("shelfphoto_set-5-picture").get_by_role("alert")
    expect(error).to_be_in_viewport(ratio=1)
    box, summary_box = error.bounding_box(), summary.bounding_box()
    assert box
    assert summary_box
    assert box["y"] + box["height"] <= summary_box["y"]
