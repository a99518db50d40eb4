"""Test the photos of the example project: captions, order, and the pages to change them."""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.deadlines import DEADLINE
from tests.support.example_project import (
    Browser,
    Example,
    Page,
    fetch_image,
    new_photos,
    photo_files,
)

CAMP = "/albums/midsummer-camp/"
ALBUM = "/albums/after-the-meeting/"


def photo_paths(page: Page) -> list[str]:
    """Return the paths of the photos that a page links to, in their order."""
    return list(dict.fromkeys(re.findall(r'"(/photos/\d+/)"', page.text)))


def add_photo(example: Example, caption: str) -> str:
    """Add a photo to an album, and return the path of its page."""
    browser = Browser(f"{example.site}{ALBUM[1:]}add/")
    page = browser.submit(new_photos(**{caption: "avatar-cup.jpg"}), taken="2025-10-06")
    return photo_paths(page)[0]  # The message of the page is before its photos.


def execute(example: Example, statement: str, *rows: tuple[object, ...]) -> None:
    with closing(sqlite3.connect(example.database)) as database, database:
        database.executemany(statement, rows)


def original(page: Page) -> str:
    """Return the URL of the original that the page of a photo links to."""
    return re.search(r'href="([^"]+)">View original</a>', page.text)[1]


# Alternative text


def test_photos_have_alternative_texts_that_differ_from_captions(example: Example) -> None:
    page = example.get(CAMP)
    (tile,) = page.find_all("img", alt="A raccoon looks down from between the leaves of a palm")
    assert tile["class"] == "tile"
    assert "<span>Our visitor, five minutes after we opened the cookies</span>" in page.text
    assert "aria-hidden" not in page.text
    photo = example.get(photo_paths(page)[-1])
    assert photo.find_all("img", alt=tile["alt"])
    assert "<h1>Our visitor" in photo.text


def test_photo_without_alternative_text_has_caption_as_alt(example: Example) -> None:
    path = add_photo(example, "A cup")
    page = example.get(ALBUM)
    assert page.find_all("img", alt="A cup")
    assert '<span aria-hidden="true">A cup</span>' in page.text
    assert example.get(path).find_all("img", alt="A cup")
    assert not example.get(f"{path}delete/").find_all("img", alt="A cup")


def test_admin_list_shows_alternative_texts(example: Example) -> None:
    browser = log_in(example, "photo/")
    assert browser.page.find_all("img", alt="The face of a tabby cat with green eyes")


# Edit and delete


def test_photo_page_links_to_pages_to_change_it(example: Example) -> None:
    page = example.get(photo_paths(example.get(CAMP))[0])
    paths = {urlsplit(url).path for url in page.urls("a", "href")}
    path = urlsplit(page.url).path
    assert {f"{path}edit/", f"{path}delete/", CAMP} <= paths


def test_photo_edit_changes_texts_and_keeps_image(example: Example) -> None:
    path = add_photo(example, "Before")
    before = original(example.get(path))
    browser = Browser(f"{example.site}{path[1:]}edit/")
    assert browser.page.find_all("input", name="caption", value="Before")
    page = browser.submit(
        caption="After & <b>", alternative_text="A “new” text", taken="2025-10-07"
    )
    assert urlsplit(page.url).path == path
    assert "Your changes have been saved." in page.text
    assert "<h1>After &amp; &lt;b&gt;</h1>" in page.text
    assert page.find_all("img", alt="A “new” text")
    assert original(page) == before
    page = browser.visit(f"{example.site}{path[1:]}edit/")
    assert page.find_all("input", name="alternative_text", value="A “new” text")


def test_photo_edit_with_new_image_replaces_it(example: Example) -> None:
    path = add_photo(example, "Replaced")
    before = original(example.get(path))
    browser = Browser(f"{example.site}{path[1:]}edit/")
    page = browser.submit(photo_files("cat.jpg"), caption="Replaced", taken="2025-10-07")
    assert original(page) != before
    assert fetch_image(original(page)).size == (451, 300)


def test_photo_edit_with_invalid_field_shows_error_and_changes_nothing(example: Example) -> None:
    path = add_photo(example, "Unchanged")
    browser = Browser(f"{example.site}{path[1:]}edit/")
    page = browser.submit(caption="", taken="2025-10-07")
    assert page.status == 200
    assert "The photo was not saved" in page.text
    assert page.find_all("ul", id="id_caption_error")
    assert "<h1>Unchanged</h1>" in example.get(path).text


def test_photo_delete_confirms_and_keeps_image_on_service(example: Example) -> None:
    path = add_photo(example, "<Gone>")
    url = original(example.get(path))
    browser = Browser(f"{example.site}{path[1:]}delete/")
    assert "The image itself stays online" in browser.page.text
    assert path in {urlsplit(link).path for link in browser.page.urls("a", "href")}
    page = browser.submit()
    assert urlsplit(page.url).path == ALBUM
    assert "“&lt;Gone&gt;” was deleted." in page.text
    assert path not in photo_paths(page)
    for missing in (path, f"{path}edit/", f"{path}delete/"):
        assert example.get(missing).status == 404
    assert fetch_image(url).size == (240, 240)


def test_photo_delete_requires_csrf_token(example: Example) -> None:
    path = photo_paths(example.get(CAMP))[0]
    response = requests.post(f"{example.site}{path[1:]}delete/", timeout=DEADLINE)
    assert response.status_code == 403
    assert example.get(path).status == 200


# Order, and the admin of an album


def log_in(example: Example, path: str) -> Browser:
    """Log in to the admin, and visit a page below ``/admin/club/``."""
    browser = Browser(f"{example.site}admin/login/")
    browser.submit(username="admin", password="admin", next=f"/admin/club/{path}")
    return browser


def form_data(page: Page) -> dict[str, str]:
    """Return the values of the inputs of a change form in the admin, as a browser submits them."""
    ignored = ("checkbox", "file", "submit")
    return {
        element["name"]: html.unescape(element.get("value", ""))
        for element in page.find_all("input")
        if element.get("type") not in ignored
        and "name" in element
        and "__prefix__" not in element["name"]
    }


@pytest.fixture
def large_album(example: Example) -> str:
    """The path of an album with 30 photos below ``/albums/``, in the order of their captions."""
    execute(example, "DELETE FROM club_photo WHERE album_id = ?", (4,))
    (picture,) = {original(example.get(photo_paths(example.get(CAMP))[0]))}
    execute(
        example,
        "INSERT INTO club_photo (album_id, picture, caption, alternative_text, taken, position) "
        "VALUES (4, ?, ?, '', '2025-01-01', 0)",
        *((picture, f"Photo {number:02}") for number in range(30)),
    )
    return "/albums/perseids-under-cloud/"


def captions(page: Page) -> list[str]:
    return re.findall(r">((?:Photo|Light) \d\d)</span>", page.text)


def test_admin_of_large_album_saves_changes(example: Example, large_album: str) -> None:
    browser = log_in(example, "album/4/change/")
    data = form_data(browser.page)
    assert data["photos-TOTAL_FORMS"] == "31"
    assert {name.rpartition("-")[2] for name in data if re.match(r"photos-\d", name)} >= {
        *("id", "album", "caption", "position")
    }
    data |= {f"photos-{index}-position": str(30 - index) for index in range(30)}
    page = browser.submit(**data, description="Reversed")
    assert urlsplit(page.url).path == "/admin/club/album/"
    album = example.get(large_album)
    assert "Reversed" in album.text
    assert captions(album) == [f"Photo {number:02}" for number in reversed(range(30))]


def test_steps_between_photos_follow_positions(example: Example, large_album: str) -> None:
    execute(
        example,
        "UPDATE club_photo SET position = ? WHERE album_id = 4 AND caption = ?",
        *((7, f"Photo {number:02}") for number in (0, 1)),
    )
    paths = photo_paths(example.get(large_album))
    assert captions(example.get(large_album))[-3:] == ["Photo 29", "Photo 00", "Photo 01"]
    pages = [example.get(path) for path in paths]
    next_links = [page.find_all("a", rel="next") for page in pages]
    assert [links[0]["href"] for links in next_links[:-1]] == paths[1:]
    previous_links = [page.find_all("a", rel="prev") for page in pages]
    assert [links[0]["href"] for links in previous_links[1:]] == paths[:-1]
    assert next_links[-1] == previous_links[0] == []


def test_added_photos_are_last_in_ordered_album(example: Example, large_album: str) -> None:
    execute(example, "UPDATE club_photo SET position = 1000 - id WHERE album_id = ?", (4,))
    browser = Browser(f"{example.site}{large_album[1:]}add/")
    photos = {"Light 99": "avatar-cat.jpg", "Light 98": "avatar-cup.jpg"}
    page = browser.submit(new_photos(**photos), taken="2020-01-01")
    assert captions(page)[-3:] == ["Photo 00", "Light 99", "Light 98"]


def test_scripts_of_photo_page_are_classic_and_deferred(example: Example) -> None:
    page = example.get(photo_paths(example.get(CAMP))[0])
    scripts = page.find_all("script")
    assert all("defer" in script and "type" not in script for script in scripts)
    names = [Path(script["src"]).name for script in scripts]
    assert names == ["late_thumbnails.js", "photo_steps.js"]
