"""HTTP as the emulator sees it: a request read from WSGI, and an answer given to it."""

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
    "BLOCK",
    "CONNECTION",
    "Answer",
    "ConnectionDropped",
    "Refused",
    "Request",
    "dispatch",
]

#: How many bytes of a body are in memory at a time.
BLOCK = 65536

#: The key in the WSGI environment of the running number of the TCP connection.
CONNECTION = "groupme_emulator.connection"

# What GroupMe's clients call 420; Python knows no name for it.
_REASONS = {420: "Enhance Your Calm"}


class ConnectionDropped(ConnectionError):
    """The connection is to be closed here and now: a fault that was asked for."""


class Refused(Exception):
    """A request that the service answers with an error."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or status


class Request:
    """A request, read from a WSGI environment. ``received`` counts the body's bytes so far."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        self.query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        self.content_type: str = environ.get("CONTENT_TYPE", "")
        self.origin: str | None = environ.get("HTTP_ORIGIN")
        self.connection: int | None = environ.get(CONNECTION)
        self.received = 0
        #: The access token: by header (documented), in the query (observed), or empty. A form's
        #: field (observed in a client) is added when the form is read.
        self.token = self._token()

    @property
    def headers(self) -> dict[str, str]:
        """The headers, their names in Title-Case."""
        names = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
        found = {name: self._environ[key] for key, name in names.items() if self._environ.get(key)}
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                found[key[5:].replace("_", "-").title()] = value
        return found

    @property
    def host(self) -> str:
        """The ``Host`` header; without one, as no browser sends it, the server's own address."""
        host: str = self._environ["HTTP_HOST" if "HTTP_HOST" in self._environ else "SERVER_NAME"]
        return host

    @property
    def base_url(self) -> str:
        """Where the client reaches the service, by what its ``Host`` header says."""
        return application_uri(self._environ).rstrip("/") + "/"

    @property
    def is_form(self) -> bool:
        """Whether the body is a form with a file."""
        return self.content_type.lower().startswith("multipart/form-data")

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks, which the server decodes."""
        return bool(
            self._environ.get("HTTP_TRANSFER_ENCODING")
            and self._environ.get("wsgi.input_terminated")
        )

    @property
    def content_length(self) -> int | None:
        """
        The announced length of the body in bytes, or ``None`` if there is none.

        Raises ``Refused`` if it is no number. A chunked body has no length.
        """
        text: str = self._environ.get("CONTENT_LENGTH", "")
        if not text or "HTTP_TRANSFER_ENCODING" in self._environ:
            return None
        if not re.fullmatch("[0-9]{1,18}", text):
            raise Refused(400, "Content-Length is not a number")
        return int(text)

    def blocks(self) -> Iterator[bytes]:
        """
        Yield the body, a block at a time.

        Raises ``Refused`` if it ends before the length that was announced.
        """
        if self.is_chunked:
            while block := self._environ["wsgi.input"].read(BLOCK):
                self.received += len(block)
                yield block
            return
        length = self.content_length or 0
        while self.received < length:
            block = self._environ["wsgi.input"].read(min(BLOCK, length - self.received))
            if not block:
                raise Refused(400, "the body is shorter than its Content-Length")
            self.received += len(block)
            yield block

    def body(self, limit: int) -> bytes:
        """The whole body. Raises ``Refused`` if it has more than ``limit`` bytes."""
        body = bytearray()
        for block in self.blocks():
            body += block
            if len(body) > limit:
                raise Refused(413, f"the body has more than {limit} bytes")
        return bytes(body)

    def _token(self) -> str:
        header: str = self._environ.get("HTTP_X_ACCESS_TOKEN", "")
        return header or self.query.get("access_token", "") or self.query.get("token", "")


@dataclass
class Answer:
    """An answer: its body is bytes or an open file, of ``length`` bytes."""

    status: int
    body: bytes | BinaryIO = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int = -1
    is_half: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            self.length = len(self.body)
        if self.status not in {204, 304}:
            self.headers = {"Content-Length": str(self.length)} | self.headers

    @classmethod
    def json(cls, content: object, status: int = 200) -> Answer:
        """An answer of JSON."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json;charset=utf-8"})

    @classmethod
    def error(cls, status: int, message: str, code: int | None = None) -> Answer:
        """An error in the envelope of GroupMe's main API (assumed for the image service)."""
        meta = {"code": code or status, "errors": [message]}
        return cls.json({"meta": meta, "response": None}, status)

    def send(self, start_response: StartResponse, *, with_body: bool) -> Iterable[bytes]:
        """Give the answer to a WSGI server."""
        reason = _REASONS.get(self.status) or _phrase(self.status)
        start_response(f"{self.status} {reason}", list(self.headers.items()))
        if not with_body or self.status in {204, 304}:
            self.close()
            return []
        if self.is_half:
            return _half(self._read(self.length // 2))
        return [self.body] if isinstance(self.body, bytes) else FileWrapper(self.body, BLOCK)

    def close(self) -> None:
        """Close the file, if the body is one."""
        if not isinstance(self.body, bytes):
            self.body.close()

    def _read(self, size: int) -> bytes:
        if isinstance(self.body, bytes):
            return self.body[:size]
        with self.body as file:
            return file.read(size)


def dispatch(request: Request, handlers: dict[str, Callable[[Request], Answer]]) -> Answer:
    """Call the handler of the request's method; without one, respond with the methods."""
    if handler := handlers.get(request.method):
        return handler(request)
    allowed = ", ".join([*handlers, "OPTIONS"])
    if request.method == "OPTIONS":
        return Answer(204, headers={"Allow": allowed})
    answer = Answer.error(405, f"only {allowed}")
    answer.headers["Allow"] = allowed
    return answer


def _half(body: bytes) -> Iterator[bytes]:
    yield body
    raise ConnectionDropped("half of the answer is sent")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
