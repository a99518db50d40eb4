"""Download the tests of the installed Django version, and change the field in their models."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import django

#: The changed lines of ``model_fields/models.py``: an import and two uses of the field.
CHANGES = {
    "from django.db.models.fields.files import ImageFieldFile\n": (
        "from tests.django_suite.field import GroupMeImageField, ImageFieldFile\n"
    ),
    "    class TestImageField(models.ImageField):\n": (
        "    class TestImageField(GroupMeImageField):\n"
    ),
    "        mugshot = models.ImageField(\n": "        mugshot = GroupMeImageField(\n",
}


def unpack_tests(folder: Path) -> Path:
    """
    Return the folder of a new, changed copy of ``model_fields``, below ``folder``.

    Downloads the sdist if it is not in ``folder`` yet. Raises ``ValueError`` if a line to change is
    not in the copy exactly once.
    """
    release = f"django-{django.__version__}"
    archive = folder / f"{release}.tar.gz"
    if not archive.exists():
        _download(folder)
    package = f"{release}/tests/model_fields/"
    with tarfile.open(archive) as content:
        members = [member for member in content if member.name.startswith(package)]
        content.extractall(folder, members, filter="data")
    _change(folder / package / "models.py")
    return folder / release / "tests"


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary=django", f"--dest={folder}", f"django=={django.__version__}"]
    # Warnings are errors in these tests, but pip and setuptools may raise some.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
    subprocess.run(command, env=environment, check=True)


def _change(models: Path) -> None:
    code = models.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        if code.count(old) != 1:
            raise ValueError(f"{models} contains {old!r} {code.count(old)} times instead of once.")
        code = code.replace(old, new)
    models.write_text(code, encoding="utf-8")
