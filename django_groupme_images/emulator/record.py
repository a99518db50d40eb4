"""What arrived at the emulator, for a test to read. No token is ever in it."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from .messages import Request

__all__ = ["Entry", "Record"]

# An emulator that runs for weeks must not fill the memory.
_MOST_ENTRIES = 10_000

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

    def __str__(self) -> str:
        # Encoded, neither a new line nor a terminal's control sequence can be forged.
        path = _cut(quote(self.path, safe="/[]"))
        query = _cut(f"?{urlencode(self.query, safe='[]:/')}") if self.query else ""
        return f"{self.method} {path}{query} {self.status or 'dropped'}"


class Record:
    """The latest requests, in the order in which they arrived."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_MOST_ENTRIES)

    def add(self, request: Request) -> Entry:
        """Enter a request that has just arrived."""
        entry = Entry(
            method=request.method,
            path=_without_secrets(request.path),
            query=_redacted(request.query),
            headers=_redacted(request.headers),
            connection=request.connection,
        )
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget every request."""
        self._entries.clear()

    def as_list(self) -> list[dict[str, Any]]:
        """Every request as a dictionary that JSON can hold."""
        return [asdict(entry) for entry in list(self._entries)]


def _redacted(values: dict[str, str]) -> dict[str, str]:
    return {
        name: _REDACTED if _SECRET.search(name) else _without_secrets(value)
        for name, value in values.items()
    }


def _without_secrets(text: str) -> str:
    return _LOGIN.sub(rf"\1{_REDACTED}\2", _IN_TEXT.sub(rf"\1{_REDACTED}", text))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
