"""Output streams that do not raise, so that failed output does not interrupt a command."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError

__all__ = ["Output", "OutputCommand"]


class Output:
    """
    A text stream that keeps the first exception as ``error``, instead of raising it.

    After an error, nothing more is written. If the error were raised, uploads in flight would be
    lost, because their URLs would not be stored in the rows. Each string is flushed, so that the
    command detects the error early.
    """

    def __init__(self, stream: Any) -> None:
        self.error: Exception | None = None
        self._stream = stream

    def write(self, text: str) -> None:
        """Write and flush a string. Characters that the encoding does not contain are escaped."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try("write", text.encode(encoding, "backslashreplace").decode(encoding))
        self._try("flush")

    def flush(self) -> None:
        """Flush the stream. This is not necessary after ``write()``."""
        self._try("flush")

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        isatty = getattr(self._stream, "isatty", None)
        return bool(isatty and isatty())

    def close(self) -> None:
        """Close the stream."""
        try:
            self._stream.close()
        except OSError as error:
            self.error = self.error or error

    def discard(self) -> None:
        """After an error, redirect the stream, so that Python's flush at exit does not fail."""
        if self.error:
            # Not all streams have a descriptor.
            with suppress(OSError, ValueError, AttributeError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)

    def _try(self, name: str, *args: str) -> None:
        # The stream is None if its descriptor was closed at startup, and some have no flush().
        method = getattr(self._stream, name, None)
        if self.error or method is None:
            return
        try:
            method(*args)
        except (OSError, ValueError) as error:  # A closed stream raises ValueError.
            self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class OutputCommand(BaseCommand):
    """A base command that completes its work if its output cannot be written, and then fails."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **kwargs: Any) -> None:
        self._outputs: dict[str, Output] = {}
        super().__init__(
            cast("TextIO", self._wrap("stdout", stdout or sys.stdout)),
            cast("TextIO", self._wrap("stderr", stderr or sys.stderr)),
            **kwargs,
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command. Raise ``CommandError`` if its output could not be written."""
        for name in ("stdout", "stderr"):
            if options.get(name):
                options[name] = self._wrap(name, options[name])
        result = super().execute(*args, **options)
        if error := self._output_error():
            raise CommandError(f"The output could not be written: {error}.")
        return result

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        finally:
            for output in self._outputs.values():
                output.discard()

    def _wrap(self, name: str, stream: Any) -> Output:
        self._outputs[name] = Output(stream)
        return self._outputs[name]

    def _output_error(self) -> Exception | None:
        return next((output.error for output in self._outputs.values() if output.error), None)
