"""What arrived at the emulator, for a test to read. No token is ever in it."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from sys import getsizeof
from threading import Lock
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from .messages import Request

__all__ = ["Entry", "Record"]

# An emulator that runs for weeks, or gets huge requests, must not fill the memory.
_MOST_ENTRIES = 10_000
_MOST_BYTES = 16 * 1024 * 1024

_REDACTED = "[redacted]"

# Headers and parts of the query whose values are nobody's business.
_SECRET = re.compile("token|authorization|cookie", re.IGNORECASE)

# A token may also sit in a URL that a header, the path or the query's "url" holds.
_IN_TEXT = re.compile(r"(token(?:=|%3d))[^&\s]+", re.IGNORECASE)

# The name and the password that a URL may hold, and whether it is encoded or not.
_LOGIN = re.compile(r"(//|%2f%2f)(?:(?!%2f)[^/?#&\s])*(@|%40)", re.IGNORECASE)

# A line of the log is for people to read.
_MOST_CHARACTERS = 200


@dataclass
class Entry:
    """
    A request as the record shows it.

    ``body_bytes`` counts what the service read of the body before it answered;
    ``status`` is ``None`` while there is no answer, and ``connection`` where no server
    of ours numbers the TCP connections.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    connection: int | None
    body_bytes: int = 0
    status: int | None = None

    @classmethod
    def of(cls, request: Request, status: int | None = None) -> Self:
        """The entry of a request that has just arrived."""
        return cls(
            method=request.method,
            path=_without_secrets(request.path),
            query=_redacted(request.query),
            headers=_redacted(request.headers),
            connection=request.connection,
            status=status,
        )

    @property
    def size(self) -> int:
        """About how much memory the entry takes, in bytes."""
        values = (self.query, self.headers)
        texts = [text for value in values for pair in value.items() for text in pair]
        return sum(map(getsizeof, (self, vars(self), self.method, self.path, *values, *texts)))

    def __str__(self) -> str:
        # Encoded, neither a new line nor a terminal's control sequence can be forged.
        path = _cut(quote(self.path, safe="/[]"))
        query = _cut(f"?{urlencode(self.query, safe='[]:/')}") if self.query else ""
        return f"{self.method} {path}{query} {self.status or 'dropped'}"


class Record:
    """The latest requests, in the order in which they arrived, as many as the limits allow."""

    def __init__(self) -> None:
        self._entries: deque[tuple[Entry, int]] = deque()
        self._size = 0
        self._lock = Lock()

    def add(self, request: Request) -> Entry:
        """Enter a request that has just arrived, and forget the oldest ones over the limits."""
        entry = Entry.of(request)
        size = entry.size
        with self._lock:
            self._entries.append((entry, size))
            self._size += size
            while self._size > _MOST_BYTES or len(self._entries) > _MOST_ENTRIES:
                self._size -= self._entries.popleft()[1]
        return entry

    def clear(self) -> None:
        """Forget every request."""
        with self._lock:
            self._entries.clear()
            self._size = 0

    def as_list(self) -> list[dict[str, Any]]:
        """Every request as a dictionary that JSON can hold."""
        with self._lock:
            entries = [entry for entry, _ in self._entries]
        return [asdict(entry) for entry in entries]


def _redacted(values: dict[str, str]) -> dict[str, str]:
    return {
        name: _REDACTED if _SECRET.search(name) else _without_secrets(value)
        for name, value in values.items()
    }


def _without_secrets(text: str) -> str:
    return _LOGIN.sub(rf"\1{_REDACTED}\2", _IN_TEXT.sub(rf"\1{_REDACTED}", text))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
