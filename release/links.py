"""The README is full of links into the repository, which PyPI needs in full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

# What is code is no link.
_FENCED = r"^ *(?P<fence>`{3,}).*?^ *(?P=fence)"
_INLINE = r"(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"
# [text](target), ![text](target), [name]: target, <img src="target"> and <a href="target">.
_LINK = r"""(?P<before>\]\(|^\[[^\]]+\]:\ |\b(?:src|href)=")(?P<target>[^\s)"]+)"""
_PATTERN = re.compile(f"{_FENCED}|{_INLINE}|{_LINK}", re.DOTALL | re.MULTILINE)

_IMAGES = {".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp"}


def absolute(text: str, repository: str, tag: str) -> str:
    """Markdown, whose relative links lead to a tag of a repository on GitHub."""

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or not _is_relative(target):
            return match[0]
        view = "raw" if PurePosixPath(urlsplit(target).path).suffix in _IMAGES else "blob"
        return f"{match['before']}{repository}/{view}/{tag}/{target}"

    return _PATTERN.sub(replaced, text)


def faults(text: str, committed: set[str]) -> Iterator[str]:
    """What a README links to that nobody will find."""
    there = committed | {
        str(folder) for file in committed for folder in PurePosixPath(file).parents
    }
    for target in (match["target"] for match in _PATTERN.finditer(text)):
        if target and _is_relative(target) and urlsplit(target).path.rstrip("/") not in there:
            yield f"README.md links to {target}, which is not committed: mend it, or commit that."


def _is_relative(target: str) -> bool:
    """Whether this is in the repository; a place in the same page needs no address."""
    parts = urlsplit(target)
    return not (parts.scheme or parts.netloc) and bool(parts.path)
