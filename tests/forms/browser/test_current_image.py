"""The buttons next to the current image, which can be replaced or removed."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.testapp.models import Member

from .site import DOG, NOTES, Site


def test_chosen_file_replaces_removed_image(site: Site, change_page: Page) -> None:
    element = site.input("photo")
    element.get_by_role("button", name="Remove").click()
    expect(element).to_contain_text("Will be removed")
    site.drop("photo", DOG)
    expect(element).to_contain_text("Will be replaced")
    assert not element.locator("input[type=checkbox]").is_checked()
    site.save()
    assert Member.objects.get().photo.format == "png"
    assert len(site.uploads) == 1


def test_remove_button_can_be_undone(site: Site, change_page: Page) -> None:
    element = site.input("photo")
    element.get_by_role("button", name="Remove").press("Enter")
    expect(element.get_by_role("button", name="Undo")).to_be_focused()
    expect(element.get_by_role("button", name="Replace")).to_be_hidden()
    element.get_by_role("button", name="Undo").press("Enter")
    expect(element.get_by_role("button", name="Remove")).to_be_focused()
    expect(element).not_to_contain_text("Will be removed")
    site.save()
    assert Member.objects.get().photo


def test_replace_button_shows_inputs(site: Site, change_page: Page) -> None:
    replace = change_page.get_by_role("button", name="Replace")
    file_input = change_page.get_by_label("Choose an image")
    expect(replace).to_have_attribute("aria-expanded", "false")
    expect(file_input).to_be_hidden()
    replace.click()
    expect(replace).to_have_attribute("aria-expanded", "true")
    expect(file_input).to_be_visible()
    replace.click()
    expect(file_input).to_be_hidden()


def test_entered_url_marks_current_image_until_deleted(site: Site, change_page: Page) -> None:
    element = site.input("photo")
    element.get_by_role("button", name="Replace").click()
    url_input = change_page.get_by_label("image URL")
    url_input.press_sequentially("h")
    expect(element).to_contain_text("Will be replaced")
    url_input.press("Backspace")
    expect(element).not_to_contain_text("Will be replaced")
    expect(element.get_by_role("button", name="Remove")).to_be_visible()


def test_rejected_file_for_current_image_shows_inputs(site: Site, change_page: Page) -> None:
    element = site.drop("photo", NOTES)
    expect(change_page.get_by_role("alert")).to_contain_text("notes.jpg")
    expect(change_page.get_by_label("Choose an image")).to_be_visible()
    expect(element).not_to_contain_text("Will be replaced")


def test_form_with_error_of_image_shows_inputs(site: Site, change_page: Page) -> None:
    change_page.get_by_role("button", name="Replace").click()
    change_page.get_by_label("image URL").fill("http://localhost/cat.jpg")
    site.save()
    expect(change_page.locator(".errorlist")).to_be_visible()
    expect(change_page.get_by_label("image URL")).to_have_value("http://localhost/cat.jpg")


def test_image_dropped_with_focus_on_replace_button_moves_focus(
    site: Site, change_page: Page
) -> None:
    """The button is hidden then."""
    change_page.get_by_role("button", name="Replace").focus()
    site.drop("photo", DOG)
    expect(site.input("photo")).to_contain_text("Will be replaced")
    expect(change_page.get_by_label("Choose an image")).to_be_focused()
