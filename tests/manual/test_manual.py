"""What the README and the manual say works, word by word, in a project of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import django
import pytest
from PIL import Image

from django_groupme_images import exceptions
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import _OPTIONS as FAULTS

from .pages import CONTRIBUTING, PAGES, ROOT, TUTORIAL, blocks
from .reader import Reader

pytestmark = pytest.mark.any_django

PHOTOGRAPH = ROOT / "example_project/club/photos/cat.jpg"

# What a page says of newer versions of Django alone.
NEEDS_DJANGO = {"docs/howto/csp.md": (6, 0)}

ADA = """
from django.core.files import File
with open("cat.jpg", "rb") as file:
    Member.objects.create(name="Ada", photo=File(file))
"""


@pytest.fixture
def folder(tmp_path):
    """With a photograph of the size that the manual shows."""
    Image.open(PHOTOGRAPH).resize((480, 325)).save(tmp_path / "cat.jpg")
    return tmp_path


def test_the_tutorial(folder):
    Reader(folder).follow(blocks(TUTORIAL))


def start_project(reader):
    """Make the project that the tutorial ends with."""
    reader.run("django-admin startproject mysite .")
    reader.run("python manage.py startapp club")
    reader.write(blocks(TUTORIAL))
    reader.run("python manage.py makemigrations club")
    reader.run("python manage.py migrate")


@pytest.mark.parametrize("path", [path for path in PAGES if [*blocks(path)]])
def test_a_page_in_the_project_that_the_tutorial_leaves(path, folder):
    if NEEDS_DJANGO.get(path, (0,)) > django.VERSION:
        pytest.skip("needs a newer Django")
    with EmulatorServer() as emulator:
        reader = Reader(folder, emulator.port)
        start_project(reader)
        reader.run("python manage.py shell -v0", ADA)
        reader.follow(blocks(path))


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("docs/howto/production.md", "docs/howto/testing.md"),
        ("docs/howto/production.md", "docs/howto/tokens.md"),
        ("docs/howto/production.md", "docs/howto/forms.md"),
        ("docs/howto/background.md", "docs/howto/testing.md"),
    ],
)
def test_documented_tests_with_settings_of_another_page_pass(settings, path, folder):
    if "background" in settings:
        pytest.importorskip("django_tasks_db")
    with EmulatorServer() as emulator:
        reader = Reader(folder, emulator.port)
        start_project(reader)
        reader.write(blocks(settings))
        reader.run("python manage.py migrate")
        reader.run("python manage.py shell -v0", ADA)
        before = sorted(folder.glob("media/**/*"))
        reader.follow(blocks(path))
    assert sorted(folder.glob("media/**/*")) == before


def commands(program):
    """What follows the program's name in the commands that contributors are told."""
    text = "".join(block.text for block in blocks(CONTRIBUTING))
    typed = re.findall(rf"^\$ {program} (.*)", text, re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in typed]


def test_the_targets_that_contributors_are_told():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = re.findall(r"`make ([a-z-]+)`", (ROOT / CONTRIBUTING).read_text())
    assert {*commands("make"), *told} <= {*targets}
    assert len(told) > 5


@pytest.mark.parametrize("arguments", commands(r"\.venv/bin/python -m pytest"))
def test_the_tests_that_contributors_are_told(arguments):
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", *arguments.split()],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(not find_spec("tox"), reason="needs tox")
def test_the_cells_that_contributors_are_told():
    command = [sys.executable, "-m", "tox", "list", "--no-desc"]
    cells = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    told = re.findall(r"-e (\S+)", "\n".join(commands(r"\.venv/bin/tox run")))
    assert len(told) == 2
    assert {*told} <= {*cells.split()}


@pytest.mark.parametrize("page", ["docs/howto/testing.md", "docs/howto/emulator.md"])
def test_the_kinds_of_failures(page):
    text = (ROOT / page).read_text()
    assert all(re.search(rf'(?:`|fail\("?){kind}\b', text) for kind in FAULTS)


def test_the_errors_of_an_upload():
    text = (ROOT / "docs/explanation/saving.md").read_text()
    errors = {kind.__name__: kind for kind in exceptions.ServiceError.__subclasses__()}
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| *(.*?) \|$", text, re.MULTILINE))
    assert {name: bool(kept) for name, kept in rows.items()} == {
        name: kind.retryable for name, kind in errors.items()
    }
