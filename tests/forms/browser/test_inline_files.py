"""Many images at once in the admin's inlines: choose, drop, paste, limits, and copies."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.deadlines import DEADLINE
from tests.testapp.models import Album, Photo, ShelfPhoto

from .inlines import (
    CHOOSE,
    choose,
    drop,
    expect_added,
    file_names,
    images,
    open_shelf,
    paste,
    positions,
    saved_widths,
    zone,
)
from .site import CAT, DOG, NOTES, Site, file


def test_tabular_inline_with_24_chosen_files_saves_them_in_order(site: Site) -> None:
    page = open_shelf(site)
    chosen = images(24)
    choose(page, chosen)
    expect_added(page, 24)
    assert file_names(page) == [each["name"] for each in chosen]
    expect(site.input("shelfphoto_set-23-picture")).to_contain_text("123 × 60 pixels")
    assert page.get_by_label(CHOOSE).evaluate("({ value }) => value") == ""
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert saved_widths() == list(range(100, 124))
    values = ShelfPhoto.objects.values_list("position", flat=True)
    assert list(values) == list(range(1, 25))


def test_stacked_inline_with_dropped_files_uses_empty_rows_up_to_its_limit(site: Site) -> None:
    page = open_shelf(site, saved=1, path="stackedshelf")
    page.locator("input[name$='-2-caption']").fill("Not empty")
    drop(zone(page), images(6))
    expect_added(page, 4)
    assert file_names(page) == [f"photo-{index:03}.png" for index in range(4)]
    assert positions(page) == ["1", "0", "2", "3", "4", "5"]
    alert = zone(page).get_by_role("alert")
    expect(alert).to_contain_text(
        "the maximum number of images is 6: \u2068photo-004.png\u2069 and \u2068photo-005.png"
    )
    assert page.locator(".inline-related:not(.empty-form)").count() == 6


def test_stacked_inline_with_row_to_be_deleted_has_room_for_another(site: Site) -> None:
    page = open_shelf(site, saved=6, path="stackedshelf")
    page.locator("input[name$='-0-DELETE']").check()
    choose(page, images(2))
    expect_added(page, 1)
    expect(zone(page).get_by_role("alert")).to_contain_text("photo-001.png")
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert ShelfPhoto.objects.count() == 6


def test_files_pasted_on_page_with_one_inline_are_added_to_it(site: Site) -> None:
    page = open_shelf(site)
    paste(page.locator("body"), images(2))
    expect_added(page, 2)
    paste(page.get_by_label("Title"), [CAT])
    expect_added(page, 1)
    assert file_names(page) == ["photo-000.png", "photo-001.png", "cat.jpg"]


def test_row_with_several_dropped_or_pasted_files_passes_them_to_inline(site: Site) -> None:
    page = open_shelf(site)
    choose(page, [CAT])
    expect_added(page, 1)
    drop(site.input("shelfphoto_set-0-picture"), images(2))
    expect_added(page, 2)
    paste(site.input("shelfphoto_set-0-picture").locator("input[type=file]"), [DOG])
    expect(site.input("shelfphoto_set-0-picture")).to_contain_text("dog.png")
    assert file_names(page) == ["dog.png", "photo-000.png", "photo-001.png"]


def test_files_with_same_content_show_warnings_until_copy_is_removed(site: Site) -> None:
    page = open_shelf(site)
    copy = file("copy.jpg", CAT["buffer"])
    other = file("other.jpg", CAT["buffer"][:-1] + b"\xd8")
    choose(page, [CAT, DOG, copy, other])
    summary = zone(page).get_by_role("alert")
    expect(summary).to_contain_text("Chosen more than once: \u2068copy.jpg\u2069.")
    warning = page.locator(".groupme-copy")
    expect(warning).to_have_text(
        "This is the same image as “\u2068cat.jpg\u2069”. It would be uploaded again."
    )
    assert file_names(page) == ["cat.jpg", "dog.png", "copy.jpg", "other.jpg"]
    site.input("shelfphoto_set-2-picture").locator(".groupme-chosen button").click()
    expect(zone(page).get_by_role("status")).to_have_text("“\u2068copy.jpg\u2069” was removed.")
    assert file_names(page) == ["cat.jpg", "dog.png", "other.jpg"]
    expect(summary).to_be_empty()
    expect(page.get_by_label(CHOOSE)).to_be_focused()


def test_later_choice_of_same_file_shows_warning(site: Site) -> None:
    page = open_shelf(site)
    choose(page, [CAT])
    expect_added(page, 1)
    choose(page, [DOG, CAT])
    expect(page.locator("#shelfphoto_set-2 .groupme-copy")).to_contain_text("cat.jpg")


def test_rejected_files_are_listed_and_get_no_row(site: Site) -> None:
    page = open_shelf(site)
    choose(page, [CAT, NOTES, file("empty.jpg", b""), DOG])
    expect_added(page, 2)
    alert = zone(page).get_by_role("alert")
    expect(alert).to_contain_text("notes.jpg")
    expect(alert).to_contain_text("empty.jpg")
    assert file_names(page) == ["cat.jpg", "dog.png"]
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    assert ShelfPhoto.objects.count() == 2


def test_edited_row_stays_when_its_image_is_removed(site: Site) -> None:
    page = open_shelf(site)
    choose(page, [CAT, DOG])
    expect_added(page, 2)
    page.locator("input[name='shelfphoto_set-0-caption']").fill("A cat")
    for index in (1, 0):
        element = site.input(f"shelfphoto_set-{index}-picture")
        element.locator(".groupme-chosen button").click()
    expect(page.locator("tr.form-row:not(.empty-form)")).to_have_count(1)
    expect(page.locator("input[name='shelfphoto_set-0-caption']")).to_have_value("A cat")


def test_added_rows_have_working_scripts_of_admin(site: Site) -> None:
    Album.objects.create(title="Ann")
    page = open_shelf(site)
    choose(page, images(3))
    expect_added(page, 3)
    page.locator("input[name='shelfphoto_set-2-caption']").press_sequentially("A cat")
    expect(page.locator("input[name='shelfphoto_set-2-slug']")).to_have_value("a-cat")
    rows = page.locator("tr.form-row:not(.empty-form)")
    expect(rows.locator(".datetimeshortcuts")).to_have_count(3)
    rows.nth(2).locator(".select2-selection").click()
    page.get_by_role("option", name="Ann").click()
    rows.nth(1).get_by_role("link", name="Today").click()
    site.save()
    expect(page.locator("body")).to_contain_text("was changed successfully")
    first, second, third = ShelfPhoto.objects.all()
    assert (third.slug, str(third.album), first.album) == ("a-cat", "Ann", None)
    assert (bool(first.taken), bool(second.taken)) == (False, True)


def test_inline_with_300_files_adds_them_while_page_reacts(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.evaluate(
        """() => {
          globalThis.statuses = new Set();
          const status = document.querySelector(".groupme-inline > [role=status]");
          const add = () => globalThis.statuses.add(status.textContent);
          new MutationObserver(add).observe(status, { childList: true });
        }"""
    )
    page.context.set_default_timeout(2_000 * DEADLINE)
    choose(page, images(300))
    expect_added(page, 300)
    assert page.locator("tr.form-row:not(.empty-form)").count() == 300
    assert page.locator(".groupme-adding, .groupme-deletelink").count() == 0
    assert page.evaluate("globalThis.statuses.size") > 3
    assert len(file_names(page)) == 300


def test_form_submitted_while_rows_are_added_waits_for_them(site: Site) -> None:
    page = open_shelf(site)
    choose(page, images(12))
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).evaluate("(button) => button.click()")
    assert ShelfPhoto.objects.count() == 12


@pytest.mark.parametrize("allowed", [["view"], ["view", "change"]])
def test_users_without_add_permission_have_no_zone(site: Site, allowed: list[str]) -> None:
    page = open_shelf(site, saved=2)
    site.restrict_user([f"{name}_shelf{suffix}" for name in allowed for suffix in ("", "photo")])
    page.reload()
    expect(page.locator("body")).to_contain_text("Saved 1")
    expect(page.get_by_label(CHOOSE)).to_have_count(0)
    count = 2 if "change" in allowed else 0
    expect(page.get_by_role("button", name="Move “\u2068Saved 1\u2069” up")).to_have_count(
        count // 2
    )


def test_row_added_without_javascript_has_one_file(site_without_javascript: Site) -> None:
    album = Album.objects.create(title="Cats")
    site = site_without_javascript
    page = site.open_admin(f"album/{album.pk}/change/")
    assert page.locator(".groupme-inline").count() == 0
    page.locator("input[name='photo_set-0-picture']").set_input_files(CAT)
    page.locator("input[name='photo_set-0-caption']").fill("A cat")
    site.save()
    assert Photo.objects.get().caption == "A cat"
