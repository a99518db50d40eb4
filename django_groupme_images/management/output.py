"""Output that cannot be written, which must not interrupt uploads."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

__all__ = ["Output"]


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
