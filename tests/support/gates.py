"""Gates in the emulator, which measure how many requests it handles at the same time."""

from __future__ import annotations

import threading

from tests.support.deadlines import DEADLINE


class Gate:
    """
    ``log`` of an ``EmulatorServer`` that delays responses until ``parties`` requests arrived.

    ``peak`` is the largest number of simultaneous requests. A request that times out at the gate
    breaks it: all waiting and later requests pass at once.
    """

    def __init__(self, parties: int = 1) -> None:
        self._barrier = threading.Barrier(parties)
        self._lock = threading.Lock()
        self._current = 0
        self.peak = 0

    @property
    def is_broken(self) -> bool:
        return self._barrier.broken

    def __call__(self, line: str) -> None:
        with self._lock:
            self._current += 1
            self.peak = max(self.peak, self._current)
        try:
            self._barrier.wait(DEADLINE)
        except threading.BrokenBarrierError:
            return
        finally:
            with self._lock:
                self._current -= 1
