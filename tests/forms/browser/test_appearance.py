"""Appearance and accessibility of pages: screenshots to review, and checks by axe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.http import HttpResponse
from playwright.sync_api import Locator, Page, expect

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from tests.testapp.admin import PhotoInline
from tests.testapp.models import Album, Member, Photo

from .site import CAT, NOTES, Site, file, landscape

# For preloading, axe adds style elements, which the Content Security Policy forbids.
_AXE = {"resultTypes": ["violations"], "preload": False}

_LOOKS = {
    "light": ("light", 1000),
    "dark": ("dark", 1000),
    "360": ("light", 360),
}

_TALL = file("tall.jpg", landscape((300, 700)))

# Violations by Django's own markup: the rule, and a part of the element's selector.
_DJANGO_VIOLATIONS = [
    ("empty-table-header", ".original"),  # The first column of tabular inlines has no heading.
    ("label", "-caption"),  # Cells of tabular inlines have a column heading instead.
    ("label", "-DELETE"),
]


@pytest.fixture
def check_appearance(screenshots: Path) -> Callable[..., None]:
    """Return a function that takes screenshots in several widths and colors, and runs axe."""

    def check(page: Page, name: str, looks: Any = _LOOKS) -> None:
        for look in looks:
            scheme, width = _LOOKS[look]
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 700})
            _wait_for_images(page)
            page.screenshot(path=screenshots / f"{name}-{look}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if look != "360":  # The document is the same as in "light".
                assert _violations(page) == []

    return check


def test_add_form_with_chosen_file_passes_axe(
    site: Site, check_appearance: Callable[..., None]
) -> None:
    page = site.open("/members/add/")
    check_appearance(page, "form-empty", ["light"])
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    check_appearance(page, "form-chosen")
    site.input("photo").dispatch_event("dragover", {"dataTransfer": site.transfer(CAT)})
    check_appearance(page, "form-dragged", ["light"])


def test_change_form_with_rejected_file_passes_axe(
    site: Site, check_appearance: Callable[..., None]
) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open(f"/members/{member.pk}/change/")
    site.drop("photo", NOTES)
    expect(page.get_by_role("alert")).not_to_be_empty()
    check_appearance(page, "form-rejected")
    alert = page.get_by_role("alert")
    assert _contrast(alert) > 7
    page.emulate_media(color_scheme="light")
    assert _contrast(alert) > 7


def test_change_form_with_current_image_passes_axe(
    site: Site, change_page: Page, check_appearance: Callable[..., None]
) -> None:
    check_appearance(change_page, "form-saved")
    change_page.get_by_role("button", name="Replace").click()
    check_appearance(change_page, "form-replacing", ["light", "360"])
    site.choose("photo", _TALL)
    check_appearance(change_page, "form-replaced")
    site.input("photo").get_by_role("button", name="Remove").click()
    site.input("photo").get_by_role("button", name="Remove").click()
    check_appearance(change_page, "form-removed", ["light"])


def test_zone_on_touch_screen_offers_camera_and_large_targets(
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    live_server: Any,
    service: EmulatorServer,
    check_appearance: Callable[..., None],
) -> None:
    context = watch_console(new_context(has_touch=True, is_mobile=True))
    site = Site(context.new_page(), live_server.url, service)
    page = site.open("/members/add/")
    expect(page.get_by_text("Choose an image or take a photo")).to_be_visible()
    expect(page.get_by_text("Choose an image or drop it here")).to_be_hidden()
    file_input = page.get_by_role("button", name="Photo: Choose an image or take a photo")
    expect(file_input).to_be_visible()
    site.choose("photo")
    page.set_viewport_size({"width": 360, "height": 640})
    targets = [
        file_input,
        page.get_by_label("image URL"),
        page.get_by_role("button", name="Remove"),
    ]
    for target in targets:
        box = target.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44
    check_appearance(page, "form-touch", ["360"])


def test_form_with_forced_colors_shows_all_states(
    site: Site, change_page: Page, screenshots: Path
) -> None:
    change_page.emulate_media(forced_colors="active")
    site.choose("photo")
    site.drop("photo", NOTES)
    alert = change_page.get_by_role("alert")
    expect(alert).to_contain_text("notes.jpg")
    expect(alert).to_have_css("border-top-style", "solid")
    expect(site.input("photo").locator(".groupme-file")).to_have_css("border-top-style", "solid")
    expect(site.input("photo")).to_contain_text("Will be replaced")
    change_page.screenshot(path=screenshots / "form-forced-colors.png")


def test_zone_with_focus_has_outline(site: Site, add_page: Page) -> None:
    add_page.get_by_label("Name").press("Tab")
    expect(add_page.get_by_label("Choose an image")).to_be_focused()
    expect(site.input("photo").locator(".groupme-file")).to_have_css("outline-style", "solid")
    with add_page.expect_file_chooser():
        add_page.get_by_text("Choose an image or drop it here").click(force=True)


def test_stacked_admin_inline_passes_axe(
    site: Site, check_appearance: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhotoInline, "template", "admin/edit_inline/stacked.html")
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, caption="A cat", picture=site.add_image())
    page = site.open_admin(f"album/{album.pk}/change/")
    check_appearance(page, "admin-stacked")


def test_row_of_tabular_inline_with_saved_image_is_compact(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, caption="A cat", picture=site.add_image())
    page = site.open_admin(f"album/{album.pk}/change/")
    page.set_viewport_size({"width": 1200, "height": 700})
    element = site.input("photo_set-0-picture")
    assert element.locator("img").bounding_box()["width"] == 60
    assert element.bounding_box()["height"] < 80


def test_form_during_shrinking_passes_axe(
    site: Site, check_appearance: Callable[..., None], settings: Any
) -> None:
    settings.GROUPME_MAX_DIMENSION = 400
    page = site.open("/members/add/")
    page.evaluate("() => { createImageBitmap = () => new Promise(() => {}); }")
    page.locator("input[name='photo']").set_input_files(CAT)
    status = page.get_by_role("status").filter(has_text="Preparing “\u2068cat.jpg\u2069”…")
    expect(status).to_be_visible()
    check_appearance(page, "form-preparing", ["light", "360"])


def test_form_during_upload_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo", _TALL)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=30))
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_text("Processing “")).to_be_visible()
    check_appearance(page, "form-uploading")


def test_form_with_link_to_other_page_passes_axe(
    site: Site, check_appearance: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.testapp.views.MemberAdd.post", lambda *_: HttpResponse("Thanks"))
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.press_save()
    expect(page.get_by_role("alert").get_by_role("link")).to_be_visible()
    check_appearance(page, "form-other-page")


def test_form_with_kept_upload_passes_axe(
    site: Site, check_appearance: Callable[..., None]
) -> None:
    page = site.open("/card/")
    page.locator("form").evaluate("form => { form.noValidate = true }")
    site.choose("picture")
    site.save()
    check_appearance(page, "form-kept-upload", ["light"])


def test_form_without_javascript_displays_images(
    site_without_javascript: Site, screenshots: Path
) -> None:
    member = Member.objects.create(name="Ann", photo=site_without_javascript.add_image())
    page = site_without_javascript.open(f"/members/{member.pk}/change/")
    _wait_for_images(page)
    page.screenshot(path=screenshots / "form-without-javascript.png")


def test_admin_add_form_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    check_appearance(page, "admin-add")
    site.drop("photo", NOTES)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=30))
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("progressbar")).to_be_visible()
    check_appearance(page, "admin-uploading", ["light"])


def test_admin_change_form_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open_admin(f"member/{member.pk}/change/")
    check_appearance(page, "admin-change")
    site.drop("photo", NOTES)
    expect(page.get_by_role("alert")).not_to_be_empty()
    check_appearance(page, "admin-rejected", ["dark"])


def test_admin_inline_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, caption="A cat", picture=site.add_image())
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    site.choose("photo_set-1-picture", _TALL)
    check_appearance(page, "admin-inline")


def test_admin_list_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    for name in ("Ann", "Bob"):
        Member.objects.create(name=name, photo=site.add_image() if name == "Bob" else "")
    page = site.open_admin("member/")
    site.choose("form-1-photo")
    check_appearance(page, "admin-list")


def test_right_to_left_form_is_mirrored_and_passes_axe(
    site: Site, check_appearance: Callable[..., None], settings: Any
) -> None:
    settings.LANGUAGE_CODE = "he"
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open_admin(f"member/{member.pk}/change/")
    site.choose("photo")
    check_appearance(page, "admin-rtl", ["light", "360"])
    page = site.open(f"/members/{member.pk}/change/")
    element = site.choose("photo")
    preview, text = element.locator("canvas").bounding_box(), element.get_by_text("cat.jpg")
    assert text.bounding_box()["x"] < preview["x"]
    check_appearance(page, "form-rtl", ["light"])


@pytest.mark.parametrize(
    ("language", "size"),
    [("de", "4.800 × 3 Pixel"), ("es", "4800 × 3 píxeles")],
)
def test_form_in_other_language_shows_translated_strings(
    site: Site, screenshots: Path, settings: Any, language: str, size: str
) -> None:
    settings.LANGUAGE_CODE = language
    page = site.open("/members/add/")
    element = site.choose("photo", file("line.jpg", landscape((4800, 3))))
    expect(element).to_contain_text(size)
    page.screenshot(path=screenshots / f"form-{language}.png")


_CONTRAST = """(element) => {
  const { color, backgroundColor } = getComputedStyle(element);
  const luminances = [color, backgroundColor].map((text) => {
    const channels = text.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255);
    const [red, green, blue] = channels.map((value) =>
      value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  return (Math.max(...luminances) + 0.05) / (Math.min(...luminances) + 0.05);
}"""


def _contrast(element: Locator) -> float:
    """Return the contrast of an element's own colors, as WCAG defines it."""
    return float(element.evaluate(_CONTRAST))


def _wait_for_images(page: Page) -> None:
    for image in page.locator("groupme-image-input img, img[loading=lazy]").all():
        if image.is_visible():
            image.scroll_into_view_if_needed()
            expect(image).not_to_have_js_property("naturalWidth", 0)
    page.evaluate("scrollTo(0, 0)")


def _violations(page: Page) -> list[str]:
    violations = []
    for violation in Axe().run(page, options=_AXE).response["violations"]:
        for node in violation["nodes"]:
            target = " ".join(map(str, node["target"]))
            known = any(
                rule == violation["id"] and part in target for rule, part in _DJANGO_VIOLATIONS
            )
            if not known:
                violations.append(f"{violation['id']}: {target}: {node['html'][:200]}")
    return violations
