"""What pages look like, kept as files for people to look at, and what axe says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.http import HttpResponse
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault

from ..gallery.models import Album, Member, Photo
from .site import CAT, NOTES, Site, file, landscape

pytestmark = pytest.mark.browser

# Preloading means style elements of axe's own, which the site's policy forbids.
_AXE = {"resultTypes": ["violations"], "preload": False}

_LOOKS = {
    "light": ("light", 1000),
    "dark": ("dark", 1000),
    "360": ("light", 360),
}

_TALL = file("tall.jpg", landscape((300, 700)))

# What axe says of Django's own markup: the rule, and a part of the element's selector.
_OF_DJANGO = [
    ("empty-table-header", ".original"),  # the column of a row's name, in tabular inlines
    ("label", "-caption"),  # their cells have a column header where a label should be
    ("label", "-DELETE"),
]


@pytest.fixture
def shown(screenshots: Path) -> Callable[..., None]:
    """Keeps screenshots of a page in all its looks, and asks axe of each."""

    def show(page: Page, name: str, looks: Any = _LOOKS) -> None:
        for look in looks:
            scheme, width = _LOOKS[look]
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 700})
            _wait_for_images(page)
            page.screenshot(path=screenshots / f"{name}-{look}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if look != "360":  # which is the same document, only narrower
                assert _violations(page) == []

    return show


def test_form_to_add(site: Site, shown: Callable[..., None]) -> None:
    page = site.open("/members/add/")
    shown(page, "form-empty", ["light"])
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    shown(page, "form-chosen")
    site.input("photo").dispatch_event("dragover", {"dataTransfer": site.transfer(CAT)})
    shown(page, "form-dragged", ["light"])


def test_form_to_change(site: Site, shown: Callable[..., None]) -> None:
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open(f"/members/{member.pk}/change/")
    site.drop("photo", NOTES)
    expect(page.get_by_role("alert")).not_to_be_empty()
    shown(page, "form-refused")


def test_form_on_its_way(site: Site, shown: Callable[..., None]) -> None:
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo", _TALL)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=30))
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_text("goes on to the image service")).to_be_visible()
    shown(page, "form-sending")


def test_form_with_a_link_to_another_page(
    site: Site, shown: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.gallery.views.MemberAdd.post", lambda *_: HttpResponse("Thanks"))
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.press_save()
    expect(page.get_by_role("alert").get_by_role("link")).to_be_visible()
    shown(page, "form-other-page")


def test_form_with_a_picture_that_is_not_saved_yet(site: Site, shown: Callable[..., None]) -> None:
    page = site.open("/card/")
    page.locator("form").evaluate("form => { form.noValidate = true }")
    site.choose("picture")
    site.save()
    shown(page, "form-carried", ["light"])


def test_form_without_javascript(plain_site: Site, screenshots: Path) -> None:
    member = Member.objects.create(name="Ann", photo=plain_site.picture())
    page = plain_site.open(f"/members/{member.pk}/change/")
    _wait_for_images(page)
    page.screenshot(path=screenshots / "form-without-javascript.png")


def test_admin_to_add(site: Site, shown: Callable[..., None]) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    shown(page, "admin-add")
    site.drop("photo", NOTES)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=30))
    page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("progressbar")).to_be_visible()
    shown(page, "admin-sending", ["light"])


def test_admin_to_change(site: Site, shown: Callable[..., None]) -> None:
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open_admin(f"member/{member.pk}/change/")
    shown(page, "admin-change")
    site.drop("photo", NOTES)
    expect(page.get_by_role("alert")).not_to_be_empty()
    shown(page, "admin-refused", ["dark"])


def test_admin_inline(site: Site, shown: Callable[..., None]) -> None:
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, caption="A cat", picture=site.picture())
    page = site.open_admin(f"album/{album.pk}/change/")
    page.get_by_role("button", name="Add another Photo").click()
    site.choose("photo_set-1-picture", _TALL)
    shown(page, "admin-inline")


def test_admin_list(site: Site, shown: Callable[..., None]) -> None:
    for name in ("Ann", "Bob"):
        Member.objects.create(name=name, photo=site.picture() if name == "Bob" else "")
    page = site.open_admin("member/")
    site.choose("form-1-photo")
    shown(page, "admin-list")


def test_right_to_left(site: Site, shown: Callable[..., None], settings: Any) -> None:
    settings.LANGUAGE_CODE = "he"
    member = Member.objects.create(name="Ann", photo=site.picture())
    page = site.open_admin(f"member/{member.pk}/change/")
    site.choose("photo")
    shown(page, "admin-rtl", ["light", "360"])
    page = site.open(f"/members/{member.pk}/change/")
    element = site.choose("photo")
    picture, text = element.locator("canvas").bounding_box(), element.get_by_text("cat.jpg")
    assert text.bounding_box()["x"] < picture["x"]
    shown(page, "form-rtl", ["light"])


@pytest.mark.parametrize(
    ("language", "remove", "size"),
    [
        ("de", "Dieses Bild nicht senden", "4.800 × 3 Pixel"),
        ("es", "No enviar esta imagen", "4800 × 3 píxeles"),
    ],
)
def test_other_languages(
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
    found = []
    for violation in Axe().run(page, options=_AXE).response["violations"]:
        for node in violation["nodes"]:
            target = " ".join(map(str, node["target"]))
            known = any(rule == violation["id"] and part in target for rule, part in _OF_DJANGO)
            if not known:
                found.append(f"{violation['id']}: {target}: {node['html'][:200]}")
    return found
