"""The rules for the workflows of GitHub Actions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))

# An Action that is pinned by commit, with the version that dependabot raises.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

# What a job may be granted, and no more than the job's own steps need.
GRANTED = {
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "announce"): {"contents": "write"},
}

pytestmark = pytest.mark.any_django

workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


@workflow
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"^\s*(?:- )?uses:\s*(.*)$", path.read_text(), re.MULTILINE)
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_one_action_is_pinned_to_one_commit():
    text = "".join(path.read_text() for path in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+) # (\S+)", text))
    assert len(pins) == len({action for action, _, _ in pins})


@workflow
def test_permissions_are_minimal(path):
    at_most = ({}, {"contents": "read"})
    assert yaml.safe_load(path.read_text())["permissions"] in at_most
    for name, job in jobs(path).items():
        allowed = GRANTED.get((path.name, name), {"contents": "read"})
        assert job.get("permissions", {}).items() <= allowed.items(), name


@workflow
def test_checkout_keeps_no_credentials(path):
    steps = [step for job in jobs(path).values() for step in job["steps"]]
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
