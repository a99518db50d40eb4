"""How far a command is: a bar on a terminal, and else a line from time to time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.core.management.base import OutputWrapper
from tqdm import tqdm

__all__ = ["above", "progress_bar"]

# Where there is no terminal, a line in so many seconds is enough.
_LINE_EVERY = 10
_LINE = "{n} of {total} files, {rate_noinv_fmt}, {remaining} left"


def progress_bar(stderr: OutputWrapper, total: int, *, shown: bool) -> Any:
    """What is told of each file that is done, and says how many are, how fast, and how long yet."""
    if stderr.isatty():
        return tqdm(total=total, unit=" files", disable=not shown, file=sys.stderr)
    return tqdm(
        total=total,
        unit=" files",
        disable=not shown,
        file=_Lines(stderr.write),
        mininterval=_LINE_EVERY,
        bar_format=_LINE,
    )


def above(bar: Any) -> AbstractContextManager[None]:
    """While something else is written, a bar makes way for it."""
    manager: AbstractContextManager[None] = bar.external_write_mode(file=sys.stderr)
    return manager


class _Lines:
    """Takes what is meant to be written over and over on a terminal, as lines."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        if line := text.strip():
            self._write(line)

    def flush(self) -> None:
        pass  # tqdm asks for it, and each line is written at once
