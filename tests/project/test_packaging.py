"""Tests of the sdist, the wheel, and their metadata, which includes the README."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import django_groupme_images
from tests import ROOT

PACKAGE = Path(django_groupme_images.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.any_django


# Files that a checkout may contain and that no distribution may: secrets, data, and notes.
STRAYS = [
    ".env",
    ".env.local",
    "db.sqlite3",
    "secrets.txt",
    "settings_local.py",
    "scratch/notes.py",
    "django_groupme_images/.env",
    "django_groupme_images/db.sqlite3",
    "django_groupme_images/static/groupme_images/secrets.txt",
    "docs/howto/token.txt",
    "docs/scratch/notes.md",
    "example_project/.env",
    "example_project/config/local_settings.py",
    "example_project/db.sqlite3",
    "tests/.env",
    "tests/scratch/test_notes.py",
    "tests/project/typed/.mypy.ini",
    "tools/.pypirc",
    "tools/fuzz/seeds/response/.env",
    "tools/fuzz/seeds/response/crash.bin",
]


def tracked(folder="."):
    command = ["git", "ls-files", "-z", folder]
    output = subprocess.run(command, cwd=ROOT, check=True, text=True, capture_output=True).stdout
    return set(output.rstrip("\0").split("\0"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the sdist and the wheel of a checkout that contains stray files."""
    if not (ROOT / ".git").exists():
        pytest.skip("git lists the files")
    checkout, folder = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("built")
    for name in tracked():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name in STRAYS:
        assert not (checkout / name).exists()
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("a secret")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", folder]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return folder


def test_sdist_of_a_checkout_with_stray_files_contains_tracked_files(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {file.name.partition("/")[2] for file in sdist if not file.isdir()}
    assert names == tracked() | {"PKG-INFO"}


def test_wheel_of_a_checkout_with_stray_files_contains_tracked_files(built):
    (path,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(path).namelist() if ".dist-info/" not in name}
    assert names == tracked(PACKAGE.name)


def test_wheel_metadata_contains_version_license_and_requirements(built):
    (path,) = built.glob("*.whl")
    wheel = zipfile.ZipFile(path)
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = wheel.read(name).decode()
    assert f"Version: {django_groupme_images.__version__}\n" in metadata
    assert "License-Expression: BSD-3-Clause" in metadata
    required = set(re.findall(r"Requires-Dist: ([a-z0-9-]+)[^;\n]*\n", metadata))
    assert required == {"django", "django-storages", "pillow", "requests", "tqdm", "urllib3"}
    assert re.findall(r"Provides-Extra: (.+)", metadata) == ["heif"]
    urls = dict(re.findall(r"Project-URL: (\w+), (\S+)", metadata))
    assert urls == PROJECT["urls"]
    assert {"Documentation", "Source", "Changelog", "Issues"} < urls.keys()


def modules():
    for module in pkgutil.walk_packages(django_groupme_images.__path__, "django_groupme_images."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def test_public_names_exist_and_have_docstrings():
    for module in modules():
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            assert not callable(value) or value.__doc__, f"{module.__name__}.{name}"


def test_modules_have_at_most_400_lines():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_changelog_contains_the_version():
    assert f"## [{django_groupme_images.__version__}]" in (ROOT / "CHANGELOG.md").read_text(
        encoding="utf-8"
    )


def test_relative_links_of_the_readme_can_be_made_absolute():
    """The workflow "release" replaces links that begin with these patterns."""
    links = re.findall(r"(?:\]\(|^\[[^]]+\]: |src=\"|href=\")([^)\"\s]+)", README, re.MULTILINE)
    for link in (link for link in links if not re.match("https?://|#", link)):
        assert re.match(r"docs/|[A-Z]+\.md", link), link
        assert (ROOT / link.partition("#")[0]).exists(), link


def test_badges_of_the_readme_are_of_this_project():
    name, urls = PROJECT["name"], PROJECT["urls"]
    badges = dict(re.findall(r"^\[!\[[^]]+\]\((\S+)\)\]\((\S+)\)$", README, re.MULTILINE))
    pypi = f"https://pypi.org/project/{name}/"
    workflow = f"{urls['Source']}/actions/workflows/tests.yml"
    assert badges == {
        f"https://img.shields.io/pypi/v/{name}": pypi,
        f"https://img.shields.io/pypi/pyversions/{name}": pypi,
        f"https://img.shields.io/pypi/frameworkversions/django/{name}": pypi,
        f"https://img.shields.io/readthedocs/{name}": urls["Documentation"],
        f"{workflow}/badge.svg": workflow,
        f"https://img.shields.io/pypi/l/{name}": f"{urls['Source']}/blob/main/LICENSE",
    }
    assert (ROOT / ".github/workflows/tests.yml").exists()
