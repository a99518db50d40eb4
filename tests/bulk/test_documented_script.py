"""Test of the script in the reference of the commands that lists failed rows."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.bulk import save_file, save_file_as

PAGE = Path(ROOT, "docs", "reference", "commands.rst")

pytestmark = pytest.mark.any_django


def documented_script() -> str:
    """Return the Python code on the page that reads a report."""
    pattern = r"^\.\. code-block:: python\n((?:\n|   .*\n)+)"
    scripts = re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    (script,) = (script for script in scripts if "uploads.jsonl" in script)
    return textwrap.dedent(script)


def test_documented_script_lists_rows_with_failed_files(project):
    project.create_table()
    save_file_as("text.png", b"no image")
    project.insert_members([save_file(), "text.png", "text.png", "gone.jpg", "cleared.jpg"])
    upload = ("groupme_upload", "gallery.Member", "--rate=0", "--report=uploads.jsonl")
    code, _, err = project.run(*upload, "--verbosity=0")
    assert code == 1
    assert err == "CommandError: 4 of 5 rows failed.\n"
    save_file_as("gone.jpg")
    project.execute("UPDATE gallery_member SET photo = '' WHERE photo = 'cleared.jpg'")
    code, out, _ = project.run(*upload, "--skip-failed")
    assert (code, out) == (0, "1 moved, 2 skipped, 0 failed\n")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "shell", "--verbosity=0"],
        cwd=project.folder,
        env=project.environment,
        input=documented_script(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    page = "/admin/gallery/member/{}/change/ text.png UploadRejected: 127.0.0.1:"
    for line, pk in zip(result.stdout.splitlines(), (2, 3), strict=True):
        assert line.startswith(page.format(pk))
