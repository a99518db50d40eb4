"""``Picture``: parsing of URLs, and the URLs and dimensions of variants."""

from __future__ import annotations

import copy
import pickle

import pytest

from django_groupme_images.exceptions import InvalidPicture
from django_groupme_images.pictures import Picture, variant_size, with_size, with_submitted_name
from tests.support.urls_of_pictures import ID, JPEG, LARGE, LEGACY

pytestmark = pytest.mark.any_django


@pytest.mark.parametrize(
    ("url", "canonical", "width", "height", "format_", "id_"),
    [
        (JPEG, JPEG, 480, 325, "jpeg", ID),
        (
            "https://i.groupme.com/512x512.png.2479cf12b34e45f1a5ac923001bf0b71",
            "https://i.groupme.com/512x512.png.2479cf12b34e45f1a5ac923001bf0b71",
            *(512, 512, "png", "2479cf12b34e45f1a5ac923001bf0b71"),
        ),
        (
            "https://i.groupme.com/465x565.png.2f73d91296a44972b5770a3b6e3a8ac1.large",
            "https://i.groupme.com/465x565.png.2f73d91296a44972b5770a3b6e3a8ac1",
            *(465, 565, "png", "2f73d91296a44972b5770a3b6e3a8ac1"),
        ),
        (
            "http://i.groupme.com/300x300.png.e8ec5793a332457096bc9707ffc9ac37",
            "https://i.groupme.com/300x300.png.e8ec5793a332457096bc9707ffc9ac37",
            *(300, 300, "png", "e8ec5793a332457096bc9707ffc9ac37"),
        ),
        (
            "http://i.groupme.com/245x165.gif.b000fb258d0246c0bc175fe0d089029e.large",
            "https://i.groupme.com/245x165.gif.b000fb258d0246c0bc175fe0d089029e",
            *(245, 165, "gif", "b000fb258d0246c0bc175fe0d089029e"),
        ),
        (
            "http://i.groupme.com/acaa6e60c7430130f0981ae261cd424b",
            LEGACY,
            *(None, None, None, "acaa6e60c7430130f0981ae261cd424b"),
        ),
        (f"{LEGACY}.avatar", LEGACY, None, None, None, "acaa6e60c7430130f0981ae261cd424b"),
        (
            "https://i.groupme.com/123456789",
            "https://i.groupme.com/123456789",
            *(None, None, None, "123456789"),
        ),
        (
            "https://i.groupme.com/100x100.png.123456789.preview",
            "https://i.groupme.com/100x100.png.123456789",
            *(100, 100, "png", "123456789"),
        ),
        # Dimensions and a format that have not been observed.
        (
            f"https://i.groupme.com/99999x1.heic-sequence.{ID}",
            f"https://i.groupme.com/99999x1.heic-sequence.{ID}",
            *(99999, 1, "heic-sequence", ID),
        ),
    ],
)
def test_parse_with_valid_url_returns_its_parts(url, canonical, width, height, format_, id_):
    picture = Picture.parse(url)
    assert picture.url == str(picture) == canonical
    assert (picture.width, picture.height) == (width, height)
    assert (picture.format, picture.id) == (format_, id_)
    assert picture.preview_url == picture.variant_url("preview") == f"{canonical}.preview"
    assert picture.large_url == picture.variant_url("large") == f"{canonical}.large"
    assert picture.avatar_url == picture.variant_url("avatar") == f"{canonical}.avatar"
    assert picture.attachment() == {"type": "image", "url": canonical}
    assert Picture.parse(picture.url) == picture


INVALID_URLS = [
    "",
    " ",
    "photos/cat.png",
    "https://i.groupme.com",
    "https://i.groupme.com/",
    f"https://example.com/480x325.jpeg.{ID}",
    f"https://i.groupme.com.example.com/480x325.jpeg.{ID}",
    f"https://iXgroupme.com/480x325.jpeg.{ID}",
    f"https://evil.i.groupme.com/480x325.jpeg.{ID}",
    f"https://user@i.groupme.com/480x325.jpeg.{ID}",
    f"https://i.groupme.com@example.com/480x325.jpeg.{ID}",
    f"https://i.groupme.com:443/480x325.jpeg.{ID}",
    f"https://i.groupme.com:8080/480x325.jpeg.{ID}",
    f"{JPEG}?x=1",
    f"{JPEG}#x",
    f"https://i.groupme.com/../480x325.jpeg.{ID}",
    f"https://i.groupme.com//480x325.jpeg.{ID}",
    f"https://i.groupme.com/480x325.jpeg.{ID}/",
    f"https://i.groupme.com/a/480x325.jpeg.{ID}",
    "https://i.groupme.com/480x325.jpeg...",
    f" {JPEG}",
    f"{JPEG} ",
    f"{JPEG}\n",
    f"{JPEG}\0",
    f"https://i.groupme.com/480 x325.jpeg.{ID}",
    f"https://i.groupme.com/٤٨٠x325.jpeg.{ID}",
    f"https://i.groupme.com/480x３25.jpeg.{ID}",
    f"https://i.groupme.com/0x325.jpeg.{ID}",
    f"https://i.groupme.com/480x0.jpeg.{ID}",
    f"https://i.groupme.com/0480x325.jpeg.{ID}",
    f"https://i.groupme.com/-480x325.jpeg.{ID}",
    f"https://i.groupme.com/100000x325.jpeg.{ID}",
    f"https://i.groupme.com/480x{'9' * 5000}.jpeg.{ID}",
    f"https://i.groupme.com/480x325.JPEG.{ID}",
    f"https://i.groupme.com/480x325..{ID}",
    f"https://i.groupme.com/480x325.{ID}",
    f"https://i.groupme.com/480x325.jpeg.{'a' * 65}",
    f"{JPEG}.original",
    f"{JPEG}.large.large",
    f"{JPEG}.large.preview",
    f"ftp://i.groupme.com/480x325.jpeg.{ID}",
    f"//i.groupme.com/480x325.jpeg.{ID}",
    f"HTTPS://i.groupme.com/480x325.jpeg.{ID}",
    "javascript:alert(1)",
    f'https://i.groupme.com/480x325.jpeg.{ID}"onerror=alert(1)',
    None,
    480,
    b"https://i.groupme.com/123456789",
    ["https://i.groupme.com/123456789"],
]


@pytest.mark.parametrize("url", INVALID_URLS, ids=lambda url: repr(url)[:60])
def test_parse_with_invalid_url_raises(url):
    assert Picture.parse_or_none(url) is None
    with pytest.raises(InvalidPicture) as caught:
        Picture.parse(url)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "url", ["x" * 10_000_000, "https://i.groupme.com/" + "1x" * 5_000_000, JPEG + "." * 10_000_000]
)
def test_parse_with_huge_string_raises_without_reading_it(url):
    # If each call read ten million characters, the test would exceed its deadline.
    for _ in range(100_000):
        with pytest.raises(InvalidPicture):
            Picture.parse(url)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8001/",
        "https://cdn.example.com/club/pictures/",
        "https://cdn.example.com",
        "http://[::1]:8001/",
    ],
)
def test_parse_with_base_url_accepts_only_urls_below_it(base_url):
    base = base_url.rstrip("/")
    picture = Picture.parse(f"{base}/48x32.png.{ID}.large", base_url)
    assert picture.url == f"{base}/48x32.png.{ID}"
    assert picture.avatar_url == f"{base}/48x32.png.{ID}.avatar"
    assert Picture.parse(picture.url, base_url) == picture
    assert pickle.loads(pickle.dumps(picture)) == picture
    for wrong in (JPEG, f"{base}9/48x32.png.{ID}", f"{base}.example.org/48x32.png.{ID}"):
        with pytest.raises(InvalidPicture, match="not the URL of an image on"):
            Picture.parse(wrong, base_url)


def test_parse_with_http_base_url_rejects_https():
    with pytest.raises(InvalidPicture):
        Picture.parse("https://127.0.0.1:8001/123456789", "http://127.0.0.1:8001/")


def test_parse_with_https_in_base_path_does_not_change_it():
    base = "https://cdn.example.com/https/"
    assert Picture.parse("http://cdn.example.com/https/123456789", base).url == f"{base}123456789"
    with pytest.raises(InvalidPicture):
        Picture.parse("https://cdn.example.com/http/123456789", base)


def test_picture_is_immutable_and_compares_by_url():
    picture, same, other = Picture.parse(JPEG), Picture.parse(f"{JPEG}.large"), Picture.parse(LARGE)
    assert picture == same
    assert picture != other != picture
    assert len({picture, same, other}) == 2
    assert picture != JPEG
    assert repr(picture) == f"<Picture {JPEG}>"
    assert copy.deepcopy(picture) == pickle.loads(pickle.dumps(picture)) == picture
    assert picture.submitted_name is None
    with pytest.raises(TypeError, match="Use Picture.parse"):
        Picture()
    for name in ("url", "width", "id", "anything"):
        with pytest.raises(AttributeError):
            setattr(picture, name, 1)


@pytest.mark.parametrize("url", [JPEG, LEGACY])
def test_picture_with_submitted_name_keeps_its_size(url):
    picture = with_size(Picture.parse(url), 480, 325)
    named = with_submitted_name(picture, "cat.jpg")
    sized = with_size(with_submitted_name(Picture.parse(url), "cat.jpg"), 480, 325)
    for each in (named, sized, copy.copy(named), pickle.loads(pickle.dumps(named))):
        assert each == picture
        assert each.submitted_name == "cat.jpg"
        assert (each.width, each.height, each.format) == (480, 325, picture.format)


@pytest.mark.parametrize(
    ("size", "large"),
    [
        ((4032, 3024), (960, 720)),
        ((3024, 4032), (720, 960)),
        ((960, 960), (960, 960)),
        ((961, 961), (960, 960)),
        ((480, 325), (480, 325)),
        ((1, 1), (1, 1)),
        ((1000, 333), (960, 320)),
        ((1500, 1001), (960, 641)),
        ((1001, 1500), (641, 960)),
        ((99999, 1), (960, 1)),
        ((1, 99999), (1, 960)),
    ],
)
def test_variant_size_of_known_dimensions_is_scaled_down(size, large):
    picture = Picture.parse(f"https://i.groupme.com/{size[0]}x{size[1]}.jpeg.{ID}")
    assert picture.variant_size("large") == large == variant_size("large", *size)
    assert picture.variant_size("preview") == (200, 200)
    assert picture.variant_size("avatar") == (60, 60)


def test_variant_size_of_unknown_dimensions_is_none_for_large():
    picture = Picture.parse(LEGACY)
    assert picture.variant_size("large") == (None, None)
    assert picture.variant_size("preview") == (200, 200)
    assert picture.variant_size("avatar") == (60, 60)


@pytest.mark.parametrize("name", ["huge", "", None, "LARGE", ["large"], "x" * 1000])
def test_variant_with_unknown_name_raises(name):
    picture = Picture.parse(JPEG)
    for method in (picture.variant_url, picture.variant_size):
        with pytest.raises(ValueError, match="Choose from: preview, large, avatar") as caught:
            method(name)
        assert len(str(caught.value)) < 250
