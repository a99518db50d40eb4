"""
An image service that discards uploads, and responds to ``GET /123`` with 123 bytes.

Each response is delayed by ``--latency`` seconds.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUFFER_SIZE = 256 * 1024  # bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True
    wbufsize = -1  # sends headers and body in one packet
    latency = 0.0  # seconds

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        buffer = memoryview(bytearray(BUFFER_SIZE))
        while left:
            left -= self.rfile.readinto(buffer[:left])
        url = f"https://i.groupme.com/480x325.jpeg.{uuid.uuid4().hex}"
        self._respond(
            json.dumps({"payload": {"url": url, "picture_url": url}}).encode(), "application/json"
        )

    def do_GET(self) -> None:
        self._respond(bytes(int(self.path[1:])), "image/jpeg")

    def _respond(self, body: bytes, content_type: str) -> None:
        time.sleep(self.latency)
        self.send_response_only(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    Handler.latency = options.latency
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
