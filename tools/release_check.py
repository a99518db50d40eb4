"""Check that CHANGELOG.md, the version of the package, and the tag of a release match."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from django_groupme_images import __version__

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def find_problems(changelog: str, version: str, tag: str, allow_unreleased: bool) -> Iterator[str]:
    unreleased, _, released = changelog.partition("## [Unreleased]\n")[2].partition("\n## ")
    if re.search("^- ", unreleased, re.MULTILINE) and not allow_unreleased:
        yield "CHANGELOG.md has unreleased entries: move them to the section of the new version."
    if not re.match(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n", released):
        yield f"CHANGELOG.md must have “## [{version}] - YYYY-MM-DD” below “## [Unreleased]”."
    if tag not in ("", f"v{version}"):
        yield f"The tag is {tag}, but __version__ is {version}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.release_check", description=__doc__)
    parser.add_argument("--allow-unreleased", action="store_true")
    parser.add_argument("--tag", default="", help="the tag, if there is one")
    options = parser.parse_args()
    text = CHANGELOG.read_text(encoding="utf-8")
    problems = find_problems(text, __version__, options.tag, options.allow_unreleased)
    sys.exit("\n".join(problems) or None)
