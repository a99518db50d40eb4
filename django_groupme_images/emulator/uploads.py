"""Where the bytes of a new picture come from: a body, a form's part, or another site."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import requests
from django.http.multipartparser import LazyStream, MultiPartParserError, Parser
from django.utils.http import parse_header_parameters

from .messages import BLOCK, Refused, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["receive"]

# The real service's limits are unknown. These keep a fetch from running for ever.
_FETCH_TIMEOUT = 10  # seconds to connect, and between bytes
_FETCH_DEADLINE = 30  # seconds in all
_FETCH_LIMIT = 64 * 1024 * 1024  # bytes


def receive(request: Request, path: Path) -> None:
    """
    Write the picture that an upload brings to a file, a block at a time.

    Raises ``Refused`` if there is none.
    """
    with path.open("xb") as file:
        file.writelines(_blocks(request))
    if not path.stat().st_size:
        raise Refused(400, "the body is empty")


def _blocks(request: Request) -> Iterator[bytes]:
    if "url" in request.query:
        return _fetched(request.query["url"])
    if request.content_length is None:
        raise Refused(411, "an upload needs a Content-Length")
    if request.content_type.lower().startswith("multipart/form-data"):
        return _part(request)
    return request.blocks()


def _part(request: Request) -> Iterator[bytes]:
    """The part ``file`` of a form, as an official mobile client sends it (seen)."""
    boundary = parse_header_parameters(request.content_type)[1].get("boundary", "")
    if not boundary or not boundary.isascii():
        raise Refused(400, "multipart/form-data needs a boundary")
    found = False
    try:
        body = LazyStream(request.blocks())  # type: ignore[arg-type]  # any iterator will do
        for _, headers, stream in Parser(body, boundary.encode()):
            name = headers.get("content-disposition", ("", {}))[1].get("name")
            if name == b"file" and not found:
                found = True
                yield from stream
            else:
                for _ in stream:
                    pass
    except MultiPartParserError as error:
        raise Refused(400, "the body is not multipart/form-data") from error
    if not found:
        raise Refused(400, "the form has no part named file")


def _fetched(url: str) -> Iterator[bytes]:
    """A remote image, which the service fetches itself (documented)."""
    if not url.lower().startswith(("http://", "https://")):
        raise Refused(400, "the url is not one of http or https")
    deadline = time.monotonic() + _FETCH_DEADLINE
    size = 0
    try:
        with requests.get(url, stream=True, timeout=_FETCH_TIMEOUT) as answer:
            answer.raise_for_status()
            for block in answer.iter_content(BLOCK):
                size += len(block)
                if size > _FETCH_LIMIT or time.monotonic() > deadline:
                    raise Refused(400, "the url's image is too large, or too slow")
                yield block
    except (requests.RequestException, ValueError) as error:
        raise Refused(400, f"the url cannot be fetched: {type(error).__name__}") from error
