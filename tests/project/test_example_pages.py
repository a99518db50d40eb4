"""Test the pages and forms of the example project."""

from __future__ import annotations

import html
import re
import runpy
from urllib.parse import urljoin, urlsplit

import django
import pytest
import requests

from tests.support.deadlines import DEADLINE
from tests.support.example_project import (
    EXAMPLE,
    PHOTOS,
    Browser,
    Example,
    fetch_image,
    linked_pages,
    new_photos,
    photo_files,
)


def test_linked_pages_return_200_with_unique_titles_and_alt_texts(example: Example) -> None:
    pages = linked_pages(example)
    assert len(pages) >= 2 + 2 * 4 + 11
    for page in pages.values():
        assert page.status == 200, page.url
        assert page.text.count("<h1") == page.text.count("<title>") == 1
        assert all("alt" in image for image in page.find_all("img"))
    titles = [re.search("<title>(.*?)</title>", page.text)[1] for page in pages.values()]
    assert len(set(titles)) == len(titles)


def test_images_of_pages_have_sizes_of_their_attributes(example: Example) -> None:
    images = {
        (urljoin(page.url, image["src"]), int(image["width"]), int(image["height"]))
        for page in linked_pages(example).values()
        for image in page.find_all("img")
        if not image["src"].endswith(".svg")
    }
    assert len(images) >= 11 * 3 + 5
    assert [image for image in images if fetch_image(image[0]).size != image[1:]] == []


def test_pages_load_resources_of_site_and_cdn_only(example: Example) -> None:
    """The pages comply with the policy ``default-src 'self'; img-src 'self' <cdn>``."""
    for page in linked_pages(example).values():
        assert not page.find_all("style")
        assert not any("style" in attrs for _, attrs in page.elements)
        assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
        site_urls = page.urls("link", "href") | page.urls("script", "src")
        assert all(script.get("src") for script in page.find_all("script"))
        assert {urlsplit(url).netloc for url in site_urls} == {urlsplit(example.site).netloc}
        for url in site_urls | {f"{example.site}favicon.ico"}:
            requests.get(url, timeout=DEADLINE).raise_for_status()
        if django.VERSION >= (6, 0):
            policy = f"default-src 'self'; img-src 'self' {example.emulator}"
            assert page.headers["Content-Security-Policy"] == policy
        image_urls = page.urls("img", "src") - site_urls
        assert all(url.startswith(example.emulator) for url in image_urls)


def test_photo_page_links_to_original_previous_and_next(example: Example) -> None:
    album = example.get("/albums/midsummer-camp/")
    first, second = (
        example.get(f"/photos/{number}/")
        for number in re.findall(r"/photos/(\d+)/", album.text)[:2]
    )
    assert first.find_all("a", rel="prev") == []
    assert urljoin(first.url, first.find_all("a", rel="next")[0]["href"]) == second.url
    assert urljoin(second.url, second.find_all("a", rel="prev")[0]["href"]) == first.url
    original = next(url for url in second.urls("a", "href") if url.startswith(example.emulator))
    assert fetch_image(original).size == (1600, 900)


def test_empty_album_shows_invitation(example: Example) -> None:
    assert "No photos yet" in example.get("/").text
    assert "Add the first ones." in example.get("/albums/perseids-under-cloud/").text


def test_member_without_avatar_shows_initials(example: Example) -> None:
    page = example.get("/members/")
    assert len(page.find_all("img", **{"class": "round"})) >= 5
    assert ">RO</span>" in page.text


def test_photos_form_with_one_file_adds_photo_to_album(example: Example) -> None:
    browser = Browser(f"{example.site}albums/clubhouse-wall/add/")
    photos = new_photos(**{"upright_& <b>-sound": "dandelion-clock.jpg"})
    page = browser.submit(photos, taken="2025-03-09")
    assert page.url == f"{example.site}albums/clubhouse-wall/"
    caption = "Upright & <b> sound"
    (link,) = re.findall(r"“(<a .*</a>)” was added\.", page.text)
    match = re.fullmatch(r'<a href="(/photos/\d+/)">(.*)</a>', link)
    assert match[2] == html.escape(caption)
    assert f"<h1>{html.escape(caption)}</h1>" in example.get(match[1]).text
    (image,) = page.find_all("img", alt=caption)
    assert fetch_image(image["src"]).size == (200, 200)
    original = image["src"].removesuffix(".preview")
    assert fetch_image(original).size == (1000, 1500)
    assert fetch_image(f"{original}.large").size == (640, 960)


def test_photos_form_with_several_files_adds_them_in_order(example: Example) -> None:
    browser = Browser(f"{example.site}albums/clubhouse-wall/add/")
    page = browser.submit(
        new_photos(
            **{
                "sunset_at-the lake": "avatar-cat.jpg",
                "IMG_1234": "avatar-cup.jpg",
                "Étoiles, 2025": "avatar-galaxy.jpg",
            }
        ),
        taken="2025-03-10",
        by="2",
    )
    (link,) = re.findall(r'3 photos were added, starting with “<a href="([^"]*)">', page.text)
    captions = re.findall(r">([^<]*)</span>", page.text)
    number = len(captions) - 1
    assert captions[-3:] == [
        "Sunset at the lake",
        f"On the clubhouse wall {number}",
        "Étoiles, 2025",
    ]
    photo = example.get(link)
    assert "<h1>Sunset at the lake</h1>" in photo.text
    assert "Tomasz Wilk" in photo.text


def test_photos_form_with_invalid_file_keeps_valid_files(example: Example) -> None:
    browser = Browser(f"{example.site}albums/clubhouse-wall/add/")
    photos = new_photos(**{"kept file": "avatar-cat.jpg"})
    page = browser.submit([*photos, ("pictures", ("notes.jpg", b"agenda"))], taken="2025-03-09")
    assert "The photos were not saved" in page.text
    assert "“notes.jpg” is not a valid image" in page.text
    tokens = [each["value"] for each in page.find_all("input", name="pictures-uploaded")]
    uploads = example.upload_count()
    page = browser.submit(taken="2025-03-09", **{"pictures-uploaded": tokens})
    assert "Kept file</a>” was added." in page.text
    assert example.upload_count() == uploads


def test_photos_form_with_too_many_files_shows_error(example: Example) -> None:
    browser = Browser(f"{example.site}albums/clubhouse-wall/add/")
    uploads = example.upload_count()
    page = browser.submit(new_photos(cat="avatar-cat.jpg") * 51, taken="2025-03-09")
    assert "Please choose at most 50 images (you chose 51)." in page.text
    assert example.upload_count() == uploads


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("sunset_at-the lake.jpeg", "Sunset at the lake"),
        ("étoile.png", "Étoile"),
        ("  St. John's  eve.jpg", "St. John's eve"),
        ("星空.jpg", "星空"),
        ("Meadow (2).jpg", "Meadow (2)"),
        *(
            (name, "Album 7")
            for name in (
                *("IMG_1234.jpg", "DSC01234.JPG", "_DSC1234.jpg", "P1010023.JPG", "image.png"),
                *("PXL_20250621_223344.jpg", "IMG-20250621-WA0003.jpg", "20250621_223344.jpg"),
                *("a.png", "---.png", ""),
            )
        ),
    ],
)
def test_caption_from_name_is_readable_or_default(name: str, caption: str) -> None:
    caption_from_name = runpy.run_path(str(EXAMPLE / "club/captions.py"))["caption_from_name"]
    assert caption_from_name(name, default="Album 7") == caption


UPLOAD_FAILURES = {
    "unauthorized": (
        {"times": 1, "kind": "status", "status": 401},
        "This site cannot upload images",
    ),
    "rejected": (
        {"times": 1, "kind": "status", "status": 400},
        "The image service rejected",
    ),
    "unavailable": (
        {"times": 3, "kind": "status", "status": 503},
        "The image service is not responding",
    ),
}


@pytest.mark.parametrize(("fault", "message"), UPLOAD_FAILURES.values(), ids=UPLOAD_FAILURES)
def test_photos_form_with_failed_upload_shows_field_error(
    fault: dict[str, object], message: str, example: Example
) -> None:
    browser = Browser(f"{example.site}albums/after-the-meeting/add/")
    example.fail_uploads(**fault)
    page = browser.submit(new_photos(**{"Failed upload": "cat.jpg"}), taken="2025-10-05")
    assert page.status == 200
    assert message in page.text
    assert "Failed upload.jpg" in page.text
    assert "token" not in page.text.replace(page.csrf_token, "").replace("csrfmiddlewaretoken", "")
    (file_input,) = page.find_all("input", name="pictures")
    assert file_input["accept"].startswith("image/jpeg,image/png,image/gif,image/webp,")
    assert file_input["aria-invalid"] == "true"
    assert "id_pictures_error" in file_input["aria-describedby"]
    assert page.find_all("ul", id="id_pictures_error")
    assert page.find_all("input", name="taken", value="2025-10-05")
    assert "Failed upload" not in example.get("/albums/after-the-meeting/").text


def test_photos_form_with_invalid_values_shows_field_errors(example: Example) -> None:
    browser = Browser(f"{example.site}albums/after-the-meeting/add/")
    page = browser.submit({"pictures": ("notes.jpg", b"agenda")}, taken="")
    assert page.status == 200
    assert page.find_all("ul", id="id_pictures_error")
    assert page.find_all("ul", id="id_taken_error")


def test_admin_lists_thumbnails_and_saves_image(example: Example) -> None:
    browser = Browser(f"{example.site}admin/")
    page = browser.submit(username="admin", password="admin", next="/admin/")
    assert "Log out" in page.text
    for model, rows in {"member": 6, "photo": 11}.items():
        page = browser.visit(f"{example.site}admin/club/{model}/")
        thumbnails = [image for image in page.find_all("img") if image["src"].endswith(".avatar")]
        assert len(thumbnails) >= rows - 1
    browser.visit(f"{example.site}admin/club/member/add/")
    page = browser.submit(
        {"avatar": photo_files("avatar-cat.jpg")["picture"]}, name="Noor", joined="2025-11-01"
    )
    assert page.url == f"{example.site}admin/club/member/"
    assert "was added successfully" in page.text


def log_in(example: Example, path: str) -> Browser:
    """Log in to the admin, and visit a page below ``/admin/club/``."""
    browser = Browser(f"{example.site}admin/login/")
    browser.submit(username="admin", password="admin", next=f"/admin/club/{path}")
    return browser


@pytest.mark.parametrize(("fault", "message"), UPLOAD_FAILURES.values(), ids=UPLOAD_FAILURES)
def test_admin_form_with_failed_upload_keeps_entered_values(
    fault: dict[str, object], message: str, example: Example
) -> None:
    browser = log_in(example, "photo/add/")
    example.fail_uploads(**fault)
    page = browser.submit(
        photo_files("cat.jpg"), album="2", caption="Failed & kept", taken="2025-11-01", by="3"
    )
    assert (page.status, page.url) == (200, f"{example.site}admin/club/photo/add/")
    assert page.text.count('class="errorlist"') == 1
    (file_input,) = page.find_all("input", name="picture")
    assert file_input["aria-invalid"] == "true"
    assert message in page.text
    assert page.find_all("input", name="caption", value="Failed & kept")
    assert page.find_all("input", name="taken", value="2025-11-01")
    selected = [option["value"] for option in page.find_all("option") if "selected" in option]
    assert selected == ["2", "3"]
    assert "Failed" not in browser.visit(f"{example.site}admin/club/photo/").text


def test_admin_form_with_rejected_replacement_keeps_saved_image(example: Example) -> None:
    browser = log_in(example, "member/1/change/")
    (before,) = (url for url in browser.page.urls("a", "href") if example.emulator in url)
    example.fail_uploads(times=1, kind="status", status=400)
    # Django stores a file of this size as a temporary file, which is uploaded only once.
    large = (PHOTOS / "avatar-cat.jpg").read_bytes() + bytes(3_000_000)
    page = browser.submit({"avatar": ("a.jpg", large)}, name="Ines D.", joined="2019-03-02")
    assert page.status == 200
    assert page.text.count('class="errorlist"') == 1
    assert "The image service rejected" in page.text
    assert page.find_all("input", name="name", value="Ines D.")
    assert page.find_all("input", name="joined", value="2019-03-02")
    assert before in page.urls("a", "href")
    page = browser.visit(page.url)
    assert page.find_all("input", name="name", value="Ines Duarte")
    assert before in page.urls("a", "href")
