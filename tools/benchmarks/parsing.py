"""``Picture.parse()``, compared with a regular expression with the same groups."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator

from django_groupme_images.pictures import Picture

from .measure import OURS, SIZES, Result, Way, compare
from .project import image_urls

REGEX = "a regular expression"
PATTERN = re.compile(
    r"https?://i\.groupme\.com/((?:([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\."
    r"([a-z][a-z0-9+-]{0,15})\.)?([0-9A-Za-z_-]{1,64}))(?:\.(?:preview|large|avatar))?"
)


def results(quick: bool) -> Iterator[Result]:
    ways = {OURS: _parse_all(Picture.parse), REGEX: _parse_all(PATTERN.fullmatch)}
    sizes = (*SIZES, 100_000)
    targets = [(REGEX, 100_000, 2)]
    yield compare("`Picture.parse()`", "URLs", ways, sizes=sizes, targets=targets, quick=quick)


def _parse_all(parse: Callable[[str], object]) -> Way:
    def prepare(size: int) -> Callable[[], object]:
        urls = image_urls(size)
        return lambda: deque(map(parse, urls), maxlen=0)

    return prepare
