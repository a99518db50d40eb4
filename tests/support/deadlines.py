"""
Deadlines of tests, which are longer on slow and busy machines.

A deadline only ends a test that hangs. It does not assert that something is fast.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest


def _measure_slowness() -> float:
    """Return how many times longer this machine takes for a loop than an idle, recent machine."""
    started = time.perf_counter()
    total = 0
    for number in range(1_500_000):
        total += number & 255
    return max(1.0, (time.perf_counter() - started) / 0.1)


# The first process of a run measures the slowness, and its child processes inherit it. To prepare
# for a load that starts later, set the variable.
if "TEST_SLOWNESS" not in os.environ:
    os.environ["TEST_SLOWNESS"] = f"{_measure_slowness():.1f}"

#: How many times longer this machine takes than an idle, recent one.
SLOWNESS = float(os.environ["TEST_SLOWNESS"])

#: Seconds within which an event must happen.
DEADLINE = 60 * SLOWNESS

#: Seconds after which a test fails with the stacks of all threads.
TEST_DEADLINE = 5 * DEADLINE


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true. Fails the test if it is still false at the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"the condition is still false after {DEADLINE:.0f} seconds")
        time.sleep(0.01)
