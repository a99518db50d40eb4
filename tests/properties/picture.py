"""The URL of a picture."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django_groupme_images.exceptions import InvalidPicture
from django_groupme_images.pictures import CDN_URL, VARIANTS, Picture

from . import check_words


def check_url(url: str, base_url: str = CDN_URL) -> Picture | None:
    """A text is refused, or is one of the few spellings of a picture on the CDN."""
    try:
        picture = Picture.parse(url, base_url)
    except InvalidPicture as error:
        check_words(str(error), 400)
        return None
    assert url in spellings(picture)
    check_picture(picture, base_url)
    return picture


def spellings(picture: Picture) -> list[str]:
    """Every text that means the picture."""
    ends = ["", *(f".{name}" for name in VARIANTS)]
    starts = {picture.url, re.sub("^https:", "http:", picture.url)}
    return [start + end for start in starts for end in ends]


def check_picture(picture: Picture, base_url: str = CDN_URL) -> None:
    """It is on the CDN and nowhere else, and means the same however it is spelled."""
    url, base = urlsplit(picture.url), urlsplit(base_url)
    assert (url.scheme, url.netloc) == (base.scheme, base.netloc)
    assert picture.url.startswith(base_url)
    assert re.fullmatch(r"[0-9A-Za-z_.+-]+", picture.url.removeprefix(base_url))
    assert {Picture.parse(text, base_url) for text in spellings(picture)} == {picture}
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
