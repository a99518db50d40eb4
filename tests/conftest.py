"""What most tests share: an emulator that the settings point to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, storages

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from . import ports

pytest.register_assert_rewrite("tests.properties")

# Its tests need a project with other apps; "make neighbours" runs them in one.
collect_ignore = [] if apps.is_installed("tests.neighbours") else ["neighbours"]

# The same examples each time, however long a busy machine takes for one.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture
def emulator(settings: Any) -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        settings.GROUPME_UPLOAD_URL = server.upload_url
        settings.GROUPME_CDN_URL = server.cdn_url
        yield server


@pytest.fixture
def arrived(emulator: EmulatorServer) -> Any:
    """What arrived at the emulator, as "METHOD /path" for each request."""
    return lambda: [f"{entry['method']} {entry['path']}" for entry in emulator.app.record.as_list()]


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The URL of an image on another server."""
    with EmulatorServer() as web:
        client = GroupMeClient("token", upload_url=web.upload_url, cdn_url=web.cdn_url)
        yield client.upload(pictures.plain()).url


@pytest.fixture
def fallback(settings: Any, tmp_path: Any) -> FileSystemStorage:
    """A fallback storage, on a disk."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files", "base_url": "/media/"},
        }
    }
    settings.GROUPME_FALLBACK = "default"
    (tmp_path / "files").mkdir()
    return storages["default"]


@pytest.fixture
def waiting_files(fallback: FileSystemStorage, settings: Any) -> FileSystemStorage:
    """The fallback storage of files that are to be moved, without long waits for a retry."""
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    return fallback


@pytest.fixture
def free_port() -> int:
    """A port that nothing listens on."""
    return ports.free_port()


@pytest.fixture
def forbid_io(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, whatever asks the cache, a storage or a socket fails the test."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("this should be at no I/O")

    def forbid() -> None:
        monkeypatch.setattr(socket.socket, "connect", refuse)
        for name in ("get", "set", "get_many", "add", "get_or_set"):
            monkeypatch.setattr(cache, name, refuse)
        for name in ("open", "url", "size", "exists", "save", "delete", "picture", "client"):
            monkeypatch.setattr(GroupMeStorage, name, property(refuse))

    return forbid
