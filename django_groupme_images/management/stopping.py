"""Signal handlers that stop a command after the uploads in flight have finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_groupme_images.bulk.runner import BulkRunner

__all__ = ["stop_on_signals"]

# SIGHUP is sent when the terminal closes. Windows has none.
_SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def stop_on_signals(runner: BulkRunner) -> Iterator[None]:
    """
    Stop the work on the first SIGINT, SIGTERM, or SIGHUP.

    The first signal also restores the previous signal handlers, so a second one usually ends the
    process immediately.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread can set signal handlers.
        return

    def stop(number: int, frame: object) -> None:
        restore_handlers()
        reason = f"interrupted by {signal.Signals(number).name}"
        runner.stop(reason, return_code=128 + number)  # Shells expect this exit code.

    def restore_handlers() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = _current_handlers()
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore_handlers()


def _current_handlers() -> dict[signal.Signals, Any]:
    """Return the handlers of the signals that stop a command."""
    return {
        number: signal.getsignal(number)
        for number in _SIGNALS
        # nohup starts a process with SIGHUP ignored.
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    }
