"""Simulated outages of the image service."""

from __future__ import annotations

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault


def fail_uploads(emulator: EmulatorServer, status: int = 503, times: int = 1) -> None:
    """Make the emulator respond to the next uploads with this status."""
    emulator.app.faults.add(Fault("status", status=status, method="POST", times=times))
