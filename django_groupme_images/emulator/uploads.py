"""The source of an upload's bytes: the body, a part of a form, or another site."""

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

# The form's fields that can contain the token, named as in the query.
_TOKEN_FIELDS = {b"access_token", b"token"}

_LONGEST_TOKEN = 1024  # bytes


def receive(
    request: Request,
    path: Path,
    *,
    fetch: Callable[[str], Iterator[bytes]],
    accept_chunks: bool,
) -> None:
    """
    Write the image of an upload to a file, a block at a time.

    ``fetch`` yields the bytes at a URL. Without ``accept_chunks``, a body needs a length. A
    token in a form becomes ``request.token``, unless the request has one. Raises ``Refused`` if
    there is no image.
    """
    with path.open("xb") as file:
        if "url" in request.query:
            file.writelines(fetch(request.query["url"]))
        elif request.content_length is None and not (request.is_chunked and accept_chunks):
            raise Refused(411, "an upload needs a Content-Length")
        else:
            file.writelines(_part(request) if request.is_form else request.blocks())
    if not path.stat().st_size:
        raise Refused(400, "the body is empty")


def _part(request: Request) -> Iterator[bytes]:
    """The part ``file`` of a form, as an official mobile client sends it (observed)."""
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
            elif name in _TOKEN_FIELDS and not request.token:
                request.token = _text(stream)
            else:
                _skip(stream)
    except MultiPartParserError as error:
        raise Refused(400, "the body is not multipart/form-data") from error
    if not found:
        raise Refused(400, "the form has no part named file")


def _text(stream: LazyStream) -> str:
    value: bytes = stream.read(_LONGEST_TOKEN)
    _skip(stream)
    return value.decode(errors="replace")


def _skip(stream: LazyStream) -> None:
    for _ in stream:
        pass


def _boundary(content_type: str) -> str:
    with suppress(ValueError, LookupError):  # a charset that nobody knows
        return str(parse_header_parameters(content_type)[1].get("boundary", ""))
    return ""
