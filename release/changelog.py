"""CHANGELOG.md, in the form of https://keepachangelog.com/en/1.1.0/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

_UNRELEASED = "[Unreleased]"
_RELEASE = re.compile(r"\[(?P<version>\d+\.\d+\.\d+\S*)\] - (?P<date>\d{4}-\d\d-\d\d)")
_ENTRY = re.compile(r"^(?!###)\S", re.MULTILINE)
_KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def faults(text: str, version: str, allow_unreleased: bool = False) -> Iterator[str]:
    """What keeps this text from being the changelog of a version that is to be released."""
    found = _sections(text)
    if next(iter(found), None) != _UNRELEASED:
        yield f"CHANGELOG.md has no heading “## {_UNRELEASED}” above the others: add it."
    if _ENTRY.search(found.pop(_UNRELEASED, "")) and not allow_unreleased:
        yield (
            f"CHANGELOG.md has entries under “{_UNRELEASED}”: move them to the version that is"
            " to be released, or release them with the next."
        )
    for heading in found:
        if not _is_release(heading):
            yield f"CHANGELOG.md: write “## {heading}” as “## [1.2.3] - 2026-01-31”."
    for kind in re.findall(r"^### (.*)", text, re.MULTILINE):
        if kind not in _KINDS:
            yield f"CHANGELOG.md: “### {kind}” is none of {', '.join(_KINDS)}."
    newest, entries = next(iter(found.items()), ("none", ""))
    if not newest.startswith(f"[{version}] "):
        yield (
            f"CHANGELOG.md’s newest version is {newest}, and __version__ is {version}: give one"
            " the version of the other."
        )
    elif not _ENTRY.search(entries):
        yield f"CHANGELOG.md says nothing of {version}: add what has changed."


def notes(text: str) -> str:
    """What it says of the newest version, as GitHub shows it."""
    (entries, *_) = (text for heading, text in _sections(text).items() if _is_release(heading))
    return re.sub(r"\n +(?![-*+ ])", " ", entries)  # GitHub would keep the ends of lines


def _sections(text: str) -> dict[str, str]:
    """Each heading of the second level, with what stands below it."""
    _, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return {
        heading.strip(): below.strip() for heading, _, below in (p.partition("\n") for p in parts)
    }


def _is_release(heading: str) -> bool:
    match = _RELEASE.fullmatch(heading.removesuffix(" [YANKED]"))
    try:
        return bool(match and date.fromisoformat(match["date"]))
    except ValueError:  # the 31st of November
        return False
