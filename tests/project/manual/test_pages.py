"""
Test that the code blocks of the README and the documentation work in a new project.

``make test-pages`` runs these tests.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import django
import pytest
import requests
from PIL import Image

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from tests.support.deadlines import DEADLINE

from .page_runner import PageRunner
from .pages import INSTALLATION, PAGES, README, ROOT, TUTORIAL, blocks

pytestmark = pytest.mark.any_django

PHOTO = ROOT / "example_project/club/photos/cat.jpg"

# Pages about features of a newer Django, with its version.
NEEDS_DJANGO = {"docs/howto/csp.md": (6, 0)}

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
        page = submit(session, session.get(url, timeout=DEADLINE), login)
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
        timeout=DEADLINE,
    )


def test_installation_in_existing_project_works(folder):
    runner = PageRunner(folder)
    runner.run("django-admin startproject mysite .")
    runner.run("python manage.py startapp club")
    with (folder / "mysite/settings.py").open("a") as file:
        file.write('INSTALLED_APPS += ["club"]\n')
    runner.follow(blocks(INSTALLATION))


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
    runner.write(blocks(settings))
    runner.run("python manage.py migrate")
    runner.run("python manage.py shell -v0", ADA)
    before = sorted(runner.folder.glob("media/**/*"))
    runner.follow(blocks(path))
    assert sorted(runner.folder.glob("media/**/*")) == before
