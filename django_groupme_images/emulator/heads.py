"""Checks of a request's head that RFC 9112 requires and Python's ``http.server`` lacks."""

from __future__ import annotations

import re
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from typing import TYPE_CHECKING

from .http import HTTPError

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["check_framing", "check_headers", "path_and_host"]

# Python stops at a malformed line, and would lose the headers after it.
_DEFECTS = (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)

# A request target in absolute form: the host, and the path and query.
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)


def check_headers(headers: Message) -> None:
    """Raise ``HTTPError`` if a line of the headers is malformed."""
    if any(isinstance(defect, _DEFECTS) for defect in headers.defects):
        raise HTTPError(400, "malformed header")


def path_and_host(target: str, headers: Message) -> tuple[str, str | None]:
    """
    Return the path and query of a request target, and the requested host.

    The host is ``None`` if neither the target nor a ``Host`` header contains one. Raise
    ``HTTPError`` if they contain several.
    """
    hosts = [value.strip() for value in headers.get_all("Host", [])]
    if len(hosts) > 1:
        raise HTTPError(400, "more than one Host header")
    host = hosts[0] if hosts else None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return target, host
    if host is not None and host.lower() != match[1].lower():
        raise HTTPError(400, "the Host header differs from the host of the URL")
    return match[2] if match[2].startswith("/") else f"/{match[2]}", match[1]


def check_framing(headers: Message, version: str) -> None:
    """
    Raise ``HTTPError`` if the end of the body is ambiguous.

    Programs disagree about the end of a body that has both a ``Content-Length`` and a
    ``Transfer-Encoding``, or a transfer coding other than ``chunked``.
    """
    codings = [value.strip().lower() for value in headers.get_all("Transfer-Encoding", [])]
    if codings and ("Content-Length" in headers or version == "HTTP/1.0"):
        raise HTTPError(400, "Transfer-Encoding requires HTTP/1.1 without Content-Length")
    if codings not in ([], ["chunked"]):
        raise HTTPError(501, "the only supported Transfer-Encoding is chunked")
