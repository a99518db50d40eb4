"""Save the results in ``results/README.md`` and ``docs/benchmarks.md``."""

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
    targets = "\n".join(
        f"- {target.text}. {'Met' if target.is_met else '**Missed**'}: {target.result}"
        for target in result.targets
    )
    table = format_table(result.rows, result.headers)
    return "\n\n".join(filter(None, [f"## {result.title}", table, result.notes, targets]))


def format_targets(results: Sequence[Result]) -> str:
    rows = [
        (result.title, target.text, target.result if target.is_met else f"**{target.result}**")
        for result in results
        for target in result.targets
    ]
    return format_table(rows, ["Measurement", "Target", "Result"])


def save(results: Sequence[Result]) -> None:
    """Replace the generated part of both pages."""
    summary = [environment(), format_targets(results)]
    for path, parts in ((PAGE, summary), (README, [*summary, *map(format_result, results)])):
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        text = "\n\n".join(parts)
        path.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


def environment() -> str:
    """Return the date, the machine, and the versions of Python and of the packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["bench"]]
    others = {re.match(r"[\w-]+", each)[0] for each in requirements}
    names = {project["project"]["name"], "groupyapi", "groupme-bot", *others}
    versions = {each.name.lower().replace("_", "-"): each.version for each in distributions()}
    packages = [f"{name} {versions[name]}" for name in sorted(names & versions.keys())]
    machine = f"{platform.system()} {platform.machine()} with {os.cpu_count()} cores"
    python = platform.python_version()
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"Measured on {date} with Python {python} on {machine}. Packages: {', '.join(packages)}."
