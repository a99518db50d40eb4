"""
From a socket to the WSGI application: HTTP/1.1 with connections that are kept.

Django's development server would do, but for three things a client for large uploads
must be tested against: a refusal before the body is asked for (``Expect:
100-continue``), an unread body that is never held in memory, and a connection that
breaks where a fault wants it to.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .bodies import Body, ChunkedBody
from .heads import check_framing, check_headers, path_and_host
from .messages import BLOCK, CONNECTION, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from .server import Listener

__all__ = ["Gateway"]

# How long, in seconds, a client that still sends may take to notice that it was answered.
_LINGER = 2


class Gateway(BaseHTTPRequestHandler):
    """One connection, and each request on it."""

    server: Listener
    protocol_version = "HTTP/1.1"
    # The version of responses to malformed requests: HTTP/0.9 has no status.
    default_request_version = "HTTP/1.0"
    # The head and the body of an answer leave in one packet, and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    raw_requestline: bytes
    _host: str | None
    _body: Body
    _head: tuple[str, list[tuple[str, str]]] | None

    def parse_request(self) -> bool:
        """Read the head of a request; respond to a malformed one."""
        words = str(self.raw_requestline, "latin-1").split()
        if not words:  # Clients may send an empty line after a body.
            self.close_connection = False
            return False
        if len(words) == 2 or words[-1].startswith("HTTP/0"):
            # It has no headers, so waiting for them could take forever.
            self.requestline, self.command = "", ""
            self.request_version = self.default_request_version
            self.send_error(400, "HTTP/0.9 is not supported")
            return False
        return super().parse_request() and self._check_head()

    def send_error(self, *args: Any, **kwargs: Any) -> None:
        """Respond, and let the client read the response before the connection is closed."""
        super().send_error(*args, **kwargs)
        self.wfile.flush()
        self._linger()

    def do_GET(self) -> None:
        """Run the application for one request, of whatever method."""
        self._head = None
        self._body = self._new_body()
        try:
            self._respond()
            self.wfile.flush()
            if self._ends_connection():
                self._linger()
            else:
                self._body.drain()
        except ConnectionError:
            # The client is gone, or is to think so.
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        """Leave it to the application, which reads the body or answers without."""
        return True

    def finish(self) -> None:
        """Close the files of the connection, and the second one even if the first cannot be."""
        try:
            super().finish()
        finally:
            self.rfile.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: a request's first line may hold a token."""

    def version_string(self) -> str:
        return "groupme-emulator"

    def _respond(self) -> None:
        blocks = self.server.app(self._environ(), self._start_response)
        try:
            for block in blocks:
                self._write(block)
            self._write(b"")
        finally:
            if close := getattr(blocks, "close", None):
                close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        self._head = (status, headers)
        return self._write

    def _write(self, block: bytes) -> None:
        if self._head:
            self._send_head(*self._head)
            self._head = None
        self.wfile.write(block)

    def _send_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        # Those who ask for a kept connection with HTTP/1.0 would want to be told of it.
        old = self.request_version == "HTTP/1.0"
        if old or self.close_connection or self._ends_connection():
            self.send_header("Connection", "close")
        self.end_headers()

    def _environ(self) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self._server_name(),
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self._body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            CONNECTION: self.server.number(self.request),
        }
        return environ | self._header_variables()

    def _header_variables(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for name, value in self.headers.items():
            if "_" in name:  # X_Access_Token would pass for X-Access-Token.
                continue
            key = name.upper().replace("-", "_")
            if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
                key = f"HTTP_{key}"
            variables[key] = f"{variables[key]},{value}" if key in variables else value
        if self._host is not None:
            variables["HTTP_HOST"] = self._host
        return variables

    def _server_name(self) -> str:
        address = str(self.server.server_address[0])
        return f"[{address}]" if ":" in address else address

    def _check_head(self) -> bool:
        try:
            check_headers(self.headers)
            check_framing(self.headers, self.request_version)
            self.path, self._host = path_and_host(self.path, self.headers)
        except Refused as error:
            self.send_error(error.status, str(error))
            return False
        return True

    def _new_body(self) -> Body:
        if "Transfer-Encoding" in self.headers:
            return ChunkedBody(self.rfile, self._on_first_read())
        return Body(self.rfile, self._body_length(), self._on_first_read())

    def _ends_connection(self) -> bool:
        """Whether a next request could not be told from this one's body."""
        return self._body.is_awaited or self._is_unframed()

    def _is_unframed(self) -> bool:
        """Whether no usable length says where the body ends."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        return "Transfer-Encoding" in self.headers or not (
            len(lengths) == 1 and re.fullmatch("[0-9]{1,18}", lengths[0])
        )

    def _body_length(self) -> int:
        return 0 if self._is_unframed() else int(self.headers.get("Content-Length", 0))

    def _on_first_read(self) -> Callable[[], None] | None:
        expects = self.headers.get("Expect", "").lower() == "100-continue"
        has_body = "Transfer-Encoding" in self.headers or self._body_length()
        return self._send_continue if expects and has_body else None

    def _send_continue(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wfile.flush()

    def _linger(self) -> None:
        """
        Take in what the client still sends, so that it gets to read the answer.

        To close a socket with unread bytes resets the connection under the answer.
        """
        deadline = time.monotonic() + _LINGER
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER)
            while time.monotonic() < deadline and self.connection.recv(BLOCK):
                pass
