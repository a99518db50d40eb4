"""What runs in a process of its own: the servers, and whatever is to begin with nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def elsewhere(serve: Callable[..., object], *args: object) -> Iterator[Any]:
    """
    Run ``serve(tell, *args)`` in a process of its own, which ends with the block.

    The block is given what it tells: where it is, as a rule.
    """
    with _process(serve, args) as (told, _):
        yield told


def apart(function: Callable[..., T], *args: object) -> T:
    """What a function gives in a process in which nothing has been held before."""
    with _process(_tell, (function, *args)) as (told, process):
        process.join()
        return told


@contextmanager
def _process(
    serve: Callable[..., object], args: tuple[object, ...]
) -> Iterator[tuple[Any, BaseProcess]]:
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_run, args=(its, serve, args))
    process.start()
    its.close()  # or what it does not tell, because it failed, would be waited for
    try:
        with ours:
            yield ours.recv(), process
    finally:
        process.terminate()
        process.join()


def peak() -> int:
    """The most bytes that this process has ever held, on Linux and macOS."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage(), which on Linux begins with what the parent held.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].removesuffix("kB")) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _tell(tell: Callable[[object], object], function: Callable[..., object], *args: object) -> None:
    tell(function(*args))


def _run(pipe: Connection, serve: Callable[..., object], args: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it comes to all; the first of them ends the rest
    signal.signal(signal.SIGTERM, _leave)
    Thread(target=_end_with, args=(pipe,), daemon=True).start()
    try:
        serve(pipe.send, *args)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # while it clears up


def _leave(*signal: object) -> None:
    sys.exit()


def _end_with(pipe: Connection) -> None:
    """End when the other process does, even if it was killed, and could not say so."""
    with suppress(EOFError, OSError):
        pipe.recv()
    os.kill(os.getpid(), signal.SIGTERM)
