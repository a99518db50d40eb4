"""The wheel has what it needs, and no more."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import django_groupme_images

ROOT = Path(__file__).parent.parent
PACKAGE = Path(django_groupme_images.__file__).parent

pytestmark = pytest.mark.any_django


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows the files")
def test_every_file_of_the_package_is_in_the_wheel(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "django_groupme_images"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed >= set(tracked)
    assert "django_groupme_images/py.typed" in packed
    assert {name.split("/")[0] for name in packed} == {"django_groupme_images"}
    assert not [name for name in packed if "__pycache__" in name]


def test_the_metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = wheel.read(name).decode()
    assert f"Version: {django_groupme_images.__version__}\n" in metadata
    assert "License-Expression: BSD-3-Clause" in metadata
    required = set(re.findall(r"Requires-Dist: ([a-z0-9-]+)", metadata))
    assert required == {"django", "django-storages", "pillow", "requests", "tqdm", "urllib3"}


def modules():
    for module in pkgutil.walk_packages(django_groupme_images.__path__, "django_groupme_images."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def test_every_public_name_is_there_and_documented():
    for module in modules():
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            assert not callable(value) or value.__doc__, f"{module.__name__}.{name}"


def test_every_module_is_one_room():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 250, path


def test_the_changelog_knows_the_version():
    assert f"## [{django_groupme_images.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
