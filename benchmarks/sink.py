"""The servers that are measured with, in processes of their own."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from threading import Event, Thread

from .processes import elsewhere

# How many bytes of a body are taken at a time.
_BLOCK = 256 * 1024

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)


def sink(latency: float = 0, picture: bytes = b"") -> AbstractContextManager[str]:
    """
    The service: it takes whatever it is sent as fast as it can, and keeps nothing.

    Each upload is answered with a new URL, and each GET with ``picture``, after so many
    seconds. The block is given the URL that it is at, with a slash at the end.
    """
    return elsewhere(_serve, latency, picture)


def serve_s3(tell: Callable[[str], object]) -> None:
    """S3, as moto has it, with a bucket named "bucket"; to be run :func:`elsewhere`."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    connection = http.client.HTTPConnection(host, port)
    connection.request("PUT", "/bucket")
    assert connection.getresponse().status == 200
    tell(f"http://{host}:{port}/")
    Event().wait()


def _serve(tell: Callable[[str], object], latency: float, picture: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        tell(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        while True:
            connection, _ = listener.accept()
            args = connection, latency, picture
            Thread(target=_answer_all, args=args, daemon=True).start()


def _answer_all(connection: socket.socket, latency: float, picture: bytes) -> None:
    """Answer the requests of a connection, which waits in no other's way."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    buffer = memoryview(bytearray(_BLOCK))
    with connection, suppress(ConnectionError):
        while head := _received(connection, buffer):
            time.sleep(latency)
            kind, body = ("image/jpeg", picture) if head.startswith(b"GET ") else _uploaded()
            lines = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            # What is short leaves at once, and what is long is not copied.
            connection.sendall(f"{lines}\r\n".encode() + body[:_BLOCK])
            connection.sendall(memoryview(body)[_BLOCK:])


def _received(connection: socket.socket, buffer: memoryview) -> bytes:
    """The head of a request, once all of it has come; nothing at the end of the connection."""
    found = b""
    while b"\r\n\r\n" not in found:
        if not (count := connection.recv_into(buffer)):
            return b""
        found += buffer[:count]
    head, _, body = found.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0:
        if not (count := connection.recv_into(buffer, min(left, _BLOCK))):
            return b""
        left -= count
    return head


def _uploaded() -> tuple[str, bytes]:
    url = f"https://i.groupme.com/480x325.jpeg.{uuid.uuid4().hex}"
    return "application/json", json.dumps({"payload": {"url": url, "picture_url": url}}).encode()
