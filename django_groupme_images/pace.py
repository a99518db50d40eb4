"""The pace of many threads together: how many requests a second, and when all of them wait."""

from __future__ import annotations

from threading import Condition
from time import monotonic

__all__ = ["Pace", "Stopped"]


class Stopped(Exception):
    """The work was stopped before this thread's turn came."""


class Pace:
    """
    Gives out turns, ``rate`` a second over all threads, evenly; without limit if it is 0.

    Raises ``Stopped`` in every thread that waits, or comes to wait, after :meth:`stop`.
    """

    def __init__(self, rate: float = 0) -> None:
        self._interval = 1 / rate if rate else 0
        self._next = monotonic()
        self._stopped = False
        self._changed = Condition()

    def wait(self, seconds: float = 0, for_all: bool = False) -> None:
        """
        Wait for so many seconds, and then for this thread's turn.

        With ``for_all`` every other thread waits that long, too: the service has said that
        it has had too many requests.
        """
        if for_all:
            self.hold(seconds)
        until = monotonic() + seconds
        with self._changed:
            while not self._stopped and (left := max(until, self._next) - monotonic()) > 0:
                self._changed.wait(left)
            if self._stopped:
                raise Stopped
            self._next = max(self._next, monotonic()) + self._interval

    def hold(self, seconds: float) -> None:
        """Give out no turn for so many seconds."""
        with self._changed:
            self._next = max(self._next, monotonic() + seconds)

    def stop(self) -> None:
        """Give out no more turns."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
