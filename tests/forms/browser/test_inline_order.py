"""The order of rows in the admin's inlines: buttons, the mouse, and rows that are removed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.testapp.models import ShelfPhoto

from .inlines import choose, expect_added, images, open_shelf, positions, saved_widths, zone
from .site import Site


def _captions() -> list[str]:
    return [each.caption for each in ShelfPhoto.objects.all()]


def _displayed_captions(page: Page) -> list[str]:
    return page.locator("input[name$=caption]:not([name*=__prefix__])").evaluate_all(
        "(inputs) => inputs.map(({ value }) => value)"
    )


@pytest.mark.parametrize("path", ["shelf", "stackedshelf"])
def test_move_buttons_with_keyboard_change_saved_order(site: Site, path: str) -> None:
    page = open_shelf(site, saved=3, path=path)
    button = page.get_by_role("button", name="Move “\u2068Saved 2\u2069” up")
    button.press("Enter")
    expect(zone(page).get_by_role("status")).to_have_text("Moved to position 2 of 3")
    expect(button).to_be_focused()
    button.press("Enter")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.press("Enter")
    expect(zone(page).get_by_role("status")).to_have_text("Moved to position 1 of 3")
    page.get_by_role("button", name="Move “\u2068Saved 0\u2069” down").click()
    assert positions(page)[:3] == ["1", "2", "3"]
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert _captions() == ["Saved 2", "Saved 1", "Saved 0"]


@pytest.mark.parametrize("path", ["shelf", "stackedshelf"])
def test_handle_dragged_with_mouse_changes_saved_order(site: Site, path: str) -> None:
    page = open_shelf(site, saved=3, path=path)
    page.set_viewport_size({"width": 1400, "height": 1800})
    handles = page.locator(".groupme-handle:visible")
    last = handles.nth(2).bounding_box()
    handles.nth(0).hover()
    page.mouse.down()
    page.mouse.move(last["x"] + 5, last["y"] + 300, steps=5)
    expect(page.locator(".groupme-moving")).to_have_count(1)
    page.mouse.up()
    expect(zone(page).get_by_role("status")).to_have_text("Moved to position 3 of 3")
    assert _displayed_captions(page)[:3] == ["Saved 1", "Saved 2", "Saved 0"]
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert _captions() == ["Saved 1", "Saved 2", "Saved 0"]


def test_handle_dragged_to_edge_scrolls_page(site: Site) -> None:
    page = open_shelf(site, saved=3, path="stackedshelf")
    page.set_viewport_size({"width": 1000, "height": 500})
    handle = page.locator(".groupme-handle:visible").first
    handle.hover()
    page.mouse.down()
    page.mouse.move(500, 495, steps=3)
    captions = page.locator("input[name$=caption]:not([name*=__prefix__])")
    expect(captions.nth(2)).to_have_value("Saved 0")
    page.mouse.up()
    expect(zone(page).get_by_role("status")).to_have_text("Moved to position 3 of 3")


def test_new_and_saved_rows_are_moved_and_removed_together(site: Site) -> None:
    """Django numbers the rows in the order of the document when one is removed."""
    page = open_shelf(site, saved=2)
    choose(page, images(3))
    expect_added(page, 3)
    assert positions(page) == ["1", "2", "3", "4", "5"]
    button = page.get_by_role("button", name="Move “\u2068photo-002.png\u2069” up")
    for _ in range(4):
        button.press("Enter")
    site.input("shelfphoto_set-2-picture").locator("xpath=ancestor::tr").get_by_role(
        "button", name="Remove", exact=True
    ).last.click()
    expect(page.locator("tr.form-row:not(.empty-form)")).to_have_count(4)
    assert _displayed_captions(page) == ["", "Saved 0", "Saved 1", ""]
    expect(page.locator("#shelfphoto_set-3")).to_contain_text("photo-002.png")
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert saved_widths() == [102, 100, 100, 101]
    assert _captions() == ["", "Saved 0", "Saved 1", ""]


def test_rows_of_invalid_form_are_displayed_in_their_order(site: Site) -> None:
    page = open_shelf(site, saved=2)
    choose(page, images(1))
    expect_added(page, 1)
    page.get_by_role("button", name="Move “\u2068photo-000.png\u2069” up").press("Enter")
    page.get_by_label("Title").evaluate("(input) => { input.required = false; }")
    page.get_by_label("Title").fill("")
    site.save()
    expect(page.locator("body")).to_contain_text("Please correct the error below")
    assert _displayed_captions(page) == ["Saved 0", "", "Saved 1"]
    assert positions(page) == ["1", "2", "3"]
    page.get_by_label("Title").fill("Cats")
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert _captions() == ["Saved 0", "", "Saved 1"]


def test_empty_rows_of_invalid_form_are_used_first(site: Site) -> None:
    page = open_shelf(site, path="stackedshelf")
    choose(page, images(1))
    expect_added(page, 1)
    page.get_by_label("Title").evaluate("(input) => { input.required = false; }")
    page.get_by_label("Title").fill("")
    site.save()
    expect(page.locator("body")).to_contain_text("Please correct the error below")
    expect(page.locator("#shelfphoto_set-1 .groupme-order")).to_be_hidden()
    choose(page, images(3)[1:])
    expect_added(page, 2)
    assert positions(page) == ["1", "2", "3"]
    page.get_by_label("Title").fill("Cats")
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert saved_widths() == [100, 101, 102]


def test_equal_positions_are_numbered_when_row_is_moved(site: Site) -> None:
    page = open_shelf(site, saved=3)
    ShelfPhoto.objects.update(position=7)
    page.reload()
    page.get_by_role("button", name="Move “\u2068Saved 2\u2069” up").press("Enter")
    assert positions(page) == ["1", "2", "3"]


def test_distinct_positions_keep_their_gaps(site: Site) -> None:
    page = open_shelf(site, saved=3)
    for photo in ShelfPhoto.objects.all():
        photo.position *= 10
        photo.save()
    page.reload()
    page.get_by_role("button", name="Move “\u2068Saved 2\u2069” up").press("Enter")
    assert positions(page) == ["10", "20", "30"]


def test_image_chosen_in_row_itself_is_numbered(site: Site) -> None:
    page = open_shelf(site, saved=2)
    page.get_by_role("button", name="Add another Shelf photo").click()
    expect(page.locator("#shelfphoto_set-2 .groupme-order")).to_be_hidden()
    site.choose("shelfphoto_set-2-picture")
    expect(page.locator("#shelfphoto_set-2 .groupme-order")).to_be_visible()
    assert positions(page) == ["1", "2", "3"]
