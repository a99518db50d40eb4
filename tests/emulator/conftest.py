"""Fixtures of the tests of the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_groupme_images.emulator import EmulatorServer


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    """A running emulator."""
    with EmulatorServer() as server:
        yield server


@pytest.fixture(scope="module")
def shared_server() -> Iterator[EmulatorServer]:
    """A running emulator for all tests of a module, because starting one takes time."""
    with EmulatorServer() as server:
        yield server
