"""Servers for tests of failures: each connection runs a function with its socket."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from django_groupme_images.client import GroupMeClient
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE

PHOTO = pictures.plain()

#: A function that reads requests from a connection and responds to them.
Conversation = Callable[[socket.socket], Any]


@contextmanager
def server(
    *conversations: Conversation, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Conversation]]]:
    """
    Run a server that starts the next conversation for each connection.

    Yield its URL, and the list of the conversations that it has started so far.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[Conversation] = []
        connections: list[socket.socket] = []

        def converse(connection: socket.socket, conversation: Conversation) -> None:
            with connection, suppress(OSError):  # The client may have disconnected.
                conversation(connection)

        def converse_over_tls(connection: socket.socket, conversation: Conversation) -> None:
            with suppress(OSError), tls.wrap_socket(connection, server_side=True) as encrypted:
                connections.append(encrypted)
                converse(encrypted, conversation)

        def serve() -> None:
            with ThreadPoolExecutor(len(conversations)) as threads, suppress(OSError):
                for conversation in conversations:
                    # This raises OSError when the listener is shut down.
                    connection, _ = listener.accept()
                    # Otherwise, the second write waits for an acknowledgment of the first, and is
                    # lost if the connection is closed before.
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    seen.append(conversation)
                    connections.append(connection)
                    threads.submit(converse_over_tls if tls else converse, connection, conversation)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/", seen
        finally:
            for open_socket in (listener, *connections):
                with suppress(OSError):  # It may be closed.
                    open_socket.shutdown(socket.SHUT_RDWR)
            thread.join()


def client_of(url: str, **options: Any) -> GroupMeClient:
    """Return a client of the server at this URL."""
    # A busy machine can take longer for a TLS handshake than the client's default of 5 seconds.
    options = {"timeout": DEADLINE, **options}
    return GroupMeClient("t0ken", upload_url=f"{url}pictures", cdn_url=url, **options)


def read_request(connection: socket.socket, max_size: float = float("inf")) -> bytes:
    """Read a request with its body, or ``max_size`` bytes if it is longer."""
    data, size = bytearray(), max_size
    while len(data) < min(size, max_size):
        if not (chunk := connection.recv(int(min(65536, max_size - len(data))))):
            break
        data += chunk
        if size == max_size and b"\r\n\r\n" in data:
            head, _, _ = bytes(data).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            size = len(head) + 4 + int(length[1] if length else 0)
    return bytes(data)


def respond_with(response: str | bytes) -> Conversation:
    """Return a conversation that reads one request and sends this response."""

    def conversation(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response.encode() if isinstance(response, str) else response)

    return conversation


def upload_response(url: str, headers: str = "") -> str:
    """Return the response to a successful upload, for a CDN at this URL."""
    body = f'{{"payload": {{"url": "{url}1x1.png.123456789"}}}}'
    return f"HTTP/1.1 200 OK\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}"


def reset(connection: socket.socket) -> None:
    """Close a connection with a TCP reset, as a crashed machine does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def wait_for_disconnect(connection: socket.socket) -> None:
    """Discard the data that the client sends until it disconnects."""
    with suppress(OSError):
        while connection.recv(65536):
            pass
