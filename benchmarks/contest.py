"""Several ways to do the same, measured in turn, at growing sizes."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from timeit import Timer
from typing import Any

OURS = "django-groupme-images"

# Seconds that a timed run has to last, so that the clock can be believed.
_LEAST = 0.02


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
        return size <= self.most and (not self.needs or find_spec(self.needs) is not None)


@dataclass(frozen=True)
class Aim:
    """That ours takes at most so many times as long as the other way, at this size."""

    against: str
    size: int
    most: float


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
    rounds: int = 15
    seconds: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def result(self, shorten: bool = False) -> Result:
        """Measure, and tell. Shortened, it shows no more than that it works."""
        sizes = self.sizes[:2] if shorten else self.sizes
        for size in sizes:
            self._measure(size, rounds=2 if shorten else self.rounds)
        return Result(
            self.title,
            [f"ms, and how many times ours of it; {self.unit}:", *(f"{size:,}" for size in sizes)],
            [[way.name, *(self._cell(way.name, size) for size in sizes)] for way in self.ways],
            list(self._figures()),
            [self._verdict(aim) for aim in self.aims if (aim.against, aim.size) in self.seconds],
            self.notes,
            self.unit,
        )

    def _measure(self, size: int, rounds: int) -> None:
        ways = [way for way in self.ways if way.takes_part(size)]
        # The collector of garbage, which timeit turns off, is part of what one pays.
        timers = {way.name: Timer(way.prepare(size), gc.enable) for way in ways}
        # Else each way would pay for looking through all that the others hold for garbage.
        gc.collect()
        gc.freeze()
        runs = {name: _runs(timer) for name, timer in timers.items()}
        for turn in range(rounds):
            names = list(timers)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                taken = timers[name].timeit(runs[name]) / runs[name]
                self.seconds.setdefault((name, size), []).append(taken)

    def _ratio(self, name: str, size: int) -> float:
        """How many times as long ours takes, in the median of the rounds."""
        pairs = zip(self.seconds[self.ways[0].name, size], self.seconds[name, size], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def _cell(self, name: str, size: int) -> str:
        if (name, size) not in self.seconds:
            return ""
        median = _rounded(statistics.median(self.seconds[name, size]) * 1000)
        ours = name == self.ways[0].name
        return median if ours else f"{median} (×{_rounded(self._ratio(name, size))})"

    def _figures(self) -> Iterator[dict[str, Any]]:
        for (name, size), seconds in self.seconds.items():
            yield {
                "way": name,
                self.unit: size,
                "seconds": statistics.median(seconds),
                "quartiles": statistics.quantiles(seconds, n=4)[::2],
                "ratio": self._ratio(name, size),
            }

    def _verdict(self, aim: Aim) -> Verdict:
        ratio = self._ratio(aim.against, aim.size)
        if aim.most < 1:
            most, found = f"at least {1 / aim.most:.3g} times as fast as", f"{1 / ratio:.3g}"
        else:
            most, found = f"at most {aim.most:.3g} times as long as", f"{ratio:.2f}"
            most = most.replace("at most 1 times as long as", "no longer than")
        return Verdict(f"{aim.size:,} {self.unit}: {most} {aim.against}", found, ratio <= aim.most)


def _runs(timer: Timer) -> int:
    """How many together can be measured. Warms up, too."""
    taken = timer.timeit(1)
    if taken < _LEAST:
        taken = timer.timeit(1)
    return max(1, math.ceil(_LEAST / taken))


def _rounded(number: float) -> str:
    """To three digits, without an exponent."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
