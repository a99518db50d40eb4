"""Helpers for tests of the widget for several images."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page

from tests.testapp.models import Member

from .inlines import images
from .site import Site

__all__ = [
    "NAMES",
    "choose",
    "files",
    "items",
    "message",
    "names",
    "open_form",
    "saved_widths",
    "tokens",
]

#: The names of the first files of ``images()``.
NAMES = [each["name"] for each in images(9)]


def open_form(site: Site, title: str = "Trip") -> Page:
    """Open the form with a field for several images, and fill in the title."""
    page = site.open("/photos/add/")
    page.get_by_label("Title").fill(title)
    return page


def items(page: Page, name: str = "photos") -> Locator:
    """Return the images in the grid of a field."""
    element = page.locator("groupme-images-input", has=page.locator(f"input[name={name}]"))
    return element.get_by_role("listitem")


def choose(page: Page, chosen: list[dict[str, Any]], name: str = "photos") -> None:
    """Choose files, and wait until the last one has a preview."""
    page.locator(f"input[name={name}]").set_input_files(chosen)
    items(page, name).filter(has_text=chosen[-1]["name"]).last.locator("canvas").wait_for()


def names(page: Page, name: str = "photos") -> list[str]:
    """Return the names of the images in the grid, in their order."""
    texts = (
        items(page, name)
        .locator(".groupme-actions > :last-child")
        .evaluate_all("(buttons) => buttons.map((button) => button.getAttribute('aria-label'))")
    )
    return [text.removeprefix("Remove ").strip("\u2068\u2069") for text in texts]


def message(page: Page, role: str = "alert") -> Locator:
    """Return the messages about all images."""
    return page.locator(f"groupme-images-input > .groupme-script > [role={role}]")


def files(page: Page, name: str = "photos") -> list[str]:
    """Return the names of the files in the input."""
    return page.locator(f"input[name={name}]").evaluate(
        "({ files }) => [...files].map((file) => file.name)"
    )


def tokens(page: Page) -> int:
    """Return how many uploaded images the form would submit."""
    return page.locator("input[name=photos-uploaded]").count()


def saved_widths() -> list[int | None]:
    """Return the widths of the saved images in their order."""
    return [member.photo.width for member in Member.objects.order_by("pk")]
