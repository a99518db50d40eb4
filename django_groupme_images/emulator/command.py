"""The emulator's command line, shared by ``python -m`` and ``manage.py``."""

from __future__ import annotations

import argparse
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .server import EmulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Run GroupMe's image service on this machine: POST /pictures, and the pictures and "
    "their thumbnails, on one port."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options to a parser."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8001,
        help="the port to listen on, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--directory",
        help="where to keep the pictures (default: a temporary directory, removed at the end)",
    )
    parser.add_argument(
        "--token", help="the only access token to accept (default: any is accepted)"
    )


def run(
    *,
    host: str,
    port: int,
    directory: str | None,
    token: str | None,
    write: Callable[[str], object],
) -> None:
    """
    Serve until SIGINT (Ctrl-C) or SIGTERM; ``write`` takes the lines to show.

    Raises ``CannotStart``.
    """
    server = EmulatorServer(host=host, port=port, directory=directory, token=token, log=write)
    with suppress(KeyboardInterrupt), _interruptible(), server:
        write(f"GroupMe's image service is emulated on {server.url}")
        write(f"  upload_url  {server.upload_url}")
        write(f"  cdn_url     {server.cdn_url}")
        write(f"  pictures    {directory or 'in a temporary directory'}")
        write("Stop it with Ctrl-C.")
        while True:
            time.sleep(3600)


@contextmanager
def _interruptible() -> Iterator[None]:
    """
    Make both signals a ``KeyboardInterrupt``.

    SIGINT, too: a shell starts a background process with SIGINT ignored.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port
