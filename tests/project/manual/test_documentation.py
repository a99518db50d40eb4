"""Test that the code blocks of the README and the documentation work in a new project."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec

import django
import pytest
import requests
from PIL import Image

from django_groupme_images import exceptions
from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import _OPTIONS as FAULTS

from .page_runner import PageRunner
from .pages import CONTRIBUTING, INSTALLATION, PAGES, README, ROOT, TUTORIAL, blocks

pytestmark = pytest.mark.any_django

PHOTO = ROOT / "example_project/club/photos/cat.jpg"

# Pages about features of a newer Django, with its version.
NEEDS_DJANGO = {"docs/howto/csp.md": (6, 0)}

# Pages that describe another project, although they are tested in that of the tutorial.
OWN_PROJECT = {"docs/howto/upload_existing.md"}

ADA = """
from django.core.files import File
with open("cat.jpg", "rb") as file:
    Member.objects.create(name="Ada", photo=File(file))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a photo of the size that the output in the documentation contains."""
    Image.open(PHOTO).resize((480, 325)).save(tmp_path / "cat.jpg")
    return tmp_path


def test_tutorial_in_empty_folder_works(folder):
    PageRunner(folder).follow(blocks(TUTORIAL))


def test_quickstart_of_readme_in_empty_folder_works(folder):
    runner = PageRunner(folder)
    runner.follow(with_member_of_admin(runner, blocks(README)))


def with_member_of_admin(runner, readme):
    """Yield the blocks, and add a member in the admin after the site was started."""
    for block in readme:
        yield block
        if "runserver" in block.text:
            assert "images" in {path.name for path in runner.folder.iterdir()}
            add_member(f"{runner.site_url}/admin/club/member/add/", runner.folder / "cat.jpg")


def add_member(url, photo):
    """Log in to the admin and submit the form at this URL, as a browser without scripts does."""
    with requests.Session() as session:
        login = {"username": "admin", "password": "admin"}
        page = submit(session, session.get(url, timeout=10), login)
        page = submit(session, page, {"name": "Ada"}, photo)
    assert "was added successfully" in page.text
    assert re.search(r'<img src="[^"]+\.avatar"', page.text), page.text


def submit(session, page, data, photo=None):
    """Submit the form of a page with its CSRF token, and return the next page."""
    page.raise_for_status()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    return session.post(
        page.url,
        {"csrfmiddlewaretoken": token, **data},
        files={"photo": (photo.name, photo.read_bytes())} if photo else None,
        timeout=10,
    )


def test_installation_in_existing_project_works(folder):
    runner = PageRunner(folder)
    runner.run("django-admin startproject mysite .")
    runner.run("python manage.py startapp club")
    with (folder / "mysite/settings.py").open("a") as file:
        file.write('INSTALLED_APPS += ["club"]\n')
    runner.follow(blocks(INSTALLATION))


def test_commands_of_readme_can_be_pasted():
    """The README has no prompts, because GitHub and PyPI copy them with the commands."""
    assert {block.language for block in blocks(README)} == {"sh", "python", "django", "html"}


@pytest.fixture(scope="module")
def tutorial_project(tmp_path_factory):
    """The project that the tutorial ends with, without rows and with the ports of the tutorial."""
    runner = PageRunner(tmp_path_factory.mktemp("tutorial"), emulator_port=8001)
    runner.run("django-admin startproject mysite .")
    runner.run("python manage.py startapp club")
    runner.write(blocks(TUTORIAL))
    runner.run("python manage.py makemigrations club")
    runner.run("python manage.py migrate")
    return runner.folder


@pytest.fixture
def emulator():
    """The emulator that a page uses."""
    with EmulatorServer() as emulator:
        yield emulator


@pytest.fixture
def runner(tutorial_project, folder, emulator):
    """A runner in a copy of the tutorial's project."""
    runner = PageRunner(folder, emulator.port)
    runner.copy(tutorial_project)
    return runner


def insert_ada(folder, emulator):
    """Upload the photo, and insert a row with its URL, because a shell takes a second."""
    client = GroupMeClient("token", upload_url=emulator.upload_url, cdn_url=emulator.cdn_url)
    photo = client.upload((folder / "cat.jpg").read_bytes()).url
    with closing(sqlite3.connect(folder / "db.sqlite3")) as connection, connection:
        connection.execute("INSERT INTO club_member (name, photo) VALUES ('Ada', ?)", [photo])


@pytest.mark.parametrize("path", [path for path in PAGES if [*blocks(path)]])
def test_page_in_project_of_tutorial_works(path, runner, emulator):
    if NEEDS_DJANGO.get(path, (0,)) > django.VERSION:
        pytest.skip("needs a newer Django")
    insert_ada(runner.folder, emulator)
    runner.follow(blocks(path))


@pytest.mark.parametrize(
    "path", [path for path in PAGES if re.match("docs/(howto|explanation)/|docs/faq", path)]
)
def test_page_that_uses_project_of_tutorial_links_to_it(path):
    code = "".join(block.text for block in blocks(path) if block.language != "text")
    if path not in OWN_PROJECT and re.search(r"\b(Member|club)\b", code):
        text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
        link = r"\[tutorial\]\((?:\.\./)?tutorial\.md\)"
        assert re.search(rf"The examples use the project of the {link}\.", text)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("docs/howto/production.md", "docs/howto/testing.md"),
        ("docs/howto/production.md", "docs/howto/tokens.md"),
        ("docs/howto/production.md", "docs/howto/forms.md"),
        ("docs/howto/production.md", "docs/howto/multiple_images.md"),
        ("docs/howto/background.md", "docs/howto/testing.md"),
    ],
)
def test_documented_tests_with_settings_of_other_page_pass(settings, path, runner):
    if "background" in settings:
        pytest.importorskip("django_tasks_db")
    runner.write(blocks(settings))
    runner.run("python manage.py migrate")
    runner.run("python manage.py shell -v0", ADA)
    before = sorted(runner.folder.glob("media/**/*"))
    runner.follow(blocks(path))
    assert sorted(runner.folder.glob("media/**/*")) == before


def documented_arguments(program):
    """Return the arguments of each command in CONTRIBUTING.md that runs this program."""
    text = "".join(block.text for block in blocks(CONTRIBUTING))
    lines = re.findall(rf"^\$ {program} (.*)", text, re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in lines]


def test_documented_make_targets_exist():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    in_text = re.findall(r"`make ([a-z-]+)`", (ROOT / CONTRIBUTING).read_text())
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


@pytest.mark.skipif(not find_spec("tox"), reason="needs tox")
def test_documented_tox_environments_exist():
    command = [sys.executable, "-m", "tox", "list", "--no-desc"]
    environments = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    documented = re.findall(
        r"-e (\S+)", "\n".join(documented_arguments(r"(?:\S+ )?\.venv/bin/tox run"))
    )
    assert len(documented) == 5
    assert {*documented} <= {*environments.split()}


@pytest.mark.parametrize("page", ["docs/howto/testing.md", "docs/howto/emulator.md"])
def test_page_about_faults_documents_each_kind(page):
    text = (ROOT / page).read_text()
    assert all(re.search(rf'(?:`|fail\("?){kind}\b', text) for kind in FAULTS)


def test_table_of_upload_errors_agrees_with_retryable():
    text = (ROOT / "docs/explanation/saving.md").read_text()
    errors = {error.__name__: error for error in exceptions.ServiceError.__subclasses__()}
    table = dict(re.findall(r"^\| `(\w+)` \|.*\| *(.*?) \|$", text, re.MULTILINE))
    assert {name: bool(retryable) for name, retryable in table.items()} == {
        name: error.retryable for name, error in errors.items()
    }
