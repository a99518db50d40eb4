"""Measure the time of several ways to do the same work, and count calls."""

from __future__ import annotations

import cProfile
import gc
import math
import pstats
import random
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from statistics import median, quantiles
from timeit import Timer
from typing import NamedTuple

OURS = "django-groupme-images"
SIZES = (1, 10, 100, 1_000, 10_000)
MIN_ROUND = 0.02  # seconds; shorter work is repeated
MAX_ROUNDS = 10  # seconds for all rounds of a size, but there are at least 3 rounds

# Takes a size, and returns the function to measure.
Way = Callable[[int], Callable[[], object]]
Times = Mapping[str, list[float]]

# Patterns for ``file:function`` of the calls to count.
COUNTED = {
    "queries": r"django/db/backends/utils\.py:execute",
    "cache calls": r"django/core/cache/backends/",
    # url() performs no I/O.
    "storage calls": r"(core/files/storage/|groupme_images/(client/|storage/backend)).*"
    r":(?!url$|base_url$|_)",
}


class Target(NamedTuple):
    text: str
    result: str
    is_met: bool


class Result(NamedTuple):
    """A table of measurements, with targets."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()
    notes: str = ""


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def compare(
    title: str,
    unit: str,
    ways: Mapping[str, Way],
    *,
    sizes: Sequence[int] = SIZES,
    targets: Sequence[tuple[str, int, float]] = (),
    added: Sequence[tuple[str, int, float]] = (),
    notes: str = "",
    rounds: int = 9,
    quick: bool = False,
) -> Result:
    """
    Time all ways at all sizes, and compare the first way with the others.

    A target contains the name of another way, a size, and the highest acceptable ratio. Those in
    ``added`` contain the highest acceptable difference in milliseconds instead.
    """
    sizes = sizes[:2] if quick else sizes
    times = {size: time_ways(ways, size, 2 if quick else rounds) for size in sizes}
    return Result(
        title,
        [f"milliseconds (ratio); {unit}:", *map("{:,}".format, sizes)],
        [[name, *(_format_cell(times[size], name) for size in sizes)] for name in ways],
        [
            make_target(times[at], other, at, unit, limit)
            for make_target, group in ((_target, targets), (_added_target, added))
            for other, at, limit in group
            if at in times
        ],
        notes,
    )


def time_ways(ways: Mapping[str, Way], size: int, max_rounds: int) -> Times:
    """
    Return the seconds of each way in each round.

    A round runs all ways in random order. Ratios compare times of the same round, so that the load
    of the machine affects them less. pyperf and pytest-benchmark do not support this.
    """
    # timeit disables garbage collection, which is part of the costs.
    timers = {name: Timer(prepare(size), gc.enable) for name, prepare in ways.items()}
    once = {name: _time_once(timer) for name, timer in timers.items()}
    runs = {name: math.ceil(MIN_ROUND / seconds) for name, seconds in once.items()}
    fitting = int(MAX_ROUNDS / sum(runs[name] * once[name] for name in ways))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(min(max_rounds, max(3, fitting))):
        for name in random.Random(number).sample(list(ways), len(ways)):
            times[name].append(timers[name].timeit(runs[name]) / runs[name])
    return times


def _time_once(timer: Timer) -> float:
    """Return the seconds of one run, after a first run that is ignored if it is short."""
    first = timer.timeit(1)
    return first if first > 1 else timer.timeit(1)


def _ratios(times: Times, other: str) -> list[float]:
    ours = next(iter(times.values()))
    return [a / b for a, b in zip(ours, times[other], strict=True)]


def _format_cell(times: Times, name: str) -> str:
    cell = _format(median(times[name]) * 1000)
    is_first = name == next(iter(times))
    return cell if is_first else f"{cell} ({_format(median(_ratios(times, name)))})"


def _target(times: Times, other: str, size: int, unit: str, limit: float) -> Target:
    if limit < 1:
        text = f"{size:,} {unit}: at least {1 / limit:.3g} times as fast as {other}"
    else:
        most = "no slower than" if limit == 1 else f"at most {limit:.3g} times as long as"
        text = f"{size:,} {unit}: {most} {other}"
    if other not in times:
        return Target(text, "not measured", is_met=False)
    ratios = _ratios(times, other)
    shown = ratios if limit >= 1 else [1 / ratio for ratio in ratios]
    low, middle, high = map(_format, quantiles(shown, n=4))
    return Target(text, f"{middle} ({low} to {high})", median(ratios) <= limit)


def _added_target(times: Times, other: str, size: int, unit: str, limit: float) -> Target:
    text = f"{size:,} {unit}: at most {limit:,} ms longer than {other}"
    pairs = zip(next(iter(times.values())), times[other], strict=True)
    added = [(a - b) * 1000 for a, b in pairs]
    low, middle, high = map(_format, quantiles(added, n=4))
    return Target(text, f"{middle} ms ({low} to {high})", median(added) <= limit)


def _format(number: float) -> str:
    """Return three digits, or four if the third does not distinguish the number from 1."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.{4 if number > 1 else 3}g}"


def count_calls(work: Callable[[], object]) -> dict[str, int]:
    """Count queries, and calls of caches and storages by code outside of them."""
    profile = cProfile.Profile()
    profile.runcall(work)
    counts = dict.fromkeys(COUNTED, 0)
    for (file, _, name), (*_, callers) in pstats.Stats(profile).stats.items():
        for kind, pattern in COUNTED.items():
            if re.search(pattern, f"{file}:{name}"):
                counts[kind] += sum(
                    calls
                    for (by, _, caller), (calls, *_) in callers.items()
                    if not re.search(pattern, f"{by}:{caller}")
                )
    return counts
