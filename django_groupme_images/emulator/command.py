"""The emulator's command line, shared by ``python -m`` and ``manage.py``."""

from __future__ import annotations

import argparse
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .origins import host_names
from .server import EmulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DESCRIPTION", "add_arguments", "ignore_signals", "run"]

# SIGHUP is sent when the terminal closes. Windows has none, and nohup starts a process with it
# ignored.
_SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
    and (name != "SIGHUP" or signal.getsignal(signal.Signals[name]) is not signal.SIG_IGN)
)

_TEXTS = (
    ("--host", "127.0.0.1", "the address to listen on (default: %(default)s)"),
    (
        "--directory",
        None,
        "where to keep the pictures (default: a temporary directory, removed at the end)",
    ),
    ("--token", None, "the only access token to accept (default: any is accepted)"),
)

# How long, in seconds, a signal may go unnoticed.
_PATIENCE = 0.1

DESCRIPTION = (
    "Run GroupMe's image service on this machine: POST /pictures, and the pictures and "
    "their thumbnails, on one port."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options to a parser."""
    parser.add_argument(
        "--port",
        type=_port,
        default=8001,
        help="the port to listen on, 0 for a free one (default: %(default)s)",
    )
    for name, default, meaning in _TEXTS:
        parser.add_argument(name, type=_filled, default=default, help=meaning)
    parser.add_argument(
        "--allowed-host",
        action="append",
        type=_host,
        default=[],
        dest="allowed_hosts",
        metavar="NAME",
        help="Accept requests for NAME, such as a Compose service, and from web pages of NAME. "
        "Loopback names are accepted without it. Can be repeated.",
    )
    parser.add_argument(
        "--allow-private-urls",
        action="store_true",
        help="Fetch ?url= from private networks, and follow redirects to them and to this machine.",
    )


def run(
    *,
    host: str,
    port: int,
    directory: str | None,
    token: str | None,
    write: Callable[[str], object],
    allowed_hosts: Sequence[str] = (),
    allow_private_urls: bool = False,
) -> None:
    """
    Serve until SIGINT (Ctrl+C), SIGTERM, or SIGHUP; ``write`` takes the lines to show.

    Raises ``CannotStart``.
    """
    server = EmulatorServer(
        host=host,
        port=port,
        directory=directory,
        token=token,
        allowed_hosts=allowed_hosts,
        allow_private_urls=allow_private_urls,
        log=write,
    )
    with _signals() as came, server:
        # Who reads the lines may be gone, as "| head" is.
        with suppress(OSError, ValueError):
            for line in _lines(server, directory):
                write(line)
        while not came:
            time.sleep(_PATIENCE)


def ignore_signals() -> None:
    """Let no signal interrupt what is left to do."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _lines(server: EmulatorServer, directory: str | None) -> Iterator[str]:
    yield f"GroupMe's image service is emulated on {server.url}"
    yield f"  upload_url  {server.upload_url}"
    yield f"  cdn_url     {server.cdn_url}"
    yield f"  pictures    {directory or 'in a temporary directory'}"
    if server.is_for_others:
        yield "Others on the network can use it now, and see and delete its pictures."
    yield "Stop it with Ctrl-C."


@contextmanager
def _signals() -> Iterator[list[int]]:
    """
    Collect the signals, so that they do not interrupt the cleanup.

    SIGINT is collected even if it was ignored, as in a background process of a shell.
    """
    came: list[int] = []
    before = [signal.signal(number, lambda got, _: came.append(got)) for number in _SIGNALS]
    try:
        yield came
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _port(text: str) -> int:
    with suppress(ValueError):
        if 0 <= int(text) <= 65535:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")


def _host(text: str) -> str:
    try:
        host_names([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _filled(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(
            "the value is empty, as an unset variable is; leave the option out for the default"
        )
    return text
