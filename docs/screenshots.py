"""
Take the screenshots of the README and the docs: ``make screenshots``.

The example site runs for it on ports and in a folder of its own, so that the club is a fresh
one each time, and a developer's stays as it is. Needs the ``browser`` group of dependencies,
and a Chromium.
"""

from __future__ import annotations

import os
import shutil
import socket
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

EXAMPLE = Path(__file__).parents[1] / "example_project"
PHOTOS = EXAMPLE / "club" / "photos"
IMAGES = Path(__file__).parent / "images"

# Letters that depend little on the machine: these fonts are as wide as each other. Without the
# last line Chromium draws some of them in one of two ways, as it happens.
STYLE = """
* {
  font-family: "Liberation Sans", Arial, Helvetica, sans-serif !important;
  text-rendering: geometricPrecision;
}
"""

Colour = tuple[int, ...]


class Shot(NamedTuple):
    """
    How to get to a page, how wide the window is, and what part of the page is in the image.

    The image has ``scale`` pixels for each of the page's, and is ``width`` pixels wide.
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
    page.reload()  # or the focus would be seen


def chosen(page: Page) -> None:
    enter_admin(page, "club/member/6/change/")  # in a fresh club, who has no picture yet
    page.locator("input[type=file]").set_input_files(PHOTOS / "rocket.jpg")
    page.get_by_role("button", name="Do not send this picture").wait_for()


def refused(page: Page) -> None:
    enter_admin(page, "club/member/5/change/")
    text = {"name": "cat.png", "mimeType": "image/png", "buffer": b"A cat, in words."}
    page.locator("input[type=file]").set_input_files(text)
    page.get_by_text("is not a picture").wait_for()


def enter_admin(page: Page, path: str) -> None:
    page.goto(f"/admin/login/?next=/admin/{path}")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/admin/{path}")


SHOTS = {
    # In a window of this width the album's four photos reach from edge to edge. They are most of
    # the file, so it has fewer pixels.
    "example-site.png": Shot(album, window=924, part="body", scale=1.5, width=1386),
    "admin-list.png": Shot(members, window=1100, part="body", scale=2, width=2200),
    "admin-widget.png": Shot(chosen, window=1100, part="#content", scale=2, width=1602),
    "admin-refused.png": Shot(refused, window=1100, part="#content", scale=2, width=1602),
}


def main() -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("Playwright is not installed: python -m pip install --group browser")
    chromium = find_chromium()
    IMAGES.mkdir(exist_ok=True)
    with example_site() as site, sync_playwright() as playwright:
        # Its sandbox does not work for root; and nothing but the example is visited.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, shot in SHOTS.items():
            save(take(browser, site, shot), IMAGES / name)
            print(f"docs/images/{name}")


def find_chromium() -> str:
    names = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
    for path in filter(None, map(shutil.which, names)):
        return path
    sys.exit(f"No Chromium is on the PATH: install one of {', '.join(names)}.")


@contextmanager
def example_site() -> Iterator[str]:
    """Its address, while it runs as ``make example`` runs it."""
    port, emulator_port = free_ports()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        ours = {"PORT": port, "EMULATOR_PORT": emulator_port, "EXAMPLE_DATA": folder, "GROUPME": ""}
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, EXAMPLE / "run.py"],
                env=os.environ | ours,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            if not any("Ctrl-C" in line for line in process.stdout):
                sys.exit(f"The example site did not start: {log.read_text()}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


def free_ports() -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def take(browser: Browser, site: str, shot: Shot) -> Image.Image:
    page = browser.new_page(
        base_url=site,
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
    # A window as high as the page has all of its lazy images in sight.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": shot.window, "height": height})
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    png = page.locator(shot.part).screenshot(animations="disabled")
    page.close()
    return Image.open(BytesIO(png)).convert("RGB")


def add_style(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text() + STYLE)


def save(image: Image.Image, path: Path) -> None:
    """As a PNG of at most 256 colours, which is a third of the size."""
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in few_colours(image) for value in colour])
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def few_colours(image: Image.Image) -> list[Colour]:
    """The most common ones, of those that are close to each other only one."""
    pixels = image.width * image.height
    chosen: list[Colour] = []
    for count, colour in sorted(image.getcolors(pixels), reverse=True):
        # A background is to stay as it is. Nearer than that, Pillow does not tell them apart.
        least = 6 if count > pixels / 1000 else 12
        if len(chosen) < 256 and all(distance(colour, other) >= least for other in chosen):
            chosen.append(colour)
    return chosen


def distance(one: Colour, other: Colour) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
