"""Signals that stop a command once the uploads in flight are finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..bulk import Bulk

__all__ = ["RETURN_CODES", "stoppable"]

# SIGHUP is sent when the terminal closes. Windows has none.
_SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

#: Why the work was stopped, and the exit code that a shell expects then.
RETURN_CODES = {f"interrupted by {number.name}": 128 + number for number in _SIGNALS}


@contextmanager
def stoppable(bulk: Bulk) -> Iterator[None]:
    """On the first signal to end, stop the work; on the second, do what it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal arrives in this thread
        return

    def stop(number: int, frame: object) -> None:
        put_back()
        bulk.stop(f"interrupted by {signal.Signals(number).name}")

    def put_back() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = {
        number: signal.getsignal(number)
        for number in _SIGNALS
        # nohup starts a process with SIGHUP ignored.
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    }
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        put_back()
