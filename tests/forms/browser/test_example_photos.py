"""The photos of the example site: arrow keys and swipes, and adding several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.example_project import Example, running
from tests.support.ports import free_port

from .grid import choose
from .site import file, landscape

# Records the links that the script follows, without following them.
RECORD = """() => {
  window.followed = [];
  for (const link of document.querySelectorAll(".steps a")) {
    link.onclick = (event) => {
      event.preventDefault();
      window.followed.push(link.rel);
    };
  }
}"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """A running example project, which no test changes."""
    data = str(tmp_path_factory.mktemp("example"))
    ports = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port())}
    with running({**ports, "EXAMPLE_DATA": data}) as example:
        yield example


@pytest.fixture
def phone(new_context: Callable[..., Any], watch_console: Callable[[Any], Any]) -> Any:
    """A page in a window of 360 pixels with a touch screen."""
    page = watch_console(new_context(has_touch=True, is_mobile=True)).new_page()
    page.set_viewport_size({"width": 360, "height": 700})
    return page


@pytest.fixture
def open_photo(example: Example) -> Callable[..., Any]:
    """A function that opens a photo that has a previous and a next one."""

    def open_photo(page: Any, number: int = 2, direction: str = "ltr") -> Any:
        # This event is before the deferred scripts.
        page.add_init_script(
            "document.addEventListener('readystatechange', () => { "
            f"document.documentElement.dir = '{direction}'; }})"
        )
        page.goto(f"{example.site}photos/{number}/")
        return page

    return open_photo


def followed(page: Any, action: Callable[[], Any]) -> list[str]:
    """Return the ``rel`` of each link that the script follows during an action."""
    page.evaluate(RECORD)
    action()
    return list(page.evaluate("window.followed"))


def swipe(page: Any, *points: tuple[int, int], second: tuple[int, int] | None = None) -> None:
    """Move a finger over points relative to the center of the photo, and lift it."""
    session = page.context.new_cdp_session(page)
    box = page.locator(".photo").bounding_box()
    center = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def send(kind: str, *touches: tuple[int, int]) -> None:
        touch_points = [
            {"x": center[0] + x, "y": center[1] + y, "id": number}
            for number, (x, y) in enumerate(touches)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touch_points})

    others = [second] if second else []
    send("touchStart", points[0])
    if second:
        send("touchStart", points[0], second)
    for point in points[1:]:
        send("touchMove", point, *others)
    send("touchEnd")
    session.detach()


@pytest.mark.parametrize(
    ("direction", "left", "right"), [("ltr", "prev", "next"), ("rtl", "next", "prev")]
)
def test_arrow_key_follows_link_in_its_direction(
    page: Any, open_photo: Any, direction: str, left: str, right: str
) -> None:
    open_photo(page, direction=direction)
    assert followed(page, lambda: page.keyboard.press("ArrowLeft")) == [left]
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == [right]
    shortcut = page.locator(f".steps a[rel={right}]").get_attribute("aria-keyshortcuts")
    assert shortcut == "ArrowRight"


def test_arrow_keys_and_swipes_visit_photos(
    page: Any, phone: Any, open_photo: Any, example: Example
) -> None:
    open_photo(page, number=1)
    for key, number in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        page.keyboard.press(key)
        page.wait_for_url(f"{example.site}photos/{number}/")
    open_photo(phone, number=1)
    for distance, number in ((-80, 2), (-80, 3), (80, 2)):
        swipe(phone, (0, 0), (distance // 2, 0), (distance, 5))
        phone.wait_for_url(f"{example.site}photos/{number}/")


@pytest.mark.parametrize(
    "key",
    [
        *("Shift+ArrowRight", "Control+ArrowRight", "Alt+ArrowRight", "Meta+ArrowRight"),
        *("ArrowDown", "n", "Tab", "Enter", "PageDown"),
    ],
)
def test_other_keys_follow_no_link(page: Any, open_photo: Any, key: str) -> None:
    open_photo(page)
    # Chromium itself goes forward or back with Alt and an arrow key, but only with a window.
    assert followed(page, lambda: page.keyboard.press(key)) == []


def test_arrow_key_at_last_photo_follows_no_link(page: Any, open_photo: Any) -> None:
    open_photo(page, number=4)
    assert page.locator(".steps a").count() == 1
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == []
    assert followed(page, lambda: page.keyboard.press("ArrowLeft")) == ["prev"]


def test_arrow_key_that_is_held_down_follows_link_once(page: Any, open_photo: Any) -> None:
    open_photo(page)

    def hold() -> None:
        for _ in range(3):  # Playwright marks the second and third as repeated.
            page.keyboard.down("ArrowRight")
        page.keyboard.up("ArrowRight")

    assert followed(page, hold) == ["next"]


@pytest.mark.parametrize(
    "element",
    ["<input>", "<textarea></textarea>", "<select></select>", "<p contenteditable>text</p>"],
)
def test_arrow_key_in_editable_element_follows_no_link(
    page: Any, open_photo: Any, element: str
) -> None:
    open_photo(page)
    page.evaluate(
        "(html) => { document.querySelector('main').insertAdjacentHTML('beforeend', html);"
        " document.querySelector('main').lastElementChild.focus(); }",
        element,
    )
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == []
    page.evaluate("document.activeElement.blur()")
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == ["next"]


def test_arrow_key_that_another_script_handles_follows_no_link(page: Any, open_photo: Any) -> None:
    open_photo(page)
    page.evaluate("document.body.addEventListener('keydown', (event) => event.preventDefault())")
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == []


def test_arrow_key_on_page_that_scrolls_sideways_follows_no_link(
    page: Any, open_photo: Any
) -> None:
    open_photo(page)
    page.evaluate("document.querySelector('h1').style.width = '3000px'")
    assert followed(page, lambda: page.keyboard.press("ArrowRight")) == []


@pytest.mark.parametrize(
    ("direction", "left", "right"), [("ltr", "next", "prev"), ("rtl", "prev", "next")]
)
def test_swipe_follows_link_in_its_direction(
    phone: Any, open_photo: Any, direction: str, left: str, right: str
) -> None:
    open_photo(phone, direction=direction)
    assert followed(phone, lambda: swipe(phone, (40, 0), (0, 5), (-40, 10))) == [left]
    assert followed(phone, lambda: swipe(phone, (-40, 0), (0, 5), (40, 10))) == [right]


@pytest.mark.parametrize(
    "points",
    [
        [(0, 0)],
        [(20, 0), (-20, 0)],
        [(0, -60), (0, 60)],
        [(30, -30), (-30, 30)],
        [(0, 0), (60, 0), (0, 0)],
    ],
    ids=["tap", "short", "vertical", "diagonal", "back"],
)
def test_touch_other_than_swipe_follows_no_link(
    phone: Any, open_photo: Any, points: list[tuple[int, int]]
) -> None:
    open_photo(phone)
    assert followed(phone, lambda: swipe(phone, *points)) == []


def test_touch_with_two_fingers_follows_no_link(phone: Any, open_photo: Any) -> None:
    open_photo(phone)
    action = lambda: swipe(phone, (40, 0), (0, 0), (-60, 0), second=(60, 20))  # noqa: E731
    assert followed(phone, action) == []
    assert followed(phone, lambda: swipe(phone, (40, 0), (-40, 0))) == ["next"]


def test_touch_that_is_canceled_or_slow_follows_no_link(phone: Any, open_photo: Any) -> None:
    open_photo(phone)
    phone.evaluate(
        """() => {
          window.send = (kind, x, timeStamp) => {
            const photo = document.querySelector(".photo");
            const touch = new Touch({ identifier: 1, target: photo, clientX: x, clientY: 200 });
            const event = new TouchEvent(kind, {
              bubbles: true,
              touches: kind === "touchstart" ? [touch] : [],
              changedTouches: [touch],
            });
            Object.defineProperty(event, "timeStamp", { value: timeStamp });
            photo.dispatchEvent(event);
          };
        }"""
    )
    script = "(events) => events.forEach((event) => window.send(...event))"
    canceled = [("touchstart", 200, 0), ("touchcancel", 180, 10), ("touchend", 100, 20)]
    assert followed(phone, lambda: phone.evaluate(script, canceled)) == []
    slow = [("touchstart", 200, 0), ("touchend", 100, 900)]
    assert followed(phone, lambda: phone.evaluate(script, slow)) == []
    quick = [("touchstart", 200, 0), ("touchend", 100, 700)]
    assert followed(phone, lambda: phone.evaluate(script, quick)) == ["next"]


def test_swipe_outside_photo_follows_no_link(phone: Any, open_photo: Any) -> None:
    open_photo(phone)
    outside = int(phone.locator(".photo").bounding_box()["height"] / 2 + 30)
    assert followed(phone, lambda: swipe(phone, (40, outside), (-40, outside))) == []


def test_swipe_on_zoomed_page_follows_no_link(phone: Any, open_photo: Any) -> None:
    open_photo(phone)
    session = phone.context.new_cdp_session(phone)
    session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
    phone.wait_for_function("() => window.visualViewport.scale > 1.5")
    assert followed(phone, lambda: swipe(phone, (40, 0), (-40, 0))) == []
    assert followed(phone, lambda: phone.keyboard.press("ArrowRight")) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        *("albums/midsummer-camp", "albums/midsummer-camp/add"),
        *("photos/2", "photos/2/edit", "photos/2/delete"),
    ],
)
def test_page_of_example_passes_axe(page: Any, example: Example, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{example.site}{path}/")
    # For preloading, axe adds style elements, which the Content Security Policy forbids.
    options = {"resultTypes": ["violations"], "preload": False}
    assert Axe().run(page, options=options).response["violations"] == []
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_photos_chosen_together_are_added_to_album(
    page: Any, tmp_path: Path, screenshots: Path
) -> None:
    ports = {"PORT": str(free_port()), "EMULATOR_PORT": str(free_port())}
    with running({**ports, "EXAMPLE_DATA": str(tmp_path)}) as example:
        page.goto(f"{example.site}albums/clubhouse-wall/add/")
        chosen = [file(f"evening_{n}.jpg", landscape((480 + n, 325))) for n in range(12)]
        choose(page, [*chosen, file("IMG_1.jpg", landscape((700, 400)))], "pictures")
        page.screenshot(path=screenshots / "example-photos.png", full_page=True)
        with page.expect_navigation(url="**/clubhouse-wall/"):
            page.get_by_role("button", name="Add photos").click()
        message = page.locator(".message")
        expect(message).to_have_text("13 photos were added, starting with “Evening 0”.")
        captions = page.locator(".photos span").all_text_contents()
        assert captions[-13:] == [
            *(f"Evening {number}" for number in range(12)),
            f"On the clubhouse wall {len(captions)}",
        ]
        message.get_by_role("link").click()
        expect(page.get_by_role("heading", name="Evening 0")).to_be_visible()
