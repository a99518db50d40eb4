"""
A picture on the image service, known by its URL alone.

The CDN spells the width, height and format of every picture into its URL
(``https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009``), and a
thumbnail is that URL with a suffix. So nothing here needs the network, and
nothing here imports Django.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, final

from .exceptions import InvalidPicture

__all__ = [
    "CDN_URL",
    "UPLOAD_URL",
    "VARIANTS",
    "Picture",
    "find_picture",
    "fitted",
    "known_variant",
    "variant_size",
]

#: Where the service takes pictures (documented by GroupMe).
UPLOAD_URL = "https://image.groupme.com/pictures"
#: Where they live then (documented by GroupMe).
CDN_URL = "https://i.groupme.com/"

#: The thumbnails of every picture, each a suffix of its URL (documented by GroupMe).
VARIANTS = ("preview", "large", "avatar")

# Centred and cropped to this size, in pixels, whatever the original's (documented).
_CROPPED = {"preview": (200, 200), "avatar": (60, 60)}

# The larger side of the variant "large", in pixels (documented).
_LARGE_SIDE = 960

# Five digits hold every image that JPEG and GIF can spell (65,535 pixels a side).
_SIDE = "[1-9][0-9]{0,4}"

# The formats seen are jpeg, png and gif, and the ids are 32 lower-case hex digits or, in
# GroupMe's documentation, 123456789. Neither is promised, so other words pass too.
_NAME = rf"(?:({_SIDE})x({_SIDE})\.([a-z][a-z0-9+-]{{0,15}})\.)?([0-9A-Za-z_-]{{1,64}})"


@final
class Picture:
    """
    A picture on the image service. Immutable, hashable, equal when the URLs are.

    Made by :meth:`parse` and :func:`find_picture` only. ``str(picture)`` is its URL.
    """

    # Holding the match, and reading a group when it is asked for, makes parsing
    # little dearer than the regular expression itself.
    __slots__ = ("_base_url", "_match")

    _base_url: str
    _match: re.Match[str]

    def __init__(self) -> None:
        raise TypeError("a Picture is made by Picture.parse(url)")

    @classmethod
    def parse(cls, url: str, base_url: str = CDN_URL) -> Picture:
        """
        Read a picture's URL.

        ``base_url`` is the CDN that the URL must be on. A variant's suffix is
        dropped, and ``http`` becomes ``https`` where the CDN is on ``https``: old
        data holds both, and they are the same picture.

        Raises ``InvalidPicture`` for anything else, of whatever type.
        """
        if (picture := find_picture(url, base_url)) is None:
            raise InvalidPicture(f"{_excerpt(url)} is not the URL of a picture on {base_url}")
        return picture

    @property
    def id(self) -> str:
        """The last part of the URL, by which the service knows the picture."""
        return self._match[5]

    @property
    def width(self) -> int | None:
        """Width of the original in pixels, or ``None`` if the URL does not say."""
        return int(side) if (side := self._match[2]) else None

    @property
    def height(self) -> int | None:
        """Height of the original in pixels, or ``None`` if the URL does not say."""
        return int(side) if (side := self._match[3]) else None

    @property
    def format(self) -> str | None:
        """``"jpeg"``, ``"png"``, ``"gif"`` …, or ``None`` if the URL does not say."""
        return self._match[4]

    @property
    def url(self) -> str:
        """The URL of the original."""
        return self._base_url + self._match[1]

    @property
    def preview_url(self) -> str:
        """The URL of the thumbnail of 200x200 pixels, centred and cropped."""
        return self.variant_url("preview")

    @property
    def large_url(self) -> str:
        """The URL of the rendering that fits into 960x960 pixels."""
        return self.variant_url("large")

    @property
    def avatar_url(self) -> str:
        """The URL of the thumbnail of 60x60 pixels, centred and cropped."""
        return self.variant_url("avatar")

    def variant_url(self, name: str) -> str:
        """The URL of a variant. Raises ``ValueError`` if there is none of that name."""
        return f"{self.url}.{known_variant(name)}"

    def variant_size(self, name: str) -> tuple[int, int] | tuple[None, None]:
        """
        Width and height of a variant in pixels; ``(None, None)`` if they are unknown.

        Raises ``ValueError`` if there is no variant of that name.
        """
        if size := _CROPPED.get(known_variant(name)):
            return size
        if (width := self.width) is None or (height := self.height) is None:
            return None, None
        return fitted(width, height, _LARGE_SIDE)

    def attachment(self) -> dict[str, str]:
        """The picture as an attachment of a message in GroupMe's API."""
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


def variant_size(name: str, width: int, height: int) -> tuple[int, int]:
    """
    Width and height in pixels of a variant of an original of this size.

    Of "large", GroupMe documents the largest side and that the aspect ratio is kept;
    that a smaller picture is not enlarged is assumed. Raises ``ValueError`` if there is
    no variant of that name.
    """
    if size := _CROPPED.get(known_variant(name)):
        return size
    return fitted(width, height, _LARGE_SIDE)


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height with the larger of them at most ``side``, and their ratio kept."""
    longest = max(width, height)
    if longest <= side:
        return width, height
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def find_picture(url: Any, base_url: str = CDN_URL) -> Picture | None:
    """What :meth:`Picture.parse` gives, or ``None`` where that raises ``InvalidPicture``."""
    try:
        is_picture, base_url = _pictures_on(base_url)
        match = is_picture(url)
    except (TypeError, AttributeError):  # not even text
        match = None
    if match is None:
        return None
    picture = object.__new__(Picture)
    picture._base_url = base_url
    picture._match = match
    return picture


@lru_cache(maxsize=32)
def _pictures_on(base_url: str) -> tuple[Callable[[str], re.Match[str] | None], str]:
    """What tells the URL of a picture there from any other text, and what it begins with."""
    if not base_url.endswith("/"):
        base_url += "/"
    if base_url == CDN_URL.replace("https", "http"):
        base_url = CDN_URL  # the same place, as its URLs are the same pictures
    prefix = re.escape(base_url)
    if base_url.startswith("https:"):
        prefix = prefix.replace("https", "https?", 1)
    pattern = re.compile(rf"{prefix}({_NAME})(?:\.(?:{'|'.join(VARIANTS)}))?")
    return pattern.fullmatch, base_url


def known_variant(variant: str) -> str:
    """The name itself. Raises ``ValueError`` if there is no variant of that name."""
    if variant not in VARIANTS:
        raise ValueError(f"no variant {_excerpt(variant)}: there are {', '.join(VARIANTS)}")
    return variant


def _excerpt(value: object) -> str:
    """A repr that is short, and quick, however long the value is."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 150
    return short.repr(value)
