"""Progress of a command: a progress bar on a terminal, and otherwise a line every 10 seconds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm

from .output import Output

__all__ = ["above_progress_bar", "advance", "progress_bar"]

# Seconds between two lines if the output is not a terminal.
_LINE_INTERVAL = 10
_LINE_FORMAT = "{{n}} of {{total}} {noun}, {{rate_noinv_fmt}}, {{remaining}} left"


def progress_bar(stderr: Output, total: int, noun: str, *, shown: bool) -> Any:
    """
    Return a tqdm bar for ``total`` files or images, with the rate and the remaining time.

    ``noun`` is "file" or "image". If the output is not a terminal, the bar is written as lines. If
    ``shown`` is false or ``total`` is 0, nothing is written.
    """
    # The unit is also that of the rate, such as "files/s".
    options: dict[str, Any] = {
        "total": total,
        "unit": f" {noun}s",
        "disable": not (shown and total),
    }
    if stderr.isatty():
        return tqdm(**options, file=stderr)
    return tqdm(
        **options,
        file=_LineWriter(stderr.write),
        mininterval=_LINE_INTERVAL,
        bar_format=_LINE_FORMAT.format(noun=noun if total == 1 else f"{noun}s"),
    )


def advance(bar: Any) -> None:
    """Count one more file or image, also beyond the total, which is an estimate."""
    bar.total = max(bar.total, bar.n + 1)
    bar.update()


def above_progress_bar(bar: Any, stderr: Output) -> AbstractContextManager[None]:
    """Return a context manager that hides the bar while other output is written."""
    manager: AbstractContextManager[None] = bar.external_write_mode(file=stderr)
    return manager


class _LineWriter:
    """A stream that writes each state of the bar as a separate line."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        if line := text.strip():
            self._write(f"{line}\n")

    def flush(self) -> None:
        pass  # Output.write() flushes each line.
