"""Tests of the widgets in a right-to-left pseudo-locale with longer strings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from django_groupme_images.emulator.faults import Fault
from tests.support.pseudo_locale import activate_pseudo_locale, pseudo_string
from tests.testapp.models import Member

from . import grid
from .inlines import images, open_shelf
from .site import CAT, NOTES, Site

# The tabular inline of Django's admin needs the larger width for its own columns.
_WIDTHS = (360, 1800)

# Names of files, formats, and units, and the strings of the test site.
_UNTRANSLATED = re.compile(
    r"\b(cat|notes|photo-\d+|jpe?g|png|gif|kB|MB|byte|Photos?|Picture|(Stacked )?[Ss]helf photos|"
    r"Saved \d)\b",
    re.IGNORECASE,
)

# Text nodes and attributes that are displayed or read aloud, with their elements.
_TEXTS = """(root) => {
  const texts = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("script, style, canvas, select, td p.original")) {
      texts.push(walker.currentNode.textContent.trim());
    }
  }
  for (const name of ["aria-label", "title", "alt"]) {
    for (const element of [root, ...root.querySelectorAll(`[${name}]`)]) {
      texts.push(element.getAttribute(name) ?? "");
    }
  }
  return texts.filter(Boolean);
}"""

# Visible buttons and labels that reach beyond the element around all of them.
_OUTSIDE = """(root) => {
  const outer = root.getBoundingClientRect();
  return [...root.querySelectorAll("button, label, progress, [role=status], [role=alert]")]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => !element.matches(".groupme-announced"))
    .filter((element) => {
      const inner = element.getBoundingClientRect();
      const isClipped = element.matches("button") && element.scrollWidth > element.clientWidth + 1;
      const isOutside = inner.left < outer.left - 1 || inner.right > outer.right + 1;
      return inner.width > 0 && (isClipped || isOutside);
    })
    .map((element) => `${element.outerHTML} in ${root.localName}.${root.className}`);
}"""

_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(autouse=True)
def pseudo_locale(settings: Any, tmp_path: Path) -> None:
    activate_pseudo_locale(settings, tmp_path / "locale")


def _check(page: Page, parts: Locator, path: Path) -> None:
    """Check the direction, the strings, and the layout, and take screenshots."""
    assert page.locator("html").get_attribute("dir") == "rtl"
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=f"{path}-{width}.png", full_page=True)
        assert page.evaluate(_OVERFLOW) <= 0, width
        for part in parts.all():
            assert part.evaluate(_OUTSIDE) == [], width
    for part in parts.all():
        untranslated = [
            text
            for text in part.evaluate(_TEXTS)
            if re.search("[A-Za-z]{2}", _UNTRANSLATED.sub("", text))
        ]
        assert untranslated == []


def test_pseudo_string_keeps_placeholders_and_is_longer() -> None:
    text = "{done} of {total} images uploaded"
    pseudo = pseudo_string(text)
    assert "{done}" in pseudo
    assert "{total}" in pseudo
    assert 1.25 * len(text) < len(pseudo) < 1.6 * len(text)


def test_widget_in_pseudo_locale(site: Site, screenshots: Path) -> None:
    page = site.open("/members/add/")
    widget = page.locator("groupme-image-input")
    _check(page, widget, screenshots / "pseudo-empty")
    site.choose("photo")
    expect(widget.locator("canvas")).to_be_visible()
    _check(page, widget, screenshots / "pseudo-chosen")
    site.drop("photo", NOTES)
    expect(widget.get_by_role("alert")).not_to_be_empty()
    _check(page, widget, screenshots / "pseudo-rejected")


def test_widget_with_current_image_and_errors_in_pseudo_locale(
    site: Site, screenshots: Path
) -> None:
    member = Member.objects.create(name="Ann", photo=site.add_image())
    page = site.open(f"/members/{member.pk}/change/")
    widget = page.locator("groupme-image-input")
    _check(page, widget, screenshots / "pseudo-saved")
    widget.locator(".groupme-actions button").first.click()
    site.choose("photo")
    _check(page, widget, screenshots / "pseudo-replaced")
    site.emulator.app.faults.add(Fault("status", status=503, method="POST", times=9))
    page.locator("form button").last.click()
    expect(widget.get_by_role("alert")).not_to_be_empty()
    _check(page, widget, screenshots / "pseudo-unavailable")


def test_grid_in_pseudo_locale(site: Site, screenshots: Path) -> None:
    page = site.open("/photos/add/")
    widgets = page.locator("groupme-images-input, .groupme-summary")
    _check(page, widgets, screenshots / "pseudo-grid-empty")
    grid.choose(page, [NOTES, *images(3), CAT, CAT, *images(1)])
    expect(grid.message(page)).to_contain_text("cat.jpg")
    _check(page, widgets, screenshots / "pseudo-grid-chosen")
    page.locator("input[name=title]").fill("Trip")
    site.emulator.app.faults.add(Fault("status", status=503, method="POST", times=99))
    page.locator("form > button").first.click()
    summary = page.locator(".groupme-summary")
    expect(summary).to_contain_text(pseudo_string("Several uploads")[1:16])
    _check(page, widgets, screenshots / "pseudo-grid-failed")


@pytest.mark.parametrize("path", ["shelf", "stackedshelf"])
def test_admin_inline_in_pseudo_locale(site: Site, screenshots: Path, path: str) -> None:
    page = open_shelf(site, saved=2, path=path)
    parts = page.locator(".groupme-inline, groupme-image-input:visible, .groupme-order:visible")
    _check(page, parts, screenshots / f"pseudo-{path}-saved")
    page.locator(".groupme-inline input[type=file]").set_input_files([*images(1), CAT, CAT])
    expect(page.locator(".groupme-copy").first).to_be_visible()
    _check(page, parts, screenshots / f"pseudo-{path}-chosen")
