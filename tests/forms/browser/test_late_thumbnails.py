"""Thumbnails that do not exist yet, which the browser requests again for 30 seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.deadlines import wait_until
from tests.testapp.models import Album, Member, Photo

from .site import Site

SCRIPT = "/static/groupme_images/late_thumbnails.js"
DURATION = 30_000  # milliseconds
IS_LATE = re.compile("groupme-late")

_INSERT = """(attributes) => {
  const image = document.createElement("img");
  for (const [name, value] of Object.entries(attributes)) image.setAttribute(name, value);
  document.querySelector("main, #content").append(image);
}"""

_INSERT_PICTURE = """(url) => {
  const [picture, source, image] = ["picture", "source", "img"].map((tag) =>
    document.createElement(tag)
  );
  source.srcset = image.src = url;
  picture.append(source, image);
  document.querySelector("main").append(picture);
}"""
_INSERT_SPACE = """() => {
  const space = document.createElement("canvas");
  space.height = 20000;
  document.querySelector("main").append(space);
}"""


@pytest.fixture
def set_delay(service: Any, expected_messages: list[str]) -> Callable[[float], None]:
    """A function that sets the delay of all thumbnails in seconds. The default is an hour."""
    expected_messages += [".preview", ".avatar", ".large"]  # The browser reports each 403.

    def change(seconds: float) -> None:
        service.store.assumptions = replace(service.store.assumptions, thumbnail_delay=seconds)

    change(3600)
    return change


@pytest.fixture
def list_images(service: Any) -> Callable[[], list[str]]:
    """A function that returns the suffix of each requested image, "preview" or "" for example."""
    return lambda: [
        path.rpartition(".")[2] if path.count(".") > 2 else ""
        for path in (entry["path"] for entry in service.app.record.as_list())
        if path != "/pictures"
    ]


@pytest.fixture
def expect_images(list_images: Callable[[], list[str]]) -> Callable[[list[str]], None]:
    """A function that waits for this number of requests, and compares all of them."""

    def compare(expected: list[str]) -> None:
        wait_until(lambda: len(list_images()) >= len(expected))
        assert list_images() == expected

    return compare


@pytest.fixture
def page(page: Page) -> Page:
    """A page whose clock is stopped."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    return page


@pytest.fixture
def member(site: Site, set_delay: Callable[[float], None]) -> Member:
    """A member whose photo has no thumbnails yet."""
    return Member.objects.create(name="Ann", photo=site.add_image())


@pytest.fixture
def image(site: Site, page: Page, member: Member) -> Locator:
    """The late preview of the member's photo, which failed before the script was loaded."""
    image = site.open(f"/members/{member.pk}/").get_by_role("img", name="Ann")
    expect(image).to_have_js_property("complete", True)
    page.add_script_tag(url=SCRIPT)
    expect(image).to_have_class(IS_LATE)
    return image


def insert(page: Page, src: str, **attributes: str) -> Locator:
    """Insert an image into the page of the fixture ``image``."""
    page.evaluate(_INSERT, {"src": src, "id": "inserted", **attributes})
    return page.locator("#inserted")


def test_late_preview_is_requested_again_until_it_exists(
    page: Page, image: Locator, set_delay: Any, expect_images: Any
) -> None:
    page.clock.run_for(1100)
    expect(image).to_have_class(IS_LATE)
    set_delay(0)
    page.clock.run_for(2000)
    expect(image).to_have_js_property("naturalWidth", 200)
    expect(image).not_to_have_class(IS_LATE)
    page.clock.run_for(2 * DURATION)
    expect_images(["preview"] * 3)


def test_late_preview_is_requested_again_after_growing_intervals(
    page: Page, image: Locator, expect_images: Any
) -> None:
    elapsed = requests = 0
    while elapsed < DURATION:
        requests += 1
        expect(image).to_have_class(IS_LATE)
        wait = int(min(1000 + elapsed / 2, DURATION - elapsed))
        page.clock.run_for(wait - 1)
        expect_images(["preview"] * requests)
        with page.expect_request("**/*.preview"):
            page.clock.run_for(3)
        elapsed += wait + 2
    expect(image).to_have_class("groupme-original")
    assert requests == 7
    expect_images(["preview"] * 8 + [""])


def test_preview_missing_after_30_seconds_is_replaced_by_original_once(
    page: Page, member: Member, image: Locator, expect_images: Any
) -> None:
    page.clock.run_for(DURATION)
    expect(image).to_have_js_property("naturalWidth", 480)
    expect(image).to_have_attribute("src", member.photo.url)
    expect(image).to_have_css("object-fit", "cover")
    expect(image).to_have_css("opacity", "1")
    page.clock.run_for(2 * DURATION)
    expect_images(["preview", "preview", ""])


def test_missing_original_is_requested_once(
    site: Site, page: Page, image: Locator, expect_images: Any, expected_messages: list[str]
) -> None:
    expected_messages.append("480x325.jpeg.")
    site.emulator.store.clear()
    page.clock.run_for(DURATION)
    expect(image).to_have_class("groupme-original")
    expect(image).to_have_js_property("complete", True)
    page.clock.run_for(2 * DURATION)
    expect_images(["preview", "preview", ""])


def test_waiting_image_keeps_size_and_alternative_text(page: Page, image: Locator) -> None:
    expect(image).to_have_css("opacity", "0")
    expect(image).to_have_attribute("alt", "Ann")
    box = image.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (200, 200)


def test_page_layout_when_late_image_is_loaded_is_unchanged(
    page: Page, image: Locator, set_delay: Any
) -> None:
    box = page.locator("main").bounding_box()
    set_delay(0)
    page.clock.run_for(1100)
    expect(image).to_have_js_property("naturalWidth", 200)
    assert page.locator("main").bounding_box() == box


def test_script_included_twice_makes_each_request_once(
    page: Page, image: Locator, expect_images: Any
) -> None:
    page.clock.run_for(500)
    page.add_script_tag(url=SCRIPT)
    for milliseconds in (600, 600):  # A second timer would end after 1500 milliseconds.
        page.clock.run_for(milliseconds)
        expect(image).to_have_class(IS_LATE)
    expect_images(["preview"] * 2)


def test_inserted_image_with_srcset_is_replaced_by_original(
    page: Page, member: Member, image: Locator, list_images: Any
) -> None:
    large = member.photo.large_url
    inserted = insert(page, large, srcset=f"{large} 480w", sizes="480px")
    expect(inserted).to_have_class(IS_LATE)
    page.clock.run_for(DURATION)
    expect(inserted).to_have_js_property("naturalWidth", 480)
    assert inserted.get_attribute("srcset") is None
    assert list_images().count("large") == 2


def test_inserted_image_without_dimensions_in_url_is_retried(
    site: Site, page: Page, member: Member, image: Locator, set_delay: Any
) -> None:
    inserted = insert(page, f"{site.emulator.url}{member.photo.picture.id}.avatar")
    expect(inserted).to_have_class(IS_LATE)
    set_delay(0)
    page.clock.run_for(1100)
    expect(inserted).to_have_js_property("naturalWidth", 60)


def test_late_source_of_picture_element_is_not_requested_forever(
    page: Page, member: Member, image: Locator, list_images: Any
) -> None:
    page.evaluate(_INSERT_PICTURE, member.photo.large_url)
    inserted = page.locator("picture img")
    expect(inserted).to_have_class(IS_LATE)
    with page.expect_request("**/*.large"):
        page.clock.run_for(DURATION)
    expect(inserted).to_have_class("groupme-original")
    expect(inserted).to_have_js_property("complete", True)
    page.clock.run_for(2 * DURATION)
    assert list_images().count("large") == 3


def test_lazy_image_below_page_is_requested_when_it_is_scrolled_into_view(
    page: Page, member: Member, image: Locator, set_delay: Any, list_images: Any
) -> None:
    page.evaluate(_INSERT_SPACE)
    inserted = insert(page, member.photo.avatar_url, loading="lazy")
    page.clock.run_for(DURATION)
    assert "avatar" not in list_images()
    inserted.scroll_into_view_if_needed()
    expect(inserted).to_have_class(IS_LATE)
    set_delay(0)
    page.clock.run_for(1100)
    expect(inserted).to_have_js_property("naturalWidth", 60)


def test_image_with_new_src_or_removed_from_page_is_not_requested_again(
    site: Site, page: Page, image: Locator, expect_images: Any
) -> None:
    other = site.add_image()
    image.evaluate("(image, url) => { image.src = url }", other)
    expect(image).to_have_js_property("naturalWidth", 480)
    removed = insert(page, f"{other}.preview")
    expect(removed).to_have_class(IS_LATE)
    removed.evaluate("(image) => image.remove()")
    page.clock.run_for(2 * DURATION)
    expect_images(["preview", "", "preview"])


def test_image_restored_with_class_of_late_image_is_visible(
    page: Page, image: Locator, set_delay: Any
) -> None:
    """Scripts such as htmx save the HTML of a page, and insert it again later."""
    set_delay(0)
    image.evaluate("(image) => image.replaceWith(document.importNode(image))")
    expect(image).to_have_js_property("naturalWidth", 200)
    expect(image).to_have_css("opacity", "1")


@pytest.mark.parametrize("path", ["/static/logo.png", "/static/logo.preview", "/1x1.png.preview"])
def test_other_missing_image_is_neither_retried_nor_replaced(
    site: Site, page: Page, image: Locator, expected_messages: list[str], path: str
) -> None:
    expected_messages.append(path)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    inserted = insert(page, path)
    expect(inserted).to_have_js_property("complete", True)
    page.clock.run_for(2 * DURATION)
    assert requests.count(site.url + path) == 1
    expect(inserted).to_have_attribute("src", path)
    assert inserted.get_attribute("class") is None


def test_late_preview_in_widget_after_save_appears(
    site: Site, page: Page, set_delay: Any, expect_images: Any
) -> None:
    site.open_admin("member/add/").get_by_label("Name").fill("Ann")
    site.choose("photo")
    with page.expect_navigation():
        page.get_by_role("button", name="Save and continue editing").click()
    image = site.input("photo").locator("img")
    expect(image).to_have_class(IS_LATE)
    set_delay(0)
    page.clock.run_for(1100)
    expect(image).to_have_js_property("naturalWidth", 200)
    expect_images(["preview"] * 2)
    assert len(site.uploads) == 1


def test_late_thumbnails_in_admin_list_appear(
    site: Site, page: Page, set_delay: Any, expect_images: Any
) -> None:
    album = Album.objects.create(title="Cats")
    for number in range(20):
        Photo.objects.create(album=album, picture=site.add_image(), caption=str(number))
    scripts: list[str] = []
    page.on("request", lambda request: scripts.extend(re.findall(SCRIPT, request.url)))
    site.open_admin("photo/")
    late = page.locator("#result_list img.groupme-late")
    expect(late).to_have_count(20)
    set_delay(0)
    page.clock.run_for(1100)
    expect(page.locator("#result_list img").last).to_have_js_property("naturalWidth", 60)
    page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth === 60)")
    expect_images(["avatar"] * 40)
    assert len(scripts) == 1
