"""Fixtures of the tests of bulk commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, Storage, storages

from django_groupme_images.emulator import EmulatorServer
from tests.support.bulk import member_view
from tests.support.commands import run_command
from tests.support.groupme_check import Mirror
from tests.support.projects import Project


@pytest.fixture
def fallback(fallback: FileSystemStorage, settings: Any) -> FileSystemStorage:
    """The fallback storage, with short pauses before retries."""
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    return fallback


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The path of a report that does not exist yet."""
    return tmp_path / "report.jsonl"


@pytest.fixture
def upload(emulator: EmulatorServer) -> Callable[..., str]:
    """Run ``groupme_upload`` without a rate limit, and return its output."""
    return partial(run_command, "groupme_upload", rate=0)


@pytest.fixture
def mirror(settings: Any) -> Iterator[Storage]:
    """An empty storage with the alias "mirror"."""
    settings.STORAGES = settings.STORAGES | {
        "mirror": {"BACKEND": "tests.support.groupme_check.Mirror"}
    }
    yield storages["mirror"]
    Mirror.is_full = False


@pytest.fixture
def check(emulator: EmulatorServer, mirror: Storage, settings: Any) -> Callable[..., str]:
    """Run ``groupme_check`` without a rate limit, and return its output."""
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    return partial(run_command, "groupme_check", rate=0)


@pytest.fixture
def broken_view() -> Iterator[None]:
    """A view whose table does not exist. The database "other" is always SQLite."""
    with member_view("other", "SELECT id, photo FROM nowhere"):
        yield


@pytest.fixture
def project(tmp_path: Path, emulator: EmulatorServer, fallback: FileSystemStorage) -> Project:
    """A project in a folder, with the fallback storage of this process."""
    return Project(tmp_path, emulator)
