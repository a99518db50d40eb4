"""The head of a request: what RFC 9112 requires of it beyond what Python checks."""

from __future__ import annotations

import re
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from typing import TYPE_CHECKING

from .messages import Refused

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["check_framing", "check_headers", "path_and_host"]

# Python ends the headers before a malformed line, so the headers behind it would be lost.
_DEFECTS = (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)

# A request target that is a whole URL: its host, and the path and query.
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)


def check_headers(headers: Message) -> None:
    """Raise ``Refused`` if a line of the head is malformed."""
    if any(isinstance(defect, _DEFECTS) for defect in headers.defects):
        raise Refused(400, "Malformed header")


def path_and_host(target: str, headers: Message) -> tuple[str, str | None]:
    """
    The path and query of a request target, and the host that the request is for.

    The host is ``None`` if the request does not name one, as no browser does. Raises
    ``Refused`` if it names several.
    """
    hosts = [value.strip() for value in headers.get_all("Host", [])]
    if len(hosts) > 1:
        raise Refused(400, "There are several Host headers")
    host = hosts[0] if hosts else None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return target, host
    if host is not None and host.lower() != match[1].lower():
        raise Refused(400, "The Host header is not the host of the URL")
    return match[2] if match[2].startswith("/") else f"/{match[2]}", match[1]


def check_framing(headers: Message, version: str) -> None:
    """
    Raise ``Refused`` unless a body has a length, or is in chunks.

    With both, or with other codings, programs disagree about where the body ends.
    """
    codings = [value.strip().lower() for value in headers.get_all("Transfer-Encoding", [])]
    if codings and ("Content-Length" in headers or version == "HTTP/1.0"):
        raise Refused(400, "Transfer-Encoding needs HTTP/1.1 without Content-Length")
    if codings not in ([], ["chunked"]):
        raise Refused(501, "Transfer-Encoding can only be chunked")
