"""Several ways to do the same, measured in turn, at growing sizes."""

from __future__ import annotations

import gc
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from timeit import Timer
from typing import Any

OURS = "django-groupme-images"

# Seconds that a timed run has to last, so that the clock can be believed.
_LEAST = 0.02

# Seconds for all rounds of a size; what takes longer has fewer rounds, but never fewer than these.
_MOST, _FEWEST = 20, 3


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


@dataclass(frozen=True)
class Way:
    """
    One way to do it.

    ``prepare`` is called with a size, and gives what is timed, which does all of it once.
    It is left out where the package that it ``needs`` is not installed, and for sizes above
    ``most``, which would take too long.
    """

    name: str
    prepare: Callable[[int], Callable[[], object]]
    needs: str = ""
    most: float = math.inf

    def takes_part(self, size: int) -> bool:
        return size <= self.most and (not self.needs or is_installed(self.needs))


@dataclass(frozen=True)
class Aim:
    """That ours takes at most so many times as long as the other way, at this size."""

    against: str
    size: int
    most: float

    def words(self, unit: str) -> str:
        if self.most < 1:
            words = f"at least {1 / self.most:.3g} times as fast as"
        elif self.most > 1:
            words = f"at most {self.most:.3g} times as long as"
        else:
            words = "no longer than"
        return f"{self.size:,} {unit}: {words} {self.against}"


@dataclass(frozen=True)
class Verdict:
    """Whether an aim was met."""

    aim: str
    found: str
    met: bool


@dataclass(frozen=True)
class Result:
    """
    A table, what its figures are as numbers, and whether they are as they should be.

    Where there is a ``unit``, the figures say how many of them took how many seconds.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[dict[str, Any]] = ()
    verdicts: Sequence[Verdict] = ()
    notes: Sequence[str] = ()
    unit: str = ""


@dataclass(frozen=True)
class Contest:
    """The ways, of which the first is ours, and what is counted: "rows", "uploads" …"""

    title: str
    unit: str
    ways: Sequence[Way]
    sizes: Sequence[int] = (1, 10, 100, 1_000, 10_000)
    aims: Sequence[Aim] = ()
    notes: Sequence[str] = ()
    rounds: int = 9
    seconds: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def result(self, shorten: bool = False) -> Result:
        """Measure, and tell. Shortened, it shows no more than that it works."""
        sizes = self.sizes[:2] if shorten else self.sizes
        for size in sizes:
            self._measure(size, rounds=2 if shorten else self.rounds)
        return Result(
            self.title,
            [f"milliseconds (ours divided by theirs); {self.unit}:", *map("{:,}".format, sizes)],
            [[way.name, *(self._cell(way.name, size) for size in sizes)] for way in self.ways],
            list(self._figures()),
            [self._verdict(aim) for aim in self.aims if aim.size in sizes],
            self.notes,
            self.unit,
        )

    def _measure(self, size: int, rounds: int) -> None:
        ways = [way for way in self.ways if way.takes_part(size)]
        # The collector of garbage, which timeit turns off, is part of what one pays.
        timers = {way.name: Timer(way.prepare(size), gc.enable) for way in ways}
        once = {name: _warmed_up(timer) for name, timer in timers.items()}
        runs = {name: max(1, math.ceil(_LEAST / taken)) for name, taken in once.items()}
        whole = sum(runs[name] * once[name] for name in timers)
        for turn in range(min(rounds, max(_FEWEST, int(_MOST / whole)))):
            for name in random.Random(turn).sample(list(timers), len(timers)):
                taken = timers[name].timeit(runs[name]) / runs[name]
                self.seconds.setdefault((name, size), []).append(taken)

    def _ratios(self, name: str, size: int) -> list[float]:
        """How many times as long ours takes, in each round, and in order."""
        pairs = zip(self.seconds[self.ways[0].name, size], self.seconds[name, size], strict=True)
        return sorted(ours / theirs for ours, theirs in pairs)

    def _cell(self, name: str, size: int) -> str:
        if (name, size) not in self.seconds:
            return ""
        median = _rounded(statistics.median(self.seconds[name, size]) * 1000)
        if name == self.ways[0].name:
            return median
        return f"{median} ({_rounded(statistics.median(self._ratios(name, size)))})"

    def _figures(self) -> Iterator[dict[str, Any]]:
        for (name, size), seconds in self.seconds.items():
            yield {
                "way": name,
                self.unit: size,
                "seconds": statistics.median(seconds),
                "rounds": seconds,
                "ratio": statistics.median(self._ratios(name, size)),
            }

    def _verdict(self, aim: Aim) -> Verdict:
        words = aim.words(self.unit)
        if (aim.against, aim.size) not in self.seconds:
            return Verdict(words, "not measured", met=False)
        ratios = self._ratios(aim.against, aim.size)
        middle = [statistics.median(ratios), *statistics.quantiles(ratios, n=4)[::2]]
        if aim.most < 1:
            middle = [1 / middle[0], *sorted(1 / ratio for ratio in middle[1:])]
        found, low, high = map(_rounded, middle)
        return Verdict(words, f"{found} ({low} to {high})", statistics.median(ratios) <= aim.most)


def _warmed_up(timer: Timer) -> float:
    """How long it takes, roughly, after the first time."""
    first = timer.timeit(1)
    return timer.timeit(1) if first < 1 else first


def _rounded(number: float) -> str:
    """To three digits, or to four where the third would not tell it from 1."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.{4 if number > 1 else 3}g}"
