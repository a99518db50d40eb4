"""Test that the workflows of GitHub Actions follow the security rules."""

from __future__ import annotations

import re

import pytest
import yaml

from tests import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))

# The comment contains the version, because Dependabot updates it together with the commit.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

# The permissions that jobs need in addition to reading the repository.
ALLOWED_PERMISSIONS = {
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "announce"): {"contents": "write"},
}

pytestmark = pytest.mark.any_django

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read_jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


@each_workflow
def test_workflow_pins_actions_by_commit(path):
    used = re.findall(r"^\s*(?:- )?uses:\s*(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_workflows_with_same_action_pin_same_commit():
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+) # (\S+)", text))
    assert len(pins) == len({action for action, _, _ in pins})


@each_workflow
def test_workflow_permissions_are_minimal(path):
    defaults = ({}, {"contents": "read"})
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] in defaults
    for name, job in read_jobs(path).items():
        allowed = ALLOWED_PERMISSIONS.get((path.name, name), {"contents": "read"})
        assert job.get("permissions", {}).items() <= allowed.items(), name


@each_workflow
def test_workflow_checkout_does_not_persist_credentials(path):
    steps = [step for job in read_jobs(path).values() for step in job["steps"]]
    for step in steps:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
