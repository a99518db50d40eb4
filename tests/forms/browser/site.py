"""The test site in a browser, and files to choose in its forms."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from PIL import Image, ImageDraw, ImageOps

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from tests.support.emulator_pictures import encoded, plain

if TYPE_CHECKING:
    from playwright.sync_api import ElementHandle, JSHandle, Locator, Page

__all__ = [
    "CAT",
    "DOG",
    "LOGO",
    "NOTES",
    "Site",
    "file",
    "incompressible_png",
    "landscape",
    "photo",
]

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

_READ_FILE = """async (input) => {
  const bytes = new Uint8Array(await input.files[0].arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""

_ADD_ROWS = """(group, number) => {
  const total = group.querySelector("[name$=-TOTAL_FORMS]");
  while (Number(total.value) < number) group.querySelector(".add-row a").click();
}"""

_ARE_DESCRIBED = """([prefix, number]) => {
  const group = document.getElementById(`${prefix}-group`);
  const canvases = [...group.querySelectorAll("groupme-image-input canvas")];
  return canvases.filter(({ hidden }) => !hidden).length >= number;
}"""


def file(name: str, data: bytes, media_type: str = "image/jpeg") -> dict[str, Any]:
    """Return a file for the method ``set_input_files`` of Playwright."""
    return {"name": name, "mimeType": media_type, "buffer": data}


def incompressible_png(side: int = 700) -> bytes:
    """Return a PNG of random pixels, each of which takes 3 bytes."""
    return encoded(Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)), "PNG")


def landscape(size: tuple[int, int] = (480, 325)) -> bytes:
    """Return a JPEG that looks like a photograph in a screenshot."""
    width, height = size
    image = Image.linear_gradient("L").resize(size)
    image = ImageOps.colorize(image, "#2f6fb3", "#f6d9b8").convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse([width * 0.65, height * 0.2, width * 0.75, height * 0.35], "#fff3c4")
    for part, color in ((0.0, "#5b7f5a"), (0.35, "#3f6b4f"), (-0.4, "#27493a")):
        left = width * (part - 0.3)
        draw.ellipse([left, height * 0.6, left + width * 1.2, height * 1.6], color)
    return encoded(image, "JPEG", quality=90)


def photo(size: tuple[int, int], **options: Any) -> bytes:
    """Return a large JPEG of random blocks, red on the stored left and blue on the right."""
    width, height = size
    noise = Image.effect_noise((width // 4, height // 4), 150).resize(size)
    black, left, right = Image.new("L", size), noise.copy(), noise
    left.paste(black, (width // 2, 0))
    right.paste(black, (-width // 2, 0))
    return encoded(Image.merge("RGB", (left, black, right)), "JPEG", quality=95, **options)


CAT = file("cat.jpg", landscape())
DOG = file("dog.png", plain("PNG", (64, 32)), "image/png")
LOGO = file("logo.png", plain("PNG", (64, 32)), "image/png")
NOTES = file("notes.jpg", b"These are notes, whatever their name says.", "image/jpeg")


class Site:
    """A page of the browser, the URL of the site, and the emulator behind it."""

    def __init__(self, page: Page, url: str, emulator: EmulatorServer) -> None:
        self.page = page
        self.url = url
        self.emulator = emulator
        #: The forms that the browser has sent: "upload" for an upload request of the script, or
        #: "submit" for a submission.
        self.posts: list[str] = []
        page.on("request", self._record)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def open_admin(self, path: str) -> Page:
        """Open a page of the admin as a superuser."""
        user, _ = get_user_model().objects.get_or_create(
            username="ann", is_staff=True, is_superuser=True
        )
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": self.url}
        self.page.context.add_cookies([cookie])
        return self.open(f"/admin/gallery/{path}")

    def restrict_user(self, permissions: list[str]) -> None:
        """Give the user of ``open_admin()`` only these permissions."""
        user = get_user_model().objects.get(username="ann")
        user.is_superuser = False
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))

    def log_in(self, link: Locator) -> None:
        """Follow a link to the login page, which opens in a new tab, and log in there."""
        user = get_user_model().objects.get(username="ann")
        user.set_password("secret")
        user.save()
        with self.page.context.expect_page() as opened:
            link.click()
        page = opened.value
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill("secret")
        with page.expect_navigation():
            page.get_by_role("button", name="Log in").click()
        page.close()

    def add_rows(self, prefix: str, number: int, field: str, text_field: str) -> None:
        """Add rows to an inline of the admin until there are ``number``, and fill them in."""
        group = self.page.locator(f"#{prefix}-group")
        group.locator(".add-row a").wait_for()
        group.evaluate(_ADD_ROWS, number)
        for index in range(number):
            image = plain("PNG", (20 + index, 20))
            self.page.locator(f"input[name='{prefix}-{index}-{field}']").set_input_files(
                file(f"{index}.png", image, "image/png")
            )
            self.page.locator(f"input[name='{prefix}-{index}-{text_field}']").fill(f"No. {index}")
        self.page.wait_for_function(_ARE_DESCRIBED, arg=[prefix, number])

    @property
    def uploads(self) -> list[int]:
        """The sizes of the uploads to the image service in bytes, or 0 for a URL."""
        return [
            entry["body_bytes"]
            for entry in self.emulator.app.record.as_list()
            if (entry["method"], entry["path"]) == ("POST", "/pictures")
        ]

    def add_image(self, data: bytes = b"") -> str:
        """Add an image to the emulator without an entry in its record, and return the URL."""
        with self.emulator.store.incoming() as path:
            path.write_bytes(data or CAT["buffer"])
            return self.emulator.url + self.emulator.store.add(path)

    def input(self, name: str) -> Locator:
        """Return the custom element around the file input with this name."""
        file_input = self.page.locator(f"input[name='{name}']")
        return self.page.locator("groupme-image-input").filter(has=file_input)

    def choose(self, name: str, chosen: dict[str, Any] = CAT, sent_name: str = "") -> Locator:
        """
        Choose a file, wait until its name is displayed, and return the element.

        ``sent_name`` is the name of the file if the script converts it.
        """
        self.page.locator(f"input[name='{name}']").set_input_files(chosen)
        element = self.input(name)
        element.get_by_text(f"\u2068{sent_name or chosen['name']}\u2069").first.wait_for()
        return element

    def chosen_bytes(self, name: str) -> bytes:
        """Return the content of the file that the form would send."""
        text = self.page.locator(f"input[name='{name}']").evaluate(_READ_FILE)
        return base64.b64decode(text)

    def drop(self, name: str, dropped: dict[str, Any] | str) -> Locator:
        """Drop a file or a URL on the element of an input, and return the element."""
        element = self.input(name)
        transfer = self.transfer(dropped)
        for kind in ("dragover", "drop"):
            element.dispatch_event(kind, {"dataTransfer": transfer})
        return element

    def transfer(self, content: dict[str, Any] | str) -> JSHandle | ElementHandle:
        """Return a ``DataTransfer`` object with a file or a URL."""
        if isinstance(content, str):
            return self.page.evaluate_handle(_MAKE_LINK_TRANSFER, content)
        text = base64.b64encode(content["buffer"]).decode()
        values = [content["name"], content["mimeType"], text]
        return self.page.evaluate_handle(_MAKE_TRANSFER, values)

    def save(self) -> None:
        """Press the first button of the form, and wait for the next page."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Save", exact=True).click()

    def press_save(self) -> None:
        """Press the first button of the form, and return immediately."""
        self.page.get_by_role("button", name="Save", exact=True).click(no_wait_after=True)

    def press_stop(self) -> None:
        """Press the button that stops an upload."""
        self.page.get_by_role("button", name="Cancel").click()

    def delay_uploads(self, seconds: float) -> None:
        """Delay the response of the image service to the next upload."""
        self.emulator.app.faults.add(Fault("delay", method="POST", seconds=seconds))

    def _record(self, request: Any) -> None:
        if request.method == "POST" and request.url.startswith(self.url):
            self.posts.append("upload" if request.resource_type == "xhr" else "submit")
