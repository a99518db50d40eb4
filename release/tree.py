"""What is committed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from textwrap import indent

from . import ROOT


def faults(tag: str | None, version: str) -> Iterator[str]:
    if changed := _git("status", "--porcelain"):
        yield f"This is not committed; commit it, or remove it:\n{indent(changed, '    ')}"
    if tag is not None and tag != f"v{version}":
        yield f"The tag is {tag}, and __version__ is {version}: tag v{version}, or change one."


def tracked(folder: str = ".") -> set[str]:
    """The files that git knows in a folder."""
    return set(_git("ls-files", "-z", folder).split("\0")) - {""}


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    ).stdout.rstrip("\n")
