"""Fixtures that most tests use, and the configuration of pytest and Hypothesis."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, storages

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded, upload_failed, upload_postponed
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support import ports
from tests.support.deadlines import TEST_DEADLINE

pytest.register_assert_rewrite("tests.properties")

# Every run uses the same examples, without a deadline, because machines may be busy.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the timeout of each test, unless the command line or a debugger does."""
    if config.option.timeout is None:
        config.option.timeout = TEST_DEADLINE


def pytest_report_header() -> str:
    return (
        'not included: the tests of "make test-browser", "make test-workers", "make test-pages", '
        'and "make integrations"'
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Shorten the IDs of long values, because an environment variable contains the test's ID."""
    if isinstance(val, str | bytes) and len(val) > 1_000:
        return f"{argname} of length {len(val)}"
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use the database, because only those run on several databases."""
    fixtures = {"db", "transactional_db"}.intersection(item.fixturenames)
    if fixtures or item.get_closest_marker("django_db"):
        item.add_marker("database")


@pytest.fixture
def emulator(settings: Any) -> Iterator[EmulatorServer]:
    """A running emulator that the settings use as the image service."""
    with EmulatorServer() as server:
        settings.GROUPME_UPLOAD_URL = server.upload_url
        settings.GROUPME_CDN_URL = server.cdn_url
        yield server


@pytest.fixture
def list_requests(emulator: EmulatorServer) -> Any:
    """A function that returns each request to the emulator as "METHOD /path"."""
    return lambda: [f"{entry['method']} {entry['path']}" for entry in emulator.app.record.as_list()]


@pytest.fixture
def remote_url() -> Iterator[str]:
    """The URL of an image on another server."""
    with EmulatorServer() as web:
        client = GroupMeClient("token", upload_url=web.upload_url, cdn_url=web.cdn_url)
        yield client.upload(pictures.plain()).url


@pytest.fixture
def fallback(settings: Any, tmp_path: Any) -> FileSystemStorage:
    """A fallback storage in a temporary folder."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files", "base_url": "/media/"},
        }
    }
    settings.GROUPME_FALLBACK = "default"
    (tmp_path / "files").mkdir()
    return storages["default"]


@pytest.fixture(params=["up", "down", "deferred", "elsewhere"])
def state(
    request: Any, emulator: EmulatorServer, fallback: FileSystemStorage, settings: Any
) -> str:
    """Each state that determines where a file is saved: the service, or another storage."""
    if request.param == "down":
        emulator.app.faults.add(Fault("status", status=503, times=100))
    elif request.param == "deferred":
        settings.GROUPME_DEFERRED = True
    elif request.param == "elsewhere":
        settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    return str(request.param)


@pytest.fixture
def on_upload() -> Iterator[Callable[[Any], None]]:
    """Connect a receiver to ``picture_uploaded``, which is sent before rows are changed."""
    receivers = []

    def connect(receiver: Any) -> None:
        receivers.append(receiver)
        picture_uploaded.connect(receiver)

    yield connect
    for receiver in receivers:
        picture_uploaded.disconnect(receiver)


@pytest.fixture
def sent() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The signals that were sent: "uploaded", "postponed", or "failed", and the arguments."""
    signals: list[tuple[str, dict[str, Any]]] = []

    def uploaded(**kwargs: Any) -> None:
        signals.append(("uploaded", kwargs))

    def postponed(**kwargs: Any) -> None:
        signals.append(("postponed", kwargs))

    def failed(**kwargs: Any) -> None:
        signals.append(("failed", kwargs))

    picture_uploaded.connect(uploaded)
    upload_postponed.connect(postponed)
    upload_failed.connect(failed)
    yield signals
    picture_uploaded.disconnect(uploaded)
    upload_postponed.disconnect(postponed)
    upload_failed.disconnect(failed)


@pytest.fixture
def free_port() -> int:
    """A port without a listener."""
    return ports.free_port()


@pytest.fixture
def forbid_io(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function. After it is called, using the cache, a storage, or a socket fails the test."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("unexpected I/O")

    def forbid() -> None:
        monkeypatch.setattr(socket.socket, "connect", fail)
        for name in ("get", "set", "get_many", "add", "get_or_set"):
            monkeypatch.setattr(cache, name, fail)
        for name in ("open", "url", "size", "exists", "save", "delete", "picture", "client"):
            monkeypatch.setattr(GroupMeStorage, name, property(fail))

    return forbid
