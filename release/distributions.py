"""The wheel and the sdist hold what is committed, and PyPI will take them."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from zipfile import ZipFile

from . import ROOT, tree
from .running import fault

_PACKAGE = "django_groupme_images"


def faults(folder: Path) -> Iterator[str]:
    """Build both into a folder, and look into them."""
    python = (sys.executable, "-m")
    yield from fault(
        "The wheel and the sdist cannot be built:", *python, "build", "--outdir", folder, ROOT
    )
    for wheel in folder.glob("*.whl"):
        check = ("check_wheel_contents", "--config", ROOT / "pyproject.toml", wheel)
        yield from fault(
            "The wheel has what it should not; see [tool.hatch.build] in pyproject.toml:",
            *python,
            *check,
        )
        yield from differences(wheel, tree.tracked(_PACKAGE))
    for sdist in folder.glob("*.tar.gz"):
        yield from differences(sdist, tree.tracked())
    for distribution in sorted(folder.iterdir()):
        check = ("twine", "check", "--strict", distribution)
        yield from fault(
            "PyPI would not take this; mend README.md, or pyproject.toml:", *python, *check
        )


def differences(distribution: Path, committed: set[str]) -> Iterator[str]:
    """How what is in a distribution differs from the files that are to be in it."""
    packed = _content(distribution)
    if missing := committed - packed:
        yield (
            f"{distribution.name} lacks these files; see [tool.hatch.build] in pyproject.toml,"
            f" and .gitignore:\n{_lines(missing)}"
        )
    if surplus := packed - committed:
        yield (
            f"{distribution.name} has these files; commit, remove or ignore them:"
            f"\n{_lines(surplus)}"
        )


def _lines(names: set[str]) -> str:
    return indent("\n".join(sorted(names)), "    ")


def _content(distribution: Path) -> set[str]:
    """The files in it, but for the metadata that the build adds."""
    if distribution.suffix == ".whl":
        with ZipFile(distribution) as wheel:
            return {name for name in wheel.namelist() if ".dist-info/" not in name}
    with tarfile.open(distribution) as sdist:
        names = {file.name.partition("/")[2] for file in sdist if not file.isdir()}
        return names - {"PKG-INFO"}
