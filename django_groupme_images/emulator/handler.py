"""
HTTP/1.1 request handler that runs a WSGI application on persistent connections.

Django's development server lacks three features that tests of clients for large uploads need:
rejecting a request before the client sends the body (``Expect: 100-continue``), discarding a body
without keeping it in memory, and closing the connection within a response.
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

from .bodies import ChunkedBody, RequestBody
from .heads import check_framing, check_headers, path_and_host
from .http import BLOCK_SIZE, CONNECTION_KEY, HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment


__all__ = ["RequestHandler"]

# The time in seconds for a client that is still sending to read the response.
_LINGER_TIMEOUT = 2


class RequestHandler(BaseHTTPRequestHandler):
    """Handler of the requests of one connection."""

    server: Any  # A ThreadedServer; its module imports this one.
    protocol_version = "HTTP/1.1"
    # Respond to malformed requests as to HTTP/1.0, because HTTP/0.9 has no status.
    default_request_version = "HTTP/1.0"
    # Send the head and the body of a response in one packet, without a delay.
    wbufsize = -1
    disable_nagle_algorithm = True

    raw_requestline: bytes
    _host: str | None
    _body: RequestBody
    _unsent_head: tuple[str, list[tuple[str, str]]] | None

    def parse_request(self) -> bool:
        """Read the head of a request, and respond with an error if it is malformed."""
        parts = str(self.raw_requestline, "latin-1").split()
        if not parts:  # Clients may send an empty line after a body.
            self.close_connection = False
            return False
        if len(parts) == 2 or parts[-1].startswith("HTTP/0"):
            # HTTP/0.9 has no headers; waiting for them could take forever.
            self.requestline, self.command = "", ""
            self.request_version = self.default_request_version
            self.send_error(400, "HTTP/0.9 is not supported")
            return False
        return super().parse_request() and self._check_head()

    def send_error(self, *args: Any, **kwargs: Any) -> None:
        """Send an error, and give the client time to read it before the connection is closed."""
        super().send_error(*args, **kwargs)
        self.wfile.flush()
        self._linger()

    def do_GET(self) -> None:
        """Run the application for one request of any method."""
        self._unsent_head = None
        self._body = self._make_body()
        try:
            self._respond()
            self.wfile.flush()
            if self._should_close():
                self._linger()
            else:
                self._body.drain()
        except ConnectionError:
            # The client has closed the connection, or a fault closes it.
            self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        """Continue without status 100, which is sent when the application first reads the body."""
        return True

    def finish(self) -> None:
        """Close both files of the connection, even if closing the first one fails."""
        try:
            super().finish()
        finally:
            self.rfile.close()

    def log_message(self, *_: object) -> None:
        """Do not log, because the first line of a request can contain a token."""

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
        self._unsent_head = (status, headers)
        return self._write

    def _write(self, block: bytes) -> None:
        if self._unsent_head:
            self._send_head(*self._unsent_head)
            self._unsent_head = None
        self.wfile.write(block)

    def _send_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        # Keeping an HTTP/1.0 connection open would require another header.
        is_old = self.request_version == "HTTP/1.0"
        if is_old or self.close_connection or self._should_close():
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
            CONNECTION_KEY: self.server.connection_number(self.request),
        }
        return environ | self._header_variables()

    def _header_variables(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for name, value in self.headers.items():
            if "_" in name:  # WSGI cannot distinguish X_Access_Token from X-Access-Token.
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
        except HTTPError as error:
            self.send_error(error.status, str(error))
            return False
        return True

    def _make_body(self) -> RequestBody:
        if "Transfer-Encoding" in self.headers:
            return ChunkedBody(self.rfile, self._on_first_read())
        return RequestBody(self.rfile, self._body_length() or 0, self._on_first_read())

    def _should_close(self) -> bool:
        """Return whether the next request could not be distinguished from this one's body."""
        return self._body.is_continue_pending or self._body_length() is None

    def _body_length(self) -> int | None:
        """Return the length of the body in bytes, or ``None`` if it is chunked or invalid."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers or len(lengths) > 1:
            return None
        return int(lengths[0]) if re.fullmatch("[0-9]{1,18}", lengths[0]) else None

    def _on_first_read(self) -> Callable[[], None] | None:
        expects = self.headers.get("Expect", "").lower() == "100-continue"
        has_body = "Transfer-Encoding" in self.headers or self._body_length()
        return self._send_continue if expects and has_body else None

    def _send_continue(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wfile.flush()

    def _linger(self) -> None:
        """
        Discard what the client still sends, so that it can read the response.

        Closing a socket with unread bytes resets the connection, and the response can be lost.
        """
        deadline = time.monotonic() + _LINGER_TIMEOUT
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_TIMEOUT)
            while time.monotonic() < deadline and self.connection.recv(BLOCK_SIZE):
                pass
