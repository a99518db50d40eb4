"""Where the bytes of a new picture come from: a body, a form's part, or another site."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from django.http.multipartparser import LazyStream, MultiPartParserError, Parser
from django.utils.http import parse_header_parameters

from .messages import Refused, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["receive"]


def receive(request: Request, path: Path, fetch: Callable[[str], Iterator[bytes]]) -> None:
    """
    Write the picture that an upload brings to a file, a block at a time.

    ``fetch`` gives what is behind a URL. Raises ``Refused`` if there is no picture.
    """
    with path.open("xb") as file:
        file.writelines(_blocks(request, fetch))
    if not path.stat().st_size:
        raise Refused(400, "the body is empty")


def _blocks(request: Request, fetch: Callable[[str], Iterator[bytes]]) -> Iterator[bytes]:
    if "url" in request.query:
        return fetch(request.query["url"])
    if request.content_length is None:
        raise Refused(411, "an upload needs a Content-Length")
    if request.content_type.lower().startswith("multipart/form-data"):
        return _part(request)
    return request.blocks()


def _part(request: Request) -> Iterator[bytes]:
    """The part ``file`` of a form, as an official mobile client sends it (seen)."""
    boundary = _boundary(request.content_type)
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


def _boundary(content_type: str) -> str:
    with suppress(ValueError, LookupError):  # a charset that nobody knows
        return str(parse_header_parameters(content_type)[1].get("boundary", ""))
    return ""
