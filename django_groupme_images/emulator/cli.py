"""Command line of the emulator, shared by ``python -m`` and ``manage.py``."""

from __future__ import annotations

import argparse
import math
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .assumptions import Assumptions
from .origins import normalize_hosts
from .server import EmulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DESCRIPTION", "add_arguments", "ignore_signals", "run"]

# SIGHUP is sent when the terminal closes. It does not exist on Windows, and nohup starts a
# process that ignores it.
_SIGNALS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
    and (name != "SIGHUP" or signal.getsignal(signal.Signals[name]) is not signal.SIG_IGN)
)

_STRING_OPTIONS = (
    ("--host", "127.0.0.1", "Host name or IP address to listen on (default: %(default)s)."),
    (
        "--directory",
        None,
        "Directory for the images (default: a temporary directory that is deleted at exit).",
    ),
    ("--token", None, "The only access token to accept (default: accept any token)."),
)

# The interval in seconds between checks for a signal.
_POLL_INTERVAL = 0.1

DESCRIPTION = (
    "Run a local emulator of GroupMe's image service, which accepts uploads (POST /pictures) and "
    "serves images and their thumbnails on one port."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options to a parser."""
    parser.add_argument(
        "--port",
        type=_port,
        default=8001,
        help="Port to listen on, or 0 for a free port (default: %(default)s).",
    )
    for name, default, help_text in _STRING_OPTIONS:
        parser.add_argument(name, type=_non_empty, default=default, help=help_text)
    parser.add_argument(
        "--allowed-host",
        action="append",
        type=_allowed_host,
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
    parser.add_argument(
        "--thumbnail-delay",
        type=_seconds,
        default=0,
        metavar="SECONDS",
        help="Time in seconds after an upload until its thumbnails exist (default: %(default)s).",
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
    thumbnail_delay: float = 0,
) -> None:
    """
    Run the emulator until SIGINT (Ctrl+C), SIGTERM, or SIGHUP.

    ``write`` is called with each line of output. Raise ``CannotStart`` if the server cannot start.
    """
    server = EmulatorServer(
        host=host,
        port=port,
        directory=directory,
        token=token,
        allowed_hosts=allowed_hosts,
        allow_private_urls=allow_private_urls,
        assumptions=Assumptions(thumbnail_delay=thumbnail_delay),
        log=write,
    )
    with _collect_signals() as received, server:
        _write_startup_lines(server, write, directory=directory, token=token)
        while not received:
            time.sleep(_POLL_INTERVAL)


def ignore_signals() -> None:
    """Ignore the signals that stop the emulator."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _write_startup_lines(
    server: EmulatorServer,
    write: Callable[[str], object],
    *,
    directory: str | None,
    token: str | None,
) -> None:
    # The reader of the output may have closed the pipe, as ``head`` does.
    with suppress(OSError, ValueError):
        for line in _startup_lines(server, directory, token):
            write(line)


def _startup_lines(
    server: EmulatorServer, directory: str | None, token: str | None
) -> Iterator[str]:
    yield f"Emulating GroupMe's image service at {server.url}"
    yield f"Images are stored in {directory or 'a temporary directory, which is deleted at exit'}"
    yield ""
    yield "Add these lines to the settings of your project:"
    yield ""
    yield f'GROUPME_UPLOAD_URL = "{server.upload_url}"'
    yield f'GROUPME_CDN_URL = "{server.cdn_url}"'
    # A terminal or a log must not show the token that was passed on the command line.
    yield f'GROUPME_ACCESS_TOKEN = "{"<value of --token>" if token else "placeholder-token"}"'
    yield ""
    if server.is_for_others:
        yield (
            "Warning: the emulator is reachable from the network. Anyone who can reach it can view "
            "and delete its images."
        )
    yield "Press Ctrl+C to stop."


@contextmanager
def _collect_signals() -> Iterator[list[int]]:
    """
    Append signals to a list, so that they do not interrupt the cleanup.

    SIGINT is also handled if it is ignored, as in a background process of a shell.
    """
    received: list[int] = []
    handlers = [signal.signal(number, lambda got, _: received.append(got)) for number in _SIGNALS]
    try:
        yield received
    finally:
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            signal.signal(number, handler)


def _port(text: str) -> int:
    with suppress(ValueError):
        if 0 <= int(text) <= 65535:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds (0 or more)")


def _allowed_host(text: str) -> str:
    try:
        normalize_hosts([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _non_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(
            "value must not be empty (is an environment variable not set?)"
        )
    return text
