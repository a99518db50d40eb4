"""The widget for several images: choose, order, and remove them before they are saved."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from django_groupme_images.forms import GroupMeImageFormField, GroupMeMultipleImageFormField
from tests.testapp.forms import PhotosForm
from tests.testapp.views import PhotosAdd

from .conftest import Post
from .grid import NAMES, choose, files, items, message, names, open_form, saved_widths
from .inlines import drop, images, paste
from .site import CAT, NOTES, Site, file


class MixedForm(PhotosForm):
    cover = GroupMeImageFormField()
    more = GroupMeMultipleImageFormField()


class OptionalForm(PhotosForm):
    photos = GroupMeMultipleImageFormField(required=False)


def _save(site: Site, count: int) -> None:
    site.press_save()
    expect(site.page.locator("body")).to_contain_text(f"{count} photos were saved.")


@pytest.fixture
def form_page(site: Site) -> Page:
    """Return the page with a form for at most 6 images."""
    return open_form(site)


def _button(page: Page, label: str, index: int) -> Any:
    """Return the button of an image, whose label contains the name of its file."""
    return page.get_by_role("button", name=label.format(f"\u2068{NAMES[index]}\u2069"), exact=True)


# Choose


def test_chosen_files_are_uploaded_in_single_requests_and_saved_in_order(
    site: Site, form_page: Page, posts: list[Post]
) -> None:
    choose(form_page, images(5))
    expect(items(form_page).first).to_contain_text("100 × 60 pixels")
    expect(message(form_page, "status")).to_have_text("Images added: 5")
    expect(message(form_page)).to_be_empty()
    assert site.posts == []
    _save(site, 5)
    assert [post.files for post in posts] == [["photos"]] * 5 + [[]]
    assert max(post.running for post in posts) <= 3
    assert not any("photos-uploaded" in post.fields for post in posts[:5])
    assert posts[5].fields.count("photos-uploaded") == 5
    assert len(site.uploads) == 5
    assert saved_widths() == [100, 101, 102, 103, 104]


def test_files_chosen_again_are_added(site: Site, form_page: Page) -> None:
    choose(form_page, images(2))
    choose(form_page, images(4)[2:])
    assert names(form_page) == files(form_page) == NAMES[:4]
    form_page.locator("[name=photos]").set_input_files([])  # The dialog was canceled.
    assert names(form_page) == files(form_page) == NAMES[:4]
    _save(site, 4)
    assert saved_widths() == [100, 101, 102, 103]


def test_dropped_and_pasted_files_are_added(site: Site, form_page: Page) -> None:
    element = form_page.locator("groupme-images-input")
    drop(element, images(2))
    expect(items(form_page)).to_have_count(2)
    paste(form_page.locator("body"), images(4)[2:])
    expect(items(form_page)).to_have_count(4)
    assert names(form_page) == NAMES[:4]
    drop(element.locator(".groupme-grid"), [CAT])
    expect(items(form_page)).to_have_count(5)


def test_files_above_limit_are_listed_and_not_added(site: Site, form_page: Page) -> None:
    choose(form_page, images(4))
    form_page.locator("[name=photos]").set_input_files(images(9)[4:])
    expect(message(form_page)).to_contain_text("because the maximum number of images is 6: ")
    for name in NAMES[6:]:
        expect(message(form_page)).to_contain_text(name)
    expect(form_page.locator("[name=photos]")).to_have_attribute("aria-invalid", "true")
    assert names(form_page) == files(form_page) == NAMES[:6]
    _button(form_page, "Remove {}", 0).click()
    expect(message(form_page)).to_be_empty()
    choose(form_page, images(7)[6:])
    _save(site, 6)


def test_rejected_files_are_listed_and_others_are_kept(site: Site, form_page: Page) -> None:
    empty = file("empty.png", b"", "image/png")
    choose(form_page, [images(1)[0], NOTES, empty, images(2)[1]])
    expect(message(form_page)).to_contain_text("notes.jpg\u2069” is not a valid image")
    expect(message(form_page)).to_contain_text("empty.png\u2069” is empty")
    expect(message(form_page, "status")).to_have_text("Images added: 2")
    assert names(form_page) == files(form_page) == NAMES[:2]
    _save(site, 2)


def test_form_saved_while_file_is_rejected_is_not_submitted(site: Site, form_page: Page) -> None:
    form_page.evaluate(
        """() => {
          window.groupmeShrinkImage = (file) => new Promise((resolve) => {
            window.finish = () => resolve(file);
          });
        }"""
    )
    form_page.locator("[name=photos]").set_input_files([NOTES])
    form_page.wait_for_function("() => Boolean(window.finish)")
    expect(items(form_page)).to_contain_text("Preparing")
    site.press_save()
    form_page.evaluate("window.finish()")
    expect(message(form_page)).to_contain_text("is not a valid image")
    expect(form_page.locator("[name=photos]")).to_be_focused()
    assert site.posts == []


def test_copies_are_reported_until_they_are_removed(site: Site, form_page: Page) -> None:
    copy = {**images(1)[0], "name": "copy.png"}
    choose(form_page, [*images(2), copy])
    warning = items(form_page).nth(2).locator(".groupme-copy")
    expect(warning).to_contain_text(f"the same image as “\u2068{NAMES[0]}\u2069”")
    expect(message(form_page)).to_contain_text("Chosen more than once: \u2068copy.png\u2069")
    expect(form_page.locator("[name=photos]")).not_to_have_attribute("aria-invalid", "true")
    _button(form_page, "Remove {}", 0).click()
    expect(message(form_page)).to_be_empty()
    expect(form_page.locator(".groupme-copy")).to_have_count(0)


# Remove and reset


def test_removed_file_is_not_uploaded_and_focus_stays_in_grid(site: Site, form_page: Page) -> None:
    choose(form_page, images(3))
    _button(form_page, "Remove {}", 1).click()
    expect(_button(form_page, "Remove {}", 2)).to_be_focused()
    expect(message(form_page, "status")).to_contain_text("was removed")
    form_page.keyboard.press("Enter")
    expect(_button(form_page, "Remove {}", 0)).to_be_focused()
    assert files(form_page) == NAMES[:1]
    form_page.keyboard.press("Enter")
    expect(form_page.locator("[name=photos]")).to_be_focused()
    choose(form_page, images(3)[1:])
    _save(site, 2)
    assert len(site.uploads) == 2


def test_reset_form_removes_files(site: Site, form_page: Page) -> None:
    choose(form_page, [*images(2), NOTES, images(3)[2]])
    form_page.evaluate("document.querySelector('form').reset()")
    expect(items(form_page)).to_have_count(0)
    expect(message(form_page)).to_be_empty()
    assert files(form_page) == []
    choose(form_page, images(1))
    expect(message(form_page, "status")).to_have_text("Images added: 1")


# Order


def test_buttons_move_images_and_announce_position(site: Site, form_page: Page) -> None:
    choose(form_page, images(3))
    earlier = _button(form_page, "Move “{}” earlier", 2)
    earlier.focus()
    form_page.keyboard.press("Enter")
    expect(message(form_page, "status")).to_have_text("Moved to position 2 of 3")
    expect(earlier).to_be_focused()
    form_page.keyboard.press("Enter")
    expect(earlier).to_have_attribute("aria-disabled", "true")
    form_page.keyboard.press("Enter")
    expect(message(form_page, "status")).to_have_text("Moved to position 1 of 3")
    _button(form_page, "Move “{}” later", 0).click()
    assert names(form_page) == files(form_page) == [NAMES[2], NAMES[1], NAMES[0]]
    expect(_button(form_page, "Move “{}” later", 0)).to_have_attribute("aria-disabled", "true")
    _save(site, 3)
    assert saved_widths() == [102, 101, 100]


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_mouse_drags_images(site: Site, form_page: Page, direction: str) -> None:
    form_page.evaluate("(direction) => { document.dir = direction; }", direction)
    choose(form_page, images(4))
    previews = items(form_page).locator("canvas")
    points = [
        (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for box in (preview.bounding_box() for preview in previews.all())
    ]
    mouse = form_page.mouse
    mouse.move(*points[0])
    mouse.down()
    for point in points[1:3]:
        mouse.move(*point, steps=5)
    assert names(form_page) == [NAMES[1], NAMES[2], NAMES[0], NAMES[3]]
    mouse.up()
    expect(message(form_page, "status")).to_have_text("Moved to position 3 of 4")
    mouse.move(*points[3])
    mouse.down()
    mouse.move(*points[0], steps=2)
    mouse.up()
    assert names(form_page) == files(form_page) == [NAMES[3], NAMES[1], NAMES[2], NAMES[0]]
    mouse.move(*points[1])
    mouse.down()
    mouse.up()
    expect(message(form_page, "status")).to_have_text("Moved to position 1 of 4")
    _save(site, 4)
    assert saved_widths() == [103, 101, 102, 100]


# Other states of the form


def test_disabled_field_accepts_and_uploads_no_files(site: Site, form_page: Page) -> None:
    choose(form_page, images(1))
    form_page.locator("[name=photos]").evaluate("(input) => { input.disabled = true; }")
    drop(form_page.locator("groupme-images-input"), images(2))
    paste(form_page.locator("[name=title]"), images(2))
    assert names(form_page) == NAMES[:1]
    site.save()
    expect(form_page.locator("body")).to_contain_text("This field is required.")
    assert site.posts == ["submit"]
    assert site.uploads == []


def test_files_restored_by_browser_are_displayed(site: Site, form_page: Page) -> None:
    choose(form_page, images(2))
    form_page.evaluate(
        """() => {
          const input = document.querySelector("[name=photos]");
          const { files } = input;
          const element = document.querySelector("groupme-images-input");
          element.reset();
          input.files = files;
          window.dispatchEvent(new PageTransitionEvent("pageshow"));
          window.dispatchEvent(new PageTransitionEvent("pageshow"));
        }"""
    )
    expect(items(form_page)).to_have_count(2)
    _save(site, 2)


def test_cloned_element_contains_no_items(site: Site, form_page: Page) -> None:
    """Formsets copy a row, and htmx stores the markup of a page."""
    choose(form_page, images(2))
    form_page.evaluate(
        """() => {
          const element = document.querySelector("groupme-images-input");
          const copy = element.cloneNode(true);
          copy.querySelector("input").name = "copy";
          element.after(copy);
        }"""
    )
    assert names(form_page, "copy") == []
    choose(form_page, images(1), "copy")
    assert names(form_page) == NAMES[:2]


def test_several_fields_of_both_kinds_are_saved(
    site: Site, posts: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotosAdd, "form_class", MixedForm)
    page = open_form(site)
    site.choose("cover")
    choose(page, images(2))
    choose(page, images(4)[2:], "more")
    paste(page.locator("[name=more]"), images(5)[4:])
    expect(items(page, "more")).to_have_count(3)
    assert names(page) == NAMES[:2]
    page.evaluate(
        """() => {
          const element = document.querySelector("groupme-images-input");
          element.parentElement.append(element);
        }"""
    )
    _save(site, 2)
    assert sorted(name for post in posts for name in post.files) == [
        *["cover", "more", "more", "more", "photos", "photos"]
    ]
    assert all(len(post.files) == 1 for post in posts[:-1])
    fields = posts[-1].fields
    assert fields.count("more-uploaded") == 3
    assert fields.count("cover-uploaded") == 1
    assert len(site.uploads) == 6


def test_untouched_input_is_not_submitted(
    site: Site, posts: list[Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotosAdd, "form_class", OptionalForm)
    open_form(site)
    _save(site, 0)
    assert posts == [Post(False, ["csrfmiddlewaretoken", "title"], [], 1)]
