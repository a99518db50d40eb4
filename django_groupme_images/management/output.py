"""Output that cannot be written, which must not interrupt a command."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError

__all__ = ["Output", "OutputCommand"]


class Output:
    """
    A text stream that never raises.

    ``error`` is the first failure, after which nothing is written. A command that raised it would
    lose the uploads in flight: their rows would not get the URLs. Each text is flushed, so that
    the failure is not noticed after all else is done.
    """

    def __init__(self, stream: Any) -> None:
        self.error: Exception | None = None
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a text. Characters that the stream's encoding lacks are escaped."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try("write", text.encode(encoding, "backslashreplace").decode(encoding))
        self._try("flush")

    def flush(self) -> None:
        """Flush the stream. ``write()`` does."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        isatty = getattr(self._stream, "isatty", None)
        return bool(isatty and isatty())

    def close(self) -> None:
        """Close the stream."""
        try:
            self._stream.close()
        except OSError as error:
            self.error = self.error or error

    def discard(self) -> None:
        """After a failure, keep Python from failing again when it flushes the stream at exit."""
        if self.error:
            with suppress(OSError, ValueError, AttributeError):  # it has no descriptor
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)

    def _try(self, name: str, *args: str) -> None:
        # Python has no stream where the descriptor is closed, and some streams have no flush().
        method = getattr(self._stream, name, None)
        if self.error or method is None:
            return
        try:
            method(*args)
        except (OSError, ValueError) as error:  # a ValueError if it was closed
            self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class OutputCommand(BaseCommand):
    """A command that does its work although its output cannot be written, and then fails."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **kwargs: Any) -> None:
        self._outputs: dict[str, Output] = {}
        super().__init__(
            cast("TextIO", self._output("stdout", stdout or sys.stdout)),
            cast("TextIO", self._output("stderr", stderr or sys.stderr)),
            **kwargs,
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command. Raises ``CommandError`` if its output could not be written."""
        for name in ("stdout", "stderr"):
            if options.get(name):
                options[name] = self._output(name, options[name])
        result = super().execute(*args, **options)
        if error := self._output_error():
            raise CommandError(f"The output cannot be written: {error}.")
        return result

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        finally:
            for output in self._outputs.values():
                output.discard()

    def _output(self, name: str, stream: Any) -> Output:
        self._outputs[name] = Output(stream)
        return self._outputs[name]

    def _output_error(self) -> Exception | None:
        return next((output.error for output in self._outputs.values() if output.error), None)
