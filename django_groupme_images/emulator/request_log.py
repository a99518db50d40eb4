"""Log of the requests to the emulator, without tokens and passwords."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from sys import getsizeof
from threading import Lock
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from .http import Request

__all__ = ["Entry", "RequestLog"]

# Limits for an emulator that runs for weeks or receives huge requests.
_MAX_ENTRIES = 10_000
_MAX_BYTES = 16 * 1024 * 1024

_REDACTED = "[redacted]"

# Names of headers and query parameters with secret values.
_SECRET_NAME = re.compile("token|authorization|cookie", re.IGNORECASE)

# A token in a URL, which can be in a header, the path, or the query parameter "url".
_TOKEN_IN_URL = re.compile(r"(token(?:=|%3d))[^&\s]+", re.IGNORECASE)

# A user name and a password in a URL, which can be percent-encoded.
_CREDENTIALS_IN_URL = re.compile(r"(//|%2f%2f)(?:(?!%2f)[^/?#&\s])*(@|%40)", re.IGNORECASE)

# The maximum length of the path and of the query in a line of the log, so that it is readable.
_MAX_CHARACTERS = 200


@dataclass
class Entry:
    """
    A logged request.

    ``body_bytes`` is the number of bytes of the body that the service read before it responded.
    ``status`` is ``None`` until there is a response. ``connection`` is the number of the TCP
    connection, or ``None`` with other WSGI servers than the emulator's own.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    connection: int | None
    body_bytes: int = 0
    status: int | None = None

    @classmethod
    def from_request(cls, request: Request, status: int | None = None) -> Self:
        """Create the entry of a request before its body is read."""
        return cls(
            method=request.method,
            path=_redact_string(request.path),
            query=_redact_values(request.query),
            headers=_redact_values(request.headers),
            connection=request.connection,
            status=status,
        )

    @property
    def size(self) -> int:
        """The approximate size of the entry in memory, in bytes."""
        values = (self.query, self.headers)
        strings = [string for value in values for pair in value.items() for string in pair]
        items = (vars(self), self.method, self.path, *values, *strings)
        # PyPy returns the second argument, because it cannot determine the size of an object.
        return sum(getsizeof(item, 64 + 4 * len(item)) for item in items)

    def __str__(self) -> str:
        # Encode the path and the query, because they could contain line breaks or escape sequences
        # for the terminal.
        path = _truncate(quote(self.path, safe="/[]"))
        query = _truncate(f"?{urlencode(self.query, safe='[]:/')}") if self.query else ""
        return f"{self.method} {path}{query} {self.status or 'dropped'}"


class RequestLog:
    """The latest requests in the order of their arrival, up to a number and a size in memory."""

    def __init__(self) -> None:
        self._entries: deque[tuple[Entry, int]] = deque()
        self._size = 0
        self._lock = Lock()

    def add(self, request: Request) -> Entry:
        """Add a request, remove the oldest entries over the limits, and return the new entry."""
        entry = Entry.from_request(request)
        size = entry.size
        with self._lock:
            self._entries.append((entry, size))
            self._size += size
            while self._size > _MAX_BYTES or len(self._entries) > _MAX_ENTRIES:
                self._size -= self._entries.popleft()[1]
        return entry

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()
            self._size = 0

    def as_list(self) -> list[dict[str, Any]]:
        """Return all entries as dictionaries that can be serialized to JSON."""
        with self._lock:
            entries = [entry for entry, _ in self._entries]
        return [asdict(entry) for entry in entries]


def _redact_values(values: dict[str, str]) -> dict[str, str]:
    return {
        name: _REDACTED if _SECRET_NAME.search(name) else _redact_string(value)
        for name, value in values.items()
    }


def _redact_string(text: str) -> str:
    return _CREDENTIALS_IN_URL.sub(rf"\1{_REDACTED}\2", _TOKEN_IN_URL.sub(rf"\1{_REDACTED}", text))


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
