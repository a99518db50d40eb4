"""Appearance and accessibility of pages: screenshots to look at, and checks by axe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.http import HttpResponse
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from tests.testapp.models import Album, Member, Photo

from .site import CAT, NOTES, Site, file, landscape

pytestmark = pytest.mark.browser

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
    """Return a function that takes screenshots of a page in several looks, and runs axe."""

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


def test_form_during_shrinking_passes_axe(
    site: Site, check_appearance: Callable[..., None], settings: Any
) -> None:
    settings.GROUPME_MAX_DIMENSION = 400
    page = site.open("/members/add/")
    page.evaluate("() => { createImageBitmap = () => new Promise(() => {}); }")
    page.locator("input[name='photo']").set_input_files(CAT)
    status = page.get_by_role("status").filter(has_text="Preparing “\u2068cat.jpg\u2069” …")
    expect(status).to_be_visible()
    check_appearance(page, "form-preparing", ["light", "360"])


def test_form_during_upload_passes_axe(site: Site, check_appearance: Callable[..., None]) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo", _TALL)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=30))
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_text("goes on to the image service")).to_be_visible()
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
    ("language", "remove", "size"),
    [
        ("de", "Dieses Bild nicht senden", "4.800 × 3 Pixel"),
        ("es", "No enviar esta imagen", "4800 × 3 píxeles"),
    ],
)
def test_form_in_other_language_shows_translated_texts(
    site: Site, screenshots: Path, settings: Any, language: str, remove: str, size: str
) -> None:
    settings.LANGUAGE_CODE = language
    page = site.open("/members/add/")
    element = site.choose("photo", file("line.jpg", landscape((4800, 3))))
    expect(element.get_by_role("button", name=remove)).to_be_visible()
    expect(element).to_contain_text(size)
    page.screenshot(path=screenshots / f"form-{language}.png")


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
