"""The progress of a command: a bar on a terminal, and otherwise a line from time to time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm

from .output import Output

__all__ = ["above", "progress_bar"]

# Seconds between two lines where there is no terminal.
_LINE_EVERY = 10
_LINE = "{n} of {total} files, {rate_noinv_fmt}, {remaining} left"


def progress_bar(stderr: Output, total: int, *, shown: bool) -> Any:
    """A progress bar with the number of files, the rate, and the remaining time."""
    if stderr.isatty():
        return tqdm(total=total, unit=" files", disable=not shown, file=stderr)
    return tqdm(
        total=total,
        unit=" files",
        disable=not shown,
        file=_Lines(stderr.write),
        mininterval=_LINE_EVERY,
        bar_format=_LINE,
    )


def above(bar: Any, stderr: Output) -> AbstractContextManager[None]:
    """Clear the bar while something else is written to the same terminal."""
    manager: AbstractContextManager[None] = bar.external_write_mode(file=stderr)
    return manager


class _Lines:
    """Writes each state of the bar on a line of its own."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        if line := text.strip():
            self._write(f"{line}\n")

    def flush(self) -> None:
        pass  # each line is flushed when it is written
