"""A website on this machine from which the emulator fetches images."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import trustme

from . import emulator_pictures as pictures


class RemoteSite(BaseHTTPRequestHandler):
    """A website that selects a response by path and stores the headers of each request."""

    requests: list[dict[str, str]] = []

    def do_GET(self) -> None:
        self.requests.append({"path": self.path, **self.headers})
        action, _, argument = self.path[1:].partition("?")[0].partition("/")
        getattr(self, f"do_{action}", self.do_missing)(argument)

    def do_cat(self, _: str) -> None:
        self.respond(200, pictures.plain(), Connection="close")

    def do_gzip(self, _: str) -> None:
        self.respond(200, gzip.compress(pictures.plain()), Content_Encoding="gzip")

    def do_to(self, location: str) -> None:
        self.respond(302, b"elsewhere", Location=unquote(location))

    def do_loop(self, number: str) -> None:
        self.respond(307, Location=f"/loop/{int(number) + 1}")

    def do_status(self, status: str) -> None:
        self.respond(int(status), b"no image")

    def do_missing(self, _: str) -> None:
        self.respond(404)

    def do_trickle(self, _: str) -> None:
        """Send single bytes until the client disconnects."""
        self.respond(200)
        self.wfile.flush()
        self.drip()

    def do_head(self, _: str) -> None:
        """Send single bytes of a header until the client disconnects."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Header: ")
        self.drip()

    def do_short(self, _: str) -> None:
        self.respond(200, pictures.plain()[:-9], Content_Length=str(len(pictures.plain())))

    def drip(self) -> None:
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(certificate: trustme.LeafCert | None = None) -> Iterator[int]:
    """Serve ``RemoteSite`` on a port of this machine."""
    RemoteSite.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), RemoteSite) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # A client may reject the certificate.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
