"""HTTP requests and responses on top of WSGI."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qsl
from wsgiref.util import FileWrapper, application_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = [
    "BLOCK_SIZE",
    "CONNECTION_KEY",
    "ConnectionDropped",
    "HTTPError",
    "Request",
    "Response",
    "dispatch",
]

#: The number of bytes of a body that are read or written at a time.
BLOCK_SIZE = 65536

#: The key of the TCP connection's number in the WSGI environment. The first number is 1.
CONNECTION_KEY = "groupme_emulator.connection"

# Reason phrases of statuses that ``HTTPStatus`` lacks.
_REASONS = {420: "Enhance Your Calm"}


class ConnectionDropped(ConnectionError):
    """The connection is closed without a complete response."""


class HTTPError(Exception):
    """
    An error response, raised as an exception.

    ``code`` is the ``meta.code`` in the body of the response; the default is ``status``.
    """

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or status


class Request:
    """A request in a WSGI environment. ``bytes_read`` is how much of the body has been read."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        self.content_type: str = environ.get("CONTENT_TYPE", "")
        self.origin: str | None = environ.get("HTTP_ORIGIN")
        self.connection: int | None = environ.get(CONNECTION_KEY)
        self.bytes_read = 0
        #: The access token from the header (documented) or the query (observed), or an empty
        #: string. Reading a form sets it to that of a form field (observed in a client).
        self.token = self._token()

    @property
    def headers(self) -> dict[str, str]:
        """The headers, with names in title case."""
        names = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
        headers = {
            name: self._environ[key] for key, name in names.items() if self._environ.get(key)
        }
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                headers[key[5:].replace("_", "-").title()] = value
        return headers

    @property
    def host(self) -> str:
        """The ``Host`` header, or the server's address for a client that sends none."""
        host: str = self._environ["HTTP_HOST" if "HTTP_HOST" in self._environ else "SERVER_NAME"]
        return host

    @property
    def base_url(self) -> str:
        """The URL of the service according to the ``Host`` header, with a slash at its end."""
        return application_uri(self._environ).rstrip("/") + "/"

    @property
    def is_form(self) -> bool:
        """Whether the body is a multipart form."""
        return self.content_type.lower().startswith("multipart/form-data")

    @property
    def is_chunked(self) -> bool:
        """Whether the body is chunked and the WSGI server decodes it."""
        return bool(
            self._environ.get("HTTP_TRANSFER_ENCODING")
            and self._environ.get("wsgi.input_terminated")
        )

    @property
    def content_length(self) -> int | None:
        """
        The ``Content-Length`` in bytes, or ``None`` for a chunked body or without this header.

        Reading it raises ``HTTPError`` if the header is not a number.
        """
        header: str = self._environ.get("CONTENT_LENGTH", "")
        if not header or "HTTP_TRANSFER_ENCODING" in self._environ:
            return None
        if not re.fullmatch("[0-9]{1,18}", header):
            raise HTTPError(400, "Content-Length is not a number")
        return int(header)

    def iter_body(self) -> Iterator[bytes]:
        """
        Yield the body in blocks of bytes.

        Raise ``HTTPError`` if it is shorter than its ``Content-Length``.
        """
        if self.is_chunked:
            while block := self._environ["wsgi.input"].read(BLOCK_SIZE):
                self.bytes_read += len(block)
                yield block
            return
        length = self.content_length or 0
        while self.bytes_read < length:
            block = self._environ["wsgi.input"].read(min(BLOCK_SIZE, length - self.bytes_read))
            if not block:
                raise HTTPError(400, "the body is shorter than its Content-Length")
            self.bytes_read += len(block)
            yield block

    def read_body(self, max_bytes: int) -> bytes:
        """Return the whole body. Raise ``HTTPError`` if it has more than ``max_bytes`` bytes."""
        body = bytearray()
        for block in self.iter_body():
            body += block
            if len(body) > max_bytes:
                raise HTTPError(413, f"the body has more than {max_bytes} bytes")
        return bytes(body)

    def _token(self) -> str:
        header: str = self._environ.get("HTTP_X_ACCESS_TOKEN", "")
        return header or self.query.get("access_token", "") or self.query.get("token", "")


@dataclass
class Response:
    """
    A response, whose body is bytes or an open file of ``length`` bytes.

    If ``is_truncated``, the connection is closed after half of the body.
    """

    status: int
    body: bytes | BinaryIO = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int = -1
    is_truncated: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            self.length = len(self.body)
        if self.status not in {204, 304}:
            self.headers = {"Content-Length": str(self.length)} | self.headers

    @classmethod
    def json(cls, content: object, status: int = 200) -> Response:
        """Return a response with a JSON body."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json;charset=utf-8"})

    @classmethod
    def error(cls, status: int, message: str, code: int | None = None) -> Response:
        """Return an error in the format of GroupMe's main API (assumed for the image service)."""
        meta = {"code": code or status, "errors": [message]}
        return cls.json({"meta": meta, "response": None}, status)

    def send(self, start_response: StartResponse, *, with_body: bool) -> Iterable[bytes]:
        """Call ``start_response``, and return the body for a WSGI server."""
        reason = _reason_phrase(self.status)
        start_response(f"{self.status} {reason}", list(self.headers.items()))
        if not with_body or self.status in {204, 304}:
            self.close()
            return []
        if self.is_truncated:
            return _drop_after(self._read(self.length // 2))
        return [self.body] if isinstance(self.body, bytes) else FileWrapper(self.body, BLOCK_SIZE)

    def close(self) -> None:
        """Close the body if it is a file."""
        if not isinstance(self.body, bytes):
            self.body.close()

    def _read(self, size: int) -> bytes:
        if isinstance(self.body, bytes):
            return self.body[:size]
        with self.body as file:
            return file.read(size)


def dispatch(request: Request, handlers: dict[str, Callable[[Request], Response]]) -> Response:
    """
    Call the handler for the request's method.

    Without a handler, respond with the allowed methods: to ``OPTIONS`` with status 204, and to
    other methods with 405.
    """
    if handler := handlers.get(request.method):
        return handler(request)
    allowed = ", ".join([*handlers, "OPTIONS"])
    if request.method == "OPTIONS":
        return Response(204, headers={"Allow": allowed})
    response = Response.error(405, f"method not allowed; use {allowed}")
    response.headers["Allow"] = allowed
    return response


def _drop_after(body: bytes) -> Iterator[bytes]:
    yield body
    raise ConnectionDropped("half of the response was sent")


def _reason_phrase(status: int) -> str:
    try:
        return _REASONS.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
