"""Save the results in ``results/README.md`` and in the documentation."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from tabulate import tabulate

from .measure import Result

ROOT = Path(__file__).parents[2]
README = Path(__file__).with_name("results") / "README.md"
PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- written by make bench -->\n\n", "\n\n<!-- until here -->"


def format_table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def format_result(result: Result) -> str:
    """Return the result in Markdown."""
    goals = "\n".join(
        f"- {'met' if goal.is_met else '**missed**'}: {goal.text}; found {goal.found}"
        for goal in result.goals
    )
    table = format_table(result.rows, result.headers)
    return "\n\n".join(filter(None, [f"## {result.title}", table, result.notes, goals]))


def format_goals(results: Sequence[Result]) -> str:
    rows = [
        (result.title, goal.text, goal.found if goal.is_met else f"**{goal.found}**")
        for result in results
        for goal in result.goals
    ]
    return format_table(rows, ["", "goal", "found"])


def save(results: Sequence[Result]) -> None:
    """Replace the generated part of both pages."""
    goals = format_goals(results)
    for path, text in (
        (PAGE, goals),
        (README, "\n\n".join([environment(), goals, *map(format_result, results)])),
    ):
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        path.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


def environment() -> str:
    """Return the date, the machine, and the versions of the packages that are compared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["bench"]]
    names = {"groupyapi", *(re.match(r"[\w-]+", each)[0] for each in requirements)}
    versions = {each.name.lower(): each.version for each in distributions()}
    packages = [f"{name} {versions[name]}" for name in sorted(names & versions.keys())]
    machine = f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores"
    software = ", ".join([f"Python {platform.python_version()}", *packages])
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} on {machine}, {software}."
