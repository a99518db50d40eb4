"""Checks of the number of open files and sockets of this process."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: Whether the system lists the open descriptors.
CAN_COUNT = os.path.isdir("/proc/self/fd")  # noqa: PTH112


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@contextmanager
def no_more_descriptors(allowed: int = 0) -> Iterator[None]:
    """Fail if more than ``allowed`` additional descriptors are open after the block."""
    gc.collect()
    # Objects that only the garbage collector would close must count as open.
    gc.disable()
    try:
        before = open_descriptors()
        yield
        assert open_descriptors() <= before + allowed
    finally:
        gc.enable()
