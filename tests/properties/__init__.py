"""Properties that hold for arbitrary input, checked by the tests and the fuzzer."""

from __future__ import annotations

TOKEN = "5ecre7t0ken"


def check_message(message: str, max_length: int = 600) -> None:
    """Check that a message fits in one line of a log and contains no control characters."""
    assert len(message) <= max_length
    assert message.isprintable()
