"""What most tests share: an emulator that the settings point to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from django_groupme_images.emulator import EmulatorServer


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
def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
