"""Free TCP ports, for processes that need a fixed port number."""

from __future__ import annotations

import secrets
import socket


def free_port() -> int:
    """
    Return a port that no process listens on.

    It is below the range from which the system chooses ports, because connections of tests that run
    at the same time could use such a port first.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:  # The port is in use.
            continue
