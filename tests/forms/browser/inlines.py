"""Helpers for tests of many images in an inline of the admin."""

from __future__ import annotations

import base64
from typing import Any

from PIL import Image
from playwright.sync_api import JSHandle, Locator, Page, expect

from tests.support.emulator_pictures import encoded
from tests.testapp.models import Shelf, ShelfPhoto

from .site import Site, file

CHOOSE = "Choose images or drop them here"

_MAKE_TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}"""

_PASTE = """(target, clipboardData) => {
  const options = { clipboardData, bubbles: true, cancelable: true };
  target.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def images(count: int) -> list[dict[str, Any]]:
    """Return different small images, whose widths start at 100 pixels."""
    return [
        file(
            f"photo-{index:03}.png",
            encoded(Image.new("RGB", (100 + index, 60), (index * 9 % 256, 100, 200)), "PNG"),
            "image/png",
        )
        for index in range(count)
    ]


def transfer(page: Page, chosen: list[dict[str, Any]]) -> JSHandle:
    """Return a ``DataTransfer`` object with files."""
    values = [
        [each["name"], each["mimeType"], base64.b64encode(each["buffer"]).decode()]
        for each in chosen
    ]
    return page.evaluate_handle(_MAKE_TRANSFER, values)


def drop(target: Locator, chosen: list[dict[str, Any]]) -> None:
    content = {"dataTransfer": transfer(target.page, chosen)}
    for kind in ("dragover", "drop"):
        target.dispatch_event(kind, content)


def paste(target: Locator, chosen: list[dict[str, Any]]) -> None:
    target.evaluate(_PASTE, transfer(target.page, chosen))


def zone(page: Page) -> Locator:
    return page.locator(".groupme-inline")


def choose(page: Page, chosen: list[dict[str, Any]]) -> None:
    page.get_by_label(CHOOSE).set_input_files(chosen)


def expect_added(page: Page, count: int) -> None:
    # An assertion that fails is slow on a large page, because it describes the whole page.
    page.wait_for_function(
        """(count) => document.querySelector(".groupme-inline > [role=status]").textContent ===
        `Images added: ${count}`""",
        arg=count,
    )
    expect(zone(page).get_by_role("status")).to_have_attribute("aria-live", "polite")


def file_names(page: Page) -> list[str]:
    """Return the names of the chosen files in the order of the document."""
    return page.locator("groupme-image-input input[type=file]").evaluate_all(
        "(inputs) => inputs.filter(({ files }) => files.length).map(({ files }) => files[0].name)"
    )


def positions(page: Page) -> list[str]:
    """Return the values of the ordering inputs, without the template of new rows."""
    return page.locator("input[name$=position]:not([name*=__prefix__])").evaluate_all(
        "(inputs) => inputs.map(({ value }) => value)"
    )


def open_shelf(site: Site, saved: int = 0, path: str = "shelf") -> Page:
    """Open the admin's form of a shelf with this many saved images."""
    shelf = Shelf.objects.create(title="Cats")
    for index in range(saved):
        image = site.add_image(images(1)[0]["buffer"])
        ShelfPhoto.objects.create(
            shelf=shelf, picture=image, caption=f"Saved {index}", position=index + 1
        )
    return site.open_admin(f"{path}/{shelf.pk}/change/")


def saved_widths() -> list[int | None]:
    """Return the widths of the saved images in their order."""
    return [each.picture.width for each in ShelfPhoto.objects.all()]
