"""The time limit of an upload, which applies to every step until the upload ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["limited", "seconds_left", "time_limit"]

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the block to a number of seconds in total, or not at all."""
    token = _deadline.set(math.inf if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """Return the seconds until the current :func:`time_limit` ends; infinity without a limit."""
    return _deadline.get() - time.monotonic()


def limited(timeout: float | None) -> float | None:
    """
    Return the timeout in seconds, or less if less time is left.

    Raises ``TimeoutError`` if no time is left.
    """
    left = min(math.inf if timeout is None else timeout, seconds_left())
    if left <= 0:
        raise TimeoutError("timed out")
    return None if left == math.inf else left
