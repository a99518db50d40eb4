"""Gates in the emulator, which show how many requests it handles at the same time."""

from __future__ import annotations

import threading


class Gate:
    """
    A ``log`` of an ``EmulatorServer``: it holds responses back until ``parties`` requests arrived.

    ``peak`` is the largest number of requests at the same time. A request that waits in vain breaks
    the gate, and then none waits anymore.
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
            self._barrier.wait(20)
        except threading.BrokenBarrierError:
            return
        finally:
            with self._lock:
                self._current -= 1
