"""Servers that misbehave, on real sockets, and the words they say."""

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

from .. import emulator_pictures as pictures

PHOTO = pictures.plain()

#: What a server does with one connection.
Conversation = Callable[[socket.socket], Any]


@contextmanager
def server(
    *conversations: Conversation, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Conversation]]]:
    """A server that has one conversation with each connection, in order, and counts them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[Conversation] = []
        connections: list[socket.socket] = []

        def converse(connection: socket.socket, conversation: Conversation) -> None:
            with connection, suppress(OSError):  # which the client may have left
                conversation(connection)

        def converse_over_tls(connection: socket.socket, conversation: Conversation) -> None:
            with suppress(OSError), tls.wrap_socket(connection, server_side=True) as encrypted:
                connections.append(encrypted)
                converse(encrypted, conversation)

        def serve() -> None:
            with ThreadPoolExecutor(len(conversations)) as threads, suppress(OSError):
                for conversation in conversations:
                    connection, _ = listener.accept()  # an OSError if nobody comes
                    seen.append(conversation)
                    connections.append(connection)
                    threads.submit(converse_over_tls if tls else converse, connection, conversation)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/", seen
        finally:
            for open_one in (listener, *connections):
                with suppress(OSError):  # it is not
                    open_one.shutdown(socket.SHUT_RDWR)
            thread.join()


def client_of(url: str, **options: Any) -> GroupMeClient:
    return GroupMeClient("t0ken", upload_url=f"{url}pictures", cdn_url=url, **options)


def received(connection: socket.socket, most: float = float("inf")) -> bytes:
    """A whole request, with as much of a body as it announces; or ``most`` bytes of it."""
    data, whole = bytearray(), most
    while len(data) < min(whole, most):
        if not (chunk := connection.recv(int(min(65536, most - len(data))))):
            break
        data += chunk
        if whole == most and b"\r\n\r\n" in data:
            head, _, _ = bytes(data).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            whole = len(head) + 4 + int(length[1] if length else 0)
    return bytes(data)


def answering(answer: str | bytes) -> Conversation:
    """Takes a whole request, and gives this answer."""

    def conversation(connection: socket.socket) -> None:
        received(connection)
        connection.sendall(answer.encode() if isinstance(answer, str) else answer)

    return conversation


def success(url: str, more: str = "") -> str:
    """The answer to an upload, for a CDN at this URL."""
    body = f'{{"payload": {{"url": "{url}1x1.png.123456789"}}}}'
    return f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"


def reset(connection: socket.socket) -> None:
    """End a connection as a machine does that has crashed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def until_it_is_left(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    with suppress(OSError):
        while connection.recv(65536):
            pass
