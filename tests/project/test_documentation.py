"""Test that the documentation agrees with the code and with the commands of the repository."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from django_groupme_images import exceptions
from django_groupme_images.emulator.faults import _OPTIONS as FAULTS
from tests import ROOT

from .manual.pages import CONTRIBUTING, PAGES, README, blocks

pytestmark = pytest.mark.any_django

# Pages that describe another project, although they are tested in that of the tutorial.
OWN_PROJECT = {"docs/howto/upload_existing.md"}


def test_commands_of_readme_can_be_pasted():
    """The README has no prompts, because GitHub and PyPI copy them with the commands."""
    assert {block.language for block in blocks(README)} == {"sh", "python", "django", "html"}


@pytest.mark.parametrize(
    "path", [path for path in PAGES if re.match("docs/(howto|explanation)/|docs/faq", path)]
)
def test_page_that_uses_project_of_tutorial_links_to_it(path):
    code = "".join(block.text for block in blocks(path) if block.language != "text")
    if path not in OWN_PROJECT and re.search(r"\b(Member|club)\b", code):
        text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
        link = r"\[tutorial\]\((?:\.\./)?tutorial\.md\)"
        assert re.search(rf"The examples use the project of the {link}\.", text)


def documented_arguments(program):
    """Return the arguments of each command in CONTRIBUTING.md that runs this program."""
    text = "".join(block.text for block in blocks(CONTRIBUTING))
    lines = re.findall(rf"^\$ {program} (.*)", text, re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in lines]


def test_documented_make_targets_exist():
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    in_text = re.findall(r"`make ([a-z-]+)`", (ROOT / CONTRIBUTING).read_text(encoding="utf-8"))
    in_blocks = documented_arguments(r"(?:pg_virtualenv \S+ )?make")
    assert {*in_blocks, *in_text} <= {*targets}
    assert len(in_text) > 5


@pytest.mark.parametrize("arguments", documented_arguments(r"\.venv/bin/python -m pytest"))
def test_documented_pytest_arguments_collect_tests(arguments):
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", *arguments.split()],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("page", ["docs/howto/testing.md", "docs/howto/emulator.md"])
def test_page_about_faults_documents_each_kind(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert all(re.search(rf'(?:`|fail\("?){kind}\b', text) for kind in FAULTS)


def test_table_of_upload_errors_agrees_with_retryable():
    text = (ROOT / "docs/explanation/saving.md").read_text(encoding="utf-8")
    errors = {error.__name__: error for error in exceptions.ServiceError.__subclasses__()}
    table = dict(re.findall(r"^\| `(\w+)` \|.*\| *(.*?) \|$", text, re.MULTILINE))
    assert {name: bool(retryable) for name, retryable in table.items()} == {
        name: error.retryable for name, error in errors.items()
    }
