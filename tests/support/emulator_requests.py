"""Requests to an emulator, with and without an HTTP client."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import requests

from django_groupme_images.emulator import EmulatorServer
from tests.support.deadlines import DEADLINE

MEGABYTE = 1024 * 1024
TOKEN = {"X-Access-Token": "any"}


def upload(server: EmulatorServer, data: Any, **options: Any) -> requests.Response:
    """Upload a file with a placeholder token."""
    return requests.post(server.upload_url, data, headers=TOKEN, timeout=DEADLINE, **options)


def error_message(response: requests.Response) -> str:
    """Return the message of an error response."""
    content = response.json()
    assert content["response"] is None
    assert content["meta"]["code"] == response.status_code
    return str(content["meta"]["errors"][0])


def exchange(server: EmulatorServer, request: bytes) -> bytes:
    """Send a request, and return what the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def peak_memory(pid: int) -> int:
    """Return the peak memory of a process in bytes."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert match
    return int(match[1]) * 1024
