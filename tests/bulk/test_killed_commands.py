"""Tests of commands that are killed and run again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from django_groupme_images.emulator import EmulatorServer
from tests.support.bulk import read_report, save_file
from tests.support.projects import Project

resource = pytest.importorskip("resource", reason="needs SIGKILL and limits of file sizes")

UPLOAD = ("groupme_upload", "gallery.Member", "--rate=0", "--report=report.jsonl")
CLEANUP = ("groupme_cleanup", "report.jsonl", "--older-than=0")

pytestmark = pytest.mark.any_django

# The environment variable KILL names the point at which the process kills itself.
SETTINGS = """
import os, signal
from django.core.files.storage import FileSystemStorage
from django_groupme_images.signals import picture_uploaded

def kill(point, **kwargs):
    if os.environ.get("KILL") == point:
        os.kill(os.getpid(), signal.SIGKILL)

class Files(FileSystemStorage):
    calls = 0

    def get_modified_time(self, name):
        Files.calls += 1
        if Files.calls == 2:
            kill("after the upload")
        return super().get_modified_time(name)

    def delete(self, name):
        kill("before the deletion")
        super().delete(name)
        kill("after the deletion")

def token():
    kill("before the upload")
    return "token"

def receiver(**kwargs):
    kill("before the rows")

picture_uploaded.connect(receiver)
STORAGES["default"]["BACKEND"] = "project_settings.Files"
GROUPME_ACCESS_TOKEN = token
"""


@pytest.fixture
def project(tmp_path: Path, emulator: EmulatorServer, fallback: FileSystemStorage) -> Project:
    """A project with all tables, and one file to upload."""
    project = Project(tmp_path, emulator, SETTINGS)
    code, _, err = project.run("migrate", "--run-syncdb", "--verbosity=0")
    assert code == 0, err
    project.insert_members([save_file()])
    return project


@pytest.fixture
def run(project: Project) -> Callable[..., int]:
    """Run a command that kills itself at the point ``kill``, and return its exit code."""

    def run_command(*arguments: str, kill: str = "", **kwargs: Any) -> int:
        environment = project.environment | {"KILL": kill}
        if kill:  # A killed process would leave a damaged file of coverage data.
            environment = {k: v for k, v in environment.items() if not k.startswith("COV")}
        return project.run(*arguments, env=environment, **kwargs)[0]

    return run_command


@pytest.mark.parametrize(
    ("point", "lines", "uploads"),
    [
        ("before the upload", 0, 1),
        # The image of the killed run stays on the service, and no row has it.
        ("after the upload", 0, 2),
        ("before the rows", 1, 1),
    ],
)
def test_upload_after_killed_run_changes_row(
    run, report, list_requests, project, point, lines, uploads
):
    assert run(*UPLOAD, kill=point) == -signal.SIGKILL
    assert project.stored_names() == ["photos/cat.jpg"]
    assert len(read_report(report)) == lines
    assert run(*UPLOAD) == 0
    assert "48x32.jpeg" in project.stored_names()[0]
    assert list_requests() == ["POST /pictures"] * uploads


def test_upload_after_run_killed_while_writing_report_changes_row(
    run, report, list_requests, project
):
    assert run(*UPLOAD, kill="before the rows") == -signal.SIGKILL
    report.write_bytes(report.read_bytes()[:-20])
    assert run(*UPLOAD) == 0
    assert "48x32.jpeg" in project.stored_names()[0]
    assert list_requests() == ["POST /pictures"] * 2
    assert (
        json.loads(report.read_text(encoding="utf-8").splitlines()[-1])["url"]
        == project.stored_names()[0]
    )


@pytest.mark.parametrize("point", ["before the deletion", "after the deletion"])
@pytest.mark.parametrize("command", [(*UPLOAD, "--delete-source"), CLEANUP])
def test_cleanup_after_killed_deletion_deletes_file(
    run, fallback, list_requests, project, point, command
):
    if command is CLEANUP:
        assert run(*UPLOAD) == 0
    assert run(*command, kill=point) == -signal.SIGKILL
    assert "48x32.jpeg" in project.stored_names()[0]
    assert fallback.exists("photos/cat.jpg") is (point == "before the deletion")
    assert run(*CLEANUP) == 0
    assert not fallback.exists("photos/cat.jpg")
    assert list_requests() == ["POST /pictures"]


def test_upload_with_unwritable_report_changes_row(run, report, list_requests, project):
    max_size = 2_000_000
    report.write_text("x" * (max_size - 10))

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_size, max_size))

    assert run(*UPLOAD, preexec_fn=limit_file_size) == 1
    assert "48x32.jpeg" in project.stored_names()[0]
    assert list_requests() == ["POST /pictures"]
