"""The test site as a person in front of a browser meets it."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from PIL import Image, ImageDraw, ImageOps

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault

from ..emulator_pictures import encoded

if TYPE_CHECKING:
    from playwright.sync_api import ElementHandle, JSHandle, Locator, Page

__all__ = ["CAT", "NOTES", "Site", "big_picture", "file", "landscape"]

_MAKE_TRANSFER = """([name, type, text]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  return transfer;
}"""

_MAKE_LINK_TRANSFER = """(url) => {
  const transfer = new DataTransfer();
  transfer.setData("text/uri-list", url);
  return transfer;
}"""


def file(name: str, data: bytes, media_type: str = "image/jpeg") -> dict[str, Any]:
    """A file, as Playwright puts it into an input."""
    return {"name": name, "mimeType": media_type, "buffer": data}


def big_picture(side: int = 700) -> bytes:
    """A PNG that nothing can compress, of 3 bytes for each of its pixels."""
    return encoded(Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)), "PNG")


def landscape(size: tuple[int, int] = (480, 325)) -> bytes:
    """A JPEG that looks like a picture on a screenshot."""
    width, height = size
    image = Image.linear_gradient("L").resize(size)
    image = ImageOps.colorize(image, "#2f6fb3", "#f6d9b8").convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse([width * 0.65, height * 0.2, width * 0.75, height * 0.35], "#fff3c4")
    for part, colour in ((0.0, "#5b7f5a"), (0.35, "#3f6b4f"), (-0.4, "#27493a")):
        left = width * (part - 0.3)
        draw.ellipse([left, height * 0.6, left + width * 1.2, height * 1.6], colour)
    return encoded(image, "JPEG", quality=90)


CAT = file("cat.jpg", landscape())
NOTES = file("notes.jpg", b"These are notes, whatever their name says.", "image/jpeg")


class Site:
    """A page of the browser, the site's address, and what arrived at the emulator."""

    def __init__(self, page: Page, url: str, emulator: EmulatorServer) -> None:
        self.page = page
        self.url = url
        self.emulator = emulator
        self.posts: list[str] = []  # the forms that were sent to the site: ahead, or for good
        page.on("request", self._note)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def open_admin(self, path: str) -> Page:
        """Open a page of the admin, logged in."""
        user, _ = get_user_model().objects.get_or_create(
            username="ann", is_staff=True, is_superuser=True
        )
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": self.url}
        self.page.context.add_cookies([cookie])
        return self.open(f"/admin/gallery/{path}")

    @property
    def uploads(self) -> list[int]:
        """The sizes, in bytes, of what was uploaded to the service; 0 is an address."""
        return [
            entry["body_bytes"]
            for entry in self.emulator.app.record.as_list()
            if (entry["method"], entry["path"]) == ("POST", "/pictures")
        ]

    def picture(self, data: bytes = b"") -> str:
        """The URL of a picture that is on the service already; the record knows nothing of it."""
        with self.emulator.store.incoming() as path:
            path.write_bytes(data or CAT["buffer"])
            return self.emulator.url + self.emulator.store.add(path)

    def input(self, name: str) -> Locator:
        """The element around the file input of this name."""
        file_input = self.page.locator(f"input[name='{name}']")
        return self.page.locator("groupme-image-input").filter(has=file_input)

    def choose(self, name: str, chosen: dict[str, Any] = CAT) -> Locator:
        """Choose a file, and wait until it is shown."""
        self.page.locator(f"input[name='{name}']").set_input_files(chosen)
        element = self.input(name)
        element.get_by_text(chosen["name"]).first.wait_for()
        return element

    def drop(self, name: str, dropped: dict[str, Any] | str) -> Locator:
        """Drop a file, or a link, on the element of an input."""
        element = self.input(name)
        transfer = self.transfer(dropped)
        for kind in ("dragover", "drop"):
            element.dispatch_event(kind, {"dataTransfer": transfer})
        return element

    def transfer(self, content: dict[str, Any] | str) -> JSHandle | ElementHandle:
        """What is dragged: a file, or a link."""
        if isinstance(content, str):
            return self.page.evaluate_handle(_MAKE_LINK_TRANSFER, content)
        text = base64.b64encode(content["buffer"]).decode()
        values = [content["name"], content["mimeType"], text]
        return self.page.evaluate_handle(_MAKE_TRANSFER, values)

    def save(self) -> None:
        """Press the first button of the form, and wait for the page after it."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Save", exact=True).click()

    def press_save(self) -> None:
        """Press the first button of the form, without waiting for anything."""
        self.page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)

    def press_stop(self) -> None:
        """Press the button that stops an upload."""
        self.page.get_by_role("button", name="Stop").click()

    def delay_uploads(self, seconds: float) -> None:
        """Let the image service respond to the next upload after so many seconds."""
        self.emulator.app.faults.add(Fault("delay", method="POST", seconds=seconds))

    def _note(self, request: Any) -> None:
        if request.method == "POST" and request.url.startswith(self.url):
            self.posts.append("ahead" if request.resource_type == "xhr" else "for good")
