"""URLs of uploaded images."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django_groupme_images.exceptions import InvalidPicture
from django_groupme_images.pictures import CDN_URL, VARIANTS, Picture

from . import check_message


def check_url(url: str, base_url: str = CDN_URL) -> Picture | None:
    """Check that a string is rejected or is one of the URLs of an image on the CDN."""
    try:
        picture = Picture.parse(url, base_url)
    except InvalidPicture as error:
        check_message(str(error), 400)
        return None
    assert url in equivalent_urls(picture)
    check_picture(picture, base_url)
    return picture


def equivalent_urls(picture: Picture) -> list[str]:
    """Return all URLs of the image, including those of its variants."""
    suffixes = ["", *(f".{name}" for name in VARIANTS)]
    starts = {picture.url, re.sub("^https:", "http:", picture.url)}
    return [start + suffix for start in starts for suffix in suffixes]


def check_picture(picture: Picture, base_url: str = CDN_URL) -> None:
    """Check that the URL is on the CDN, and that equivalent URLs result in equal objects."""
    url, base = urlsplit(picture.url), urlsplit(base_url)
    assert (url.scheme, url.netloc) == (base.scheme, base.netloc)
    assert picture.url.startswith(base_url)
    assert re.fullmatch(r"[0-9A-Za-z_.+-]+", picture.url.removeprefix(base_url))
    assert {Picture.parse(equivalent, base_url) for equivalent in equivalent_urls(picture)} == {
        picture
    }
    assert Picture.parse(str(picture), base_url).url == picture.url
    _check_sizes(picture)


def _check_sizes(picture: Picture) -> None:
    width, height = picture.width, picture.height
    assert (width is None) == (height is None) == (picture.format is None)
    large = picture.variant_size("large")
    if width is None or height is None:
        assert large == (None, None)
        return
    assert 0 < width < 100_000
    assert 0 < height < 100_000
    assert picture.url.endswith(f"{width}x{height}.{picture.format}.{picture.id}")
    assert 0 < max(large) <= min(960, max(width, height))
