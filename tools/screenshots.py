"""
Take the screenshots of the README and the documentation: ``make screenshots``.

This runs the example site with temporary data. It requires the dependency group ``browser`` and
Chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "example_project"
IMAGES = ROOT / "docs" / "images"
PORT, EMULATOR_PORT = "18100", "18101"

# These fonts have the same widths, so that the layout depends little on the machine. Without
# geometricPrecision, the rendering of some letters varies between runs.
STYLE = """
* {
  font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important;
  text-rendering: geometricPrecision;
}
"""


class Shot(NamedTuple):
    """
    The page, the width of the window in CSS pixels, and the selector of the part to show.

    ``scale`` is the number of image pixels per CSS pixel, and ``width`` the width of the image.
    """

    visit: Callable[[Page], None]
    window: int
    part: str
    scale: float
    width: int


def album(page: Page) -> None:
    page.goto("/albums/midsummer-camp/")


def members(page: Page) -> None:
    enter_admin(page, "club/member/")
    page.locator("#toggle-nav-sidebar").click()
    page.reload()  # The button loses the focus.


def chosen(page: Page) -> None:
    enter_admin(page, "club/member/6/change/")  # a member without an avatar
    page.locator("input[type=file]").set_input_files(EXAMPLE / "club/photos/rocket.jpg")
    page.get_by_role("button", name="Remove").wait_for()


def rejected(page: Page) -> None:
    enter_admin(page, "club/member/5/change/")
    text = {"name": "cat.png", "mimeType": "image/png", "buffer": b"A cat, in words."}
    page.locator("input[type=file]").set_input_files(text)
    page.get_by_text("is not a valid image").wait_for()


def enter_admin(page: Page, path: str) -> None:
    page.goto(f"/admin/login/?next=/admin/{path}")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/admin/{path}")


SHOTS = {
    # In a window of this width, the photos of the album extend from edge to edge. The scale is
    # smaller because photos need more bytes than text.
    "example-site.png": Shot(album, window=924, part="body", scale=1.5, width=1386),
    "admin-list.png": Shot(members, window=1100, part="body", scale=2, width=2200),
    "admin-widget.png": Shot(chosen, window=1100, part="#content", scale=2, width=1602),
    "admin-rejected.png": Shot(rejected, window=1100, part="#content", scale=2, width=1602),
}


def main() -> None:
    from playwright.sync_api import sync_playwright

    names = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
    chromium = next(filter(None, map(shutil.which, names)), None)
    with run_example() as url, sync_playwright() as playwright:
        # The sandbox does not work for root, and the browser visits only the example site.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, shot in SHOTS.items():
            # A palette reduces the files to a third.
            take(browser, url, shot).quantize(256).save(IMAGES / name, optimize=True)
            print(f"docs/images/{name}")


@contextmanager
def run_example() -> Iterator[str]:
    """Run the example site, and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PORT": PORT, "EMULATOR_PORT": EMULATOR_PORT, "EXAMPLE_DATA": folder}
        process = subprocess.Popen(
            [sys.executable, EXAMPLE / "run.py"],
            env=os.environ | environment | {"GROUPME": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # It contains a line for each request.
            text=True,
        )
        try:
            if not any("Ctrl+C" in line for line in process.stdout):
                sys.exit("The example site did not start; see make example.")
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()
            process.communicate()


def take(browser: Browser, url: str, shot: Shot) -> Image.Image:
    page = browser.new_page(
        base_url=url,
        color_scheme="light",
        device_scale_factor=shot.scale,
        locale="en-GB",
        reduced_motion="reduce",
        timezone_id="UTC",
        viewport={"width": shot.window, "height": 400},
    )
    page.route("**/*.css", add_style)
    shot.visit(page)
    page.mouse.move(0, 0)
    # Lazy images load only inside the window, so it becomes as high as the page.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": shot.window, "height": height})
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    png = page.locator(shot.part).screenshot(animations="disabled")
    page.close()
    return Image.open(BytesIO(png)).convert("RGB")


def add_style(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, body=response.text() + STYLE)


if __name__ == "__main__":
    main()
