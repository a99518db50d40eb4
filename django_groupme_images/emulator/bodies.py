"""The body of a request, read from a connection up to its end and no further."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from .messages import BLOCK, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Body", "ChunkedBody"]

# A longer line, with a chunk's length or a trailer, is not accepted. In bytes.
_LONGEST_LINE = 1024

_MOST_TRAILERS = 100

# Without a Content-Length, a client could send without end. In bytes.
_LONGEST_CHUNKED = 256 * 1024 * 1024

# The length of a chunk, and an extension, which is ignored.
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r\n")


class Body(io.RawIOBase):
    """The ``length`` bytes of a body; ``on_first_read`` asks the client to send them."""

    def __init__(
        self, stream: io.BufferedIOBase, length: int, on_first_read: Callable[[], None] | None
    ) -> None:
        self._stream = stream
        self._left = length
        self._on_first_read = on_first_read

    @property
    def is_awaited(self) -> bool:
        """Whether the client waits to be asked for the body, and was not."""
        return self._on_first_read is not None

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            return 0
        self._ask()
        count = self._stream.readinto1(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def drain(self) -> None:
        """Read what is left, to find the next request behind it."""
        while self.read(BLOCK):
            pass

    def _ask(self) -> None:
        if self._on_first_read:
            self._on_first_read()
            self._on_first_read = None


class ChunkedBody(Body):
    """
    The content of a body in chunks (RFC 9112, section 7.1).

    Reading raises ``Refused`` if the chunks are malformed, incomplete, or too long in all.
    """

    def __init__(self, stream: io.BufferedIOBase, on_first_read: Callable[[], None] | None) -> None:
        super().__init__(stream, 0, on_first_read)
        self._allowed = _LONGEST_CHUNKED
        self._is_at_end = False

    def readinto(self, buffer: Any) -> int:
        self._ask()
        if not self._left and not self._is_at_end:
            self._begin_chunk()
        if self._is_at_end:
            return 0
        count = super().readinto(buffer)
        if not count:
            raise Refused(400, "the body ends before its last chunk")
        if not self._left and self._line() != b"\r\n":
            raise Refused(400, "a chunk is longer than its length")
        return count

    def _begin_chunk(self) -> None:
        match = _CHUNK.fullmatch(self._line())
        if not match:
            raise Refused(400, "a chunk does not begin with its length")
        self._left = int(match[1], 16)
        self._allowed -= self._left
        if self._allowed < 0:
            raise Refused(413, f"the body has more than {_LONGEST_CHUNKED} bytes")
        if not self._left:
            self._skip_trailers()
            self._is_at_end = True

    def _skip_trailers(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self._line() == b"\r\n":
                return
        raise Refused(400, f"the body has more than {_MOST_TRAILERS} trailers")

    def _line(self) -> bytes:
        """A line with its end. Raises ``Refused`` if the line is too long or incomplete."""
        line = self._stream.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise Refused(400, "a line between two chunks is too long or incomplete")
        return line
