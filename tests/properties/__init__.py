"""What holds of any input, however hostile it is: the tests and the fuzzer ask it alike."""

from __future__ import annotations

TOKEN = "5ecre7t0ken"


def check_words(text: str, most: int = 600) -> None:
    """An error's text fits into a line of a log, and draws nothing there."""
    assert len(text) <= most
    assert text.isprintable()
