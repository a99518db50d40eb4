"""Test of the tool that measures commands in table passes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.any_django


def test_table_passes_of_few_rows_prints_line_for_each_command():
    command = [sys.executable, "-m", "tools.table_passes", "--rows", "100", "--only", "dry-run"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = process.stdout.splitlines()
    assert "groupme_upload --dry-run  " in first
    assert "groupme_upload --dry-run --limit 100  " in second
