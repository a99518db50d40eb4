"""A port for a process that has to be told one."""

from __future__ import annotations

import secrets
import socket


def free_port() -> int:
    """
    A port that nothing listens on.

    None of those that the system gives to whoever asks for any: the connections of the tests
    that run beside this one would take it before it is used.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:  # it is not free
            continue
