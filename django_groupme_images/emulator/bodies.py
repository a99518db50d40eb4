"""Readers for the body of a request that stop at its end and keep the connection usable."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from .http import BLOCK_SIZE, HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChunkedBody", "RequestBody"]

# The maximum length of a line with a chunk's size or a trailer, in bytes.
_MAX_LINE = 1024

_MAX_TRAILERS = 100

# The maximum size of a chunked body in bytes, because such a body has no Content-Length.
_MAX_CHUNKED_BODY = 256 * 1024 * 1024

# The size of a chunk in hexadecimal digits, and an extension, which is ignored.
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r\n")


class RequestBody(io.RawIOBase):
    """
    A body of ``length`` bytes.

    The first read calls ``on_first_read``, which sends the status 100 to a client that waits for
    it before it sends the body.
    """

    def __init__(
        self, stream: io.BufferedIOBase, length: int, on_first_read: Callable[[], None] | None
    ) -> None:
        self._stream = stream
        self._remaining = length
        self._on_first_read = on_first_read

    @property
    def is_continue_pending(self) -> bool:
        """Whether the client still waits for the status 100."""
        return self._on_first_read is not None

    def readinto(self, buffer: Any) -> int:
        if not self._remaining:
            return 0
        self._request_content()
        # Release both views, because read() resizes the buffer. PyPy would release them later.
        with memoryview(buffer) as view, view[: self._remaining] as part:
            count = self._stream.readinto1(part)
        self._remaining -= count
        return count

    def drain(self) -> None:
        """Read the rest of the body, so that the next request can be read from the connection."""
        while self.read(BLOCK_SIZE):
            pass

    def _request_content(self) -> None:
        if self._on_first_read:
            self._on_first_read()
            self._on_first_read = None


class ChunkedBody(RequestBody):
    """
    The decoded content of a chunked body (RFC 9112, section 7.1).

    Reading raises ``HTTPError`` if the chunks are malformed or incomplete, or if their total size
    is too large.
    """

    def __init__(self, stream: io.BufferedIOBase, on_first_read: Callable[[], None] | None) -> None:
        super().__init__(stream, 0, on_first_read)
        self._allowance = _MAX_CHUNKED_BODY
        self._is_at_end = False

    def readinto(self, buffer: Any) -> int:
        self._request_content()
        if not self._remaining and not self._is_at_end:
            self._start_chunk()
        if self._is_at_end:
            return 0
        count = super().readinto(buffer)
        if not count:
            raise HTTPError(400, "the body ends before its last chunk")
        if not self._remaining and self._read_line() != b"\r\n":
            raise HTTPError(400, "a chunk is longer than its length")
        return count

    def _start_chunk(self) -> None:
        match = _CHUNK.fullmatch(self._read_line())
        if not match:
            raise HTTPError(400, "a chunk does not begin with its length")
        self._remaining = int(match[1], 16)
        self._allowance -= self._remaining
        if self._allowance < 0:
            raise HTTPError(413, f"the body has more than {_MAX_CHUNKED_BODY} bytes")
        if not self._remaining:
            self._skip_trailers()
            self._is_at_end = True

    def _skip_trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            if self._read_line() == b"\r\n":
                return
        raise HTTPError(400, f"the body has more than {_MAX_TRAILERS} trailers")

    def _read_line(self) -> bytes:
        """Return a line with its end. Raise ``HTTPError`` if it is too long or incomplete."""
        line = self._stream.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise HTTPError(400, "a line between two chunks is too long or incomplete")
        return line
