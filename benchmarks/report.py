"""What was measured: as tables to read, as numbers, and as a plot."""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from tabulate import tabulate

from .contest import Result

FOLDER = Path(__file__).with_name("results")

PAGE = FOLDER.parents[1] / "docs/explanation/cost.md"

# Around what stands there.
_BEGIN, _END = "<!-- written by make bench -->", "<!-- until here -->"

# Whose version says something of the figures.
_PACKAGES = {
    *(
        "django-groupme-images",
        "django",
        "pillow",
        "requests",
        "urllib3",
        "httpx",
        "boto3",
        "moto",
        "django-storages",
    ),
    *("easy-thumbnails", "sorl-thumbnail", "django-imagekit", "django-versatileimagefield"),
    *("django-pictures", "cloudinary", "wagtail", "groupyapi", "groupme-bot"),
}


def table(result: Result) -> str:
    """The result in Markdown."""
    rows = tabulate(result.rows, result.headers, tablefmt="github", disable_numparse=True)
    verdicts = "\n".join(
        f"- {'met' if verdict.met else '**missed**'}: {verdict.aim}; found {verdict.found}"
        for verdict in result.verdicts
    )
    blocks = [f"## {result.title}", rows, *result.notes, verdicts]
    return "\n\n".join(block for block in blocks if block) + "\n"


def summary(results: Sequence[Result]) -> str:
    """What was aimed at, and what was found, in Markdown."""
    rows = [
        (result.title, verdict.aim, verdict.found if verdict.met else f"**{verdict.found}**")
        for result in results
        for verdict in result.verdicts
    ]
    return tabulate(rows, ["", "aim", "found"], tablefmt="github", disable_numparse=True)


def check_that_it_can_be_written() -> None:
    """Raise, before anything is measured, what :func:`write` would raise after half an hour."""
    import matplotlib as mpl

    mpl.use("svg")
    text = PAGE.read_text(encoding="utf-8")
    if text.count(_BEGIN) != 1 or text.count(_END) != 1 or text.index(_BEGIN) > text.index(_END):
        raise SystemExit(f"{PAGE.name} needs the lines {_BEGIN} and {_END}, once each, in order")


def write(results: Sequence[Result]) -> None:
    """Write all of it into ``benchmarks/results/``, and what came of it into the manual."""
    FOLDER.mkdir(exist_ok=True)
    numbers = {"surroundings": surroundings(), "results": [asdict(result) for result in results]}
    (FOLDER / "results.json").write_text(
        json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    aims = summary(results)
    (FOLDER / "README.md").write_text(
        _HEAD.format(said=_said(numbers["surroundings"]), aims=aims)
        + "\n".join(table(result) for result in results),
        encoding="utf-8",
    )
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n\n{aims}\n\n{_END}{after}", encoding="utf-8")
    plot(results, FOLDER / "growth.svg")


def surroundings() -> dict[str, str]:
    """When, on what and with which packages it was measured."""
    found = {dist.metadata["Name"].lower(): dist.version for dist in distributions()}
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        **{name: found[name] for name in sorted(_PACKAGES & found.keys())},
    }


def _said(around: dict[str, str]) -> str:
    date, machine, *packages = around.items()
    return f"on {date[1]}, on {machine[1]}, with {', '.join(map(' '.join, packages))}"


def plot(results: Sequence[Result], path: Path) -> None:
    """How the time of each way grows."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "any", "svg.fonttype": "none", "font.size": 8})

    grown = [result for result in results if result.unit]
    columns = 3
    rows = -(-len(grown) // columns)
    figure, places = plt.subplots(rows, columns, figsize=(13, 3.6 * rows), squeeze=False)
    for place in places.flat[len(grown) :]:
        place.remove()
    for place, result in zip(places.flat, grown, strict=False):
        for name, points in _curves(result).items():
            is_ours = name == result.rows[0][0]
            style = {"color": "black", "linewidth": 2.5} if is_ours else {"linewidth": 1}
            place.loglog(*zip(*points, strict=True), marker=".", label=name, **style)
        place.set(title=result.title.replace("`", ""), xlabel=result.unit, ylabel="milliseconds")
        place.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _curves(result: Result) -> dict[str, list[tuple[int, float]]]:
    """The milliseconds of each way, for each size."""
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for figure in result.figures:
        curves[figure["way"]].append((figure[result.unit], figure["seconds"] * 1000))
    return curves


_HEAD = """# What it costs, beside what one would use instead

Written by `make bench` {said}.

The ways of a table are measured in turn, in a new order each round, and a figure is the median of
the rounds. What stands after it in brackets is the median of the ratios: 0.5 means that
django-groupme-images takes half as long as that way does. "Found" is such a ratio, too, with its
quartiles; where an aim lies between them, another run may find otherwise. Times of another machine
are others: believe the ratios. What is missed stands in bold. The same as numbers, with each round:
[results.json](results.json).

{aims}

![How the times grow](growth.svg)

"""
