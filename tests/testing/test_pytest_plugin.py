"""Tests of the pytest plugin, which pytest loads in each environment with the app."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = pytest.mark.any_django


RECORD = """
import sys
from pathlib import Path

def test_modules():
    Path("modules").write_text("\\n".join(sys.modules))
"""


def run(folder: Path, *arguments: str, **variables: str) -> str:
    """Run pytest in a project without Django, and return its output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "PYTEST_"))
    }
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def modules(folder: Path, *arguments: str) -> set[str]:
    """Return the names of the modules that a run of pytest without other plugins imports."""
    folder.joinpath("test_modules.py").write_text(RECORD)
    run(folder, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    return set(folder.joinpath("modules").read_text(encoding="utf-8").splitlines())


def test_plugin_imports_only_itself_and_its_package(tmp_path):
    added = modules(tmp_path, "-p", "groupme_images") - modules(tmp_path)
    assert added == {"django_groupme_images", "django_groupme_images.pytest_plugin"}


def test_fixture_is_available_without_configuration(tmp_path):
    assert "groupme_service" in run(tmp_path, "--fixtures")
