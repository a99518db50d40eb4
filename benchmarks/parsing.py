"""``Picture.parse``, and one bare regular expression with the same groups."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from django_groupme_images.pictures import Picture

from .contest import OURS, Aim, Contest, Result, Way

_BARE = re.compile(
    r"https?://i\.groupme\.com/((?:([1-9][0-9]{0,4})x([1-9][0-9]{0,4})\."
    r"([a-z][a-z0-9+-]{0,15})\.)?([0-9A-Za-z_-]{1,64}))(?:\.(?:preview|large|avatar))?"
)

_SIZES = (1, 10, 100, 1_000, 10_000, 100_000)


def results(shorten: bool = False) -> Iterator[Result]:
    match = _BARE.fullmatch
    for title, ours, bare, aims in (
        (
            "`Picture.parse`",
            Picture.parse,
            match,
            [Aim("a bare regular expression", 100_000, 2)],
        ),
        (
            "`Picture.parse`, and all that the URL says",
            _all_of_it,
            lambda url: _as_numbers(*match(url).groups()),
            [],
        ),
    ):
        ways = [Way(OURS, _each(ours)), Way("a bare regular expression", _each(bare))]
        yield Contest(title, "URLs", ways, sizes=_SIZES, aims=aims).result(shorten)


def urls(
    number: int, *, most: int = 4032, suffixes: Sequence[str] = ("", "", ".large", ".avatar")
) -> list[str]:
    """As many different ones, as real ones are; no side of a picture has more than ``most``."""
    chance = random.Random(5)
    return [
        f"https://i.groupme.com/{chance.randint(60, most)}x{chance.randint(60, most)}."
        f"{chance.choice(['jpeg', 'png', 'gif'])}.{UUID(int=chance.getrandbits(128)).hex}"
        f"{chance.choice(suffixes)}"
        for _ in range(number)
    ]


def _each(read: Callable[[str], object]) -> Callable[[int], Callable[[], object]]:
    def prepare(size: int) -> Callable[[], object]:
        given = urls(size)

        def run() -> None:
            for url in given:
                read(url)

        return run

    return prepare


def _all_of_it(url: str) -> tuple[object, ...]:
    picture = Picture.parse(url)
    return picture.url, picture.width, picture.height, picture.format, picture.id


def _as_numbers(name: str, width: str, height: str, word: str, id_: str) -> tuple[object, ...]:
    return f"https://i.groupme.com/{name}", int(width), int(height), word, id_
