"""
What has to be true of a release, and what publishing one needs::

    python -m release check [--tag v1.2.3] [--allow-unreleased]
    python -m release absolute-links https://github.com/somebody/something v1.2.3
    python -m release notes

``check`` tells each thing that is wrong, and what to do; the exit code is then 1. The
workflow that publishes (``.github/workflows/release.yml``) uses all three.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django_groupme_images import __version__

from . import ROOT, changelog, distributions, installation, links, tree

CHANGELOG = ROOT / "CHANGELOG.md"
README = ROOT / "README.md"


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.command == "notes":
        print(changelog.notes(CHANGELOG.read_text()))
    elif arguments.command == "absolute-links":
        README.write_text(links.absolute(README.read_text(), arguments.address, arguments.tag))
    else:
        return check(arguments.tag, arguments.allow_unreleased)
    return 0


def check(tag: str | None, allow_unreleased: bool) -> int:
    """Tell what is wrong, as it is found; 1 if anything is."""
    code = 0
    for fault in faults(tag, allow_unreleased):
        print(fault, file=sys.stderr, flush=True)
        code = 1
    print("This is not to be released." if code else f"{__version__} may be released.")
    return code


def faults(tag: str | None, allow_unreleased: bool) -> Iterator[str]:
    yield from changelog.faults(CHANGELOG.read_text(), __version__, allow_unreleased)
    yield from tree.faults(tag, __version__)
    yield from links.faults(README.read_text(), tree.tracked())
    with tempfile.TemporaryDirectory() as folder:
        yield from distributions.faults(Path(folder))
        for distribution in sorted(Path(folder).iterdir()):
            yield from installation.faults(distribution)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m release")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("check", help="whether this may be released")
    command.add_argument("--tag", default=_tag_of_workflow(), help="that it is to be built for")
    command.add_argument(
        "--allow-unreleased",
        action="store_true",
        help="let the changelog have entries that are not released yet",
    )
    command = commands.add_parser("absolute-links", help="change README.md, as PyPI needs it")
    command.add_argument("address", help="of the repository")
    command.add_argument("tag")
    commands.add_parser("notes", help="what the changelog says of the newest version")
    return parser


def _tag_of_workflow() -> str | None:
    is_tag = os.environ.get("GITHUB_REF_TYPE") == "tag"
    return os.environ.get("GITHUB_REF_NAME") if is_tag else None


if __name__ == "__main__":
    sys.exit(main())
