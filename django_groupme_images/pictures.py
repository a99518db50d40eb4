"""
The class ``Picture``: an uploaded image, identified by its URL on GroupMe's CDN.

The URL contains the width, the height, and the format of the image, for example
``https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009``. The URL of a variant is
that of the original with a suffix. This module performs no I/O, and does not import Django.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from functools import lru_cache
from html import escape
from typing import Any

from .exceptions import InvalidPicture

__all__ = ["CDN_URL", "UPLOAD_URL", "VARIANTS", "Picture", "variant_size"]

#: The URL that images are uploaded to (documented by GroupMe).
UPLOAD_URL = "https://image.groupme.com/pictures"
#: The URL of GroupMe's CDN, which serves uploaded images (documented by GroupMe).
CDN_URL = "https://i.groupme.com/"

#: The variants of every image, whose names are suffixes of its URL (documented by GroupMe).
VARIANTS = ("preview", "large", "avatar")

#: Width and height of the variants that are centered and cropped, in pixels (documented).
CROPPED_SIZES = {"preview": (200, 200), "avatar": (60, 60)}

# The longer side of the variant "large", in pixels (documented).
_LARGE_SIDE = 960

# JPEG and GIF images have at most 65,535 pixels a side, which is a number of five digits.
_SIDE = "[1-9][0-9]{0,4}"

# The format has been observed to be jpeg, png, or gif, and the ID to be 32 lower-case hexadecimal
# digits; in GroupMe's documentation, an ID is 123456789. Neither is guaranteed, so others match.
# An empty alternative is matched faster than an optional group.
_NAME = rf"(?:({_SIDE})x({_SIDE})\.([a-z][a-z0-9+-]{{0,15}})\.|)([0-9A-Za-z_-]{{1,64}})"


class Picture:
    """
    An image on the image service.

    Instances are created by :meth:`parse`. They are immutable and hashable, and are equal if their
    URLs are. ``str(picture)`` is the URL. The ``Picture`` of an image that a form or serializer has
    uploaded also has a ``submitted_name``, and may have dimensions although its URL contains none.
    """

    # Properties read their group of the match when they are used, so that parsing is fast.
    __slots__ = ("_base_url", "_match")

    _base_url: str
    _match: re.Match[str]

    def __init__(self) -> None:
        raise TypeError("Use Picture.parse(url) to create a Picture")

    @classmethod
    def parse(cls, url: str, base_url: str = CDN_URL) -> Picture:
        """
        Parse the URL of an image or of its variant.

        ``base_url`` is the URL of the CDN, with which ``url`` must start. The suffix of a variant
        is removed, and ``http`` becomes ``https`` if the CDN uses ``https``, because old data
        contains both.

        Raise ``InvalidPicture`` for any other value of any type.
        """
        if (picture := cls.parse_or_none(url, base_url)) is None:
            raise InvalidPicture(f"{_excerpt(url)} is not the URL of an image on {base_url}")
        return picture

    @classmethod
    def parse_or_none(cls, url: Any, base_url: str = CDN_URL) -> Picture | None:
        """Parse a URL as :meth:`parse` does, but return ``None`` for any other value."""
        try:
            match_url, base_url = _matcher(base_url)
            match = match_url(url)
        except (TypeError, AttributeError):  # It is not a string.
            match = None
        if match is None:
            return None
        picture = object.__new__(Picture)
        picture._base_url = base_url
        picture._match = match
        return picture

    @property
    def id(self) -> str:
        """The last part of the URL, which identifies the image."""
        return self._match[5]

    @property
    def width(self) -> int | None:
        """Width of the original in pixels, or ``None`` if the URL does not contain it."""
        return int(side) if (side := self._match[2]) else None

    @property
    def height(self) -> int | None:
        """Height of the original in pixels, or ``None`` if the URL does not contain it."""
        return int(side) if (side := self._match[3]) else None

    @property
    def format(self) -> str | None:
        """The format, for example ``"jpeg"``, or ``None`` if the URL does not contain it."""
        return self._match[4]

    @property
    def submitted_name(self) -> str | None:
        """The name of the file that a form or serializer has uploaded, or ``None``."""
        return None

    @property
    def url(self) -> str:
        """The URL of the original."""
        return self._base_url + self._match[1]

    @property
    def preview_url(self) -> str:
        """The URL of the variant of 200×200 pixels, centered and cropped."""
        return self.variant_url("preview")

    @property
    def large_url(self) -> str:
        """The URL of the variant that fits into 960×960 pixels."""
        return self.variant_url("large")

    @property
    def avatar_url(self) -> str:
        """The URL of the variant of 60×60 pixels, centered and cropped."""
        return self.variant_url("avatar")

    def variant_url(self, name: str) -> str:
        """Return the URL of a variant. Raise ``ValueError`` if its name is unknown."""
        return f"{self.url}.{known_variant(name)}"

    def variant_size(self, name: str) -> tuple[int, int] | tuple[None, None]:
        """
        Return width and height of a variant in pixels, or ``(None, None)`` if they are unknown.

        Raise ``ValueError`` if the name of the variant is unknown.
        """
        if size := CROPPED_SIZES.get(known_variant(name)):
            return size
        if (width := self.width) is None or (height := self.height) is None:
            return None, None
        return fitted(width, height, _LARGE_SIDE)

    def attachment(self) -> dict[str, str]:
        """Return the image as an attachment of a message in GroupMe's API."""
        return {"type": "image", "url": self.url}

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"<Picture {self.url}>"

    def __eq__(self, other: object) -> bool:
        return self.url == other.url if isinstance(other, Picture) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return Picture.parse, (self.url, self._base_url)


class _UploadedPicture(Picture):
    """``Picture`` with values that are not in its URL: dimensions, and the name of the file."""

    __slots__ = ("_size", "_submitted_name")

    _size: tuple[int | None, int | None]
    _submitted_name: str | None

    @property
    def width(self) -> int | None:
        return self._size[0]

    @property
    def height(self) -> int | None:
        return self._size[1]

    @property
    def submitted_name(self) -> str | None:
        return self._submitted_name

    def __reduce__(self) -> tuple[Any, ...]:
        picture = Picture.parse(self.url, self._base_url)
        return _uploaded_picture, (picture, self._size, self._submitted_name)


def _uploaded_picture(
    picture: Picture, size: tuple[int | None, int | None], submitted_name: str | None
) -> Picture:
    uploaded = object.__new__(_UploadedPicture)
    uploaded._base_url, uploaded._match = picture._base_url, picture._match
    uploaded._size, uploaded._submitted_name = size, submitted_name
    return uploaded


def html_url(picture: Picture) -> str:
    """Return the URL of the original, escaped for HTML."""
    # The name contains no characters that have to be escaped.
    return _escaped(picture._base_url) + picture._match[1]


def with_size(picture: Picture, width: int, height: int) -> Picture:
    """Return the ``Picture`` with this width and height, in pixels, if its URL contains none."""
    if picture.width is not None:
        return picture
    return _uploaded_picture(picture, (width, height), picture.submitted_name)


def with_submitted_name(picture: Picture, name: str) -> Picture:
    """Return the ``Picture`` with the name of the file that was uploaded."""
    return _uploaded_picture(picture, (picture.width, picture.height), name)


def variant_size(name: str, width: int, height: int) -> tuple[int, int]:
    """
    Return width and height of a variant in pixels, from those of the original.

    GroupMe documents the sizes of the variants, and that "large" keeps the aspect ratio. It is
    assumed that smaller images are not enlarged. Raise ``ValueError`` if the name is unknown.
    """
    if size := CROPPED_SIZES.get(known_variant(name)):
        return size
    return fitted(width, height, _LARGE_SIDE)


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height, scaled down so that the larger one is at most ``side``."""
    longest = max(width, height)
    if longest <= side:
        return width, height
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


_escaped = lru_cache(maxsize=32)(escape)


@lru_cache(maxsize=32)
def _matcher(base_url: str) -> tuple[Callable[[str], re.Match[str] | None], str]:
    """Return a function that matches the URLs of images on a CDN, and the CDN's canonical URL."""
    if not base_url.endswith("/"):
        base_url += "/"
    if base_url == CDN_URL.replace("https", "http"):
        base_url = CDN_URL
    prefix = re.escape(base_url)
    if base_url.startswith("https:"):
        prefix = prefix.replace("https", "https?", 1)
    pattern = re.compile(rf"{prefix}({_NAME})(?:\.(?:{'|'.join(VARIANTS)})|)")
    return pattern.fullmatch, base_url


def known_variant(variant: str) -> str:
    """Return the name of a variant unchanged. Raise ``ValueError`` if it is unknown."""
    if variant not in VARIANTS:
        raise ValueError(
            f"Unknown variant {_excerpt(variant)}. Choose from: {', '.join(VARIANTS)}."
        )
    return variant


def _excerpt(value: object) -> str:
    """Return a short repr, which is fast even if the value is long."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 150
    return short.repr(value)
