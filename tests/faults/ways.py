"""Every way in which an upload fails on its way, and what exactly comes of it."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket

from django_groupme_images.exceptions import (
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)

from .servers import (
    PHOTO,
    Conversation,
    answering,
    received,
    reset,
    server,
    success,
    until_it_is_left,
)

#: What a client of a server that is silent waits for between two bytes, in seconds.
TIMEOUT = 0.3

#: Longer than what a client waits altogether, and far shorter than what a page may take.
SOON = 10


@dataclass(frozen=True)
class Way:
    """
    A conversation that goes wrong, and what an upload then raises.

    ``tries`` is the number of connections that the server sees of a client that may try
    three times; ``file`` the bytes that are uploaded; ``timeout`` the client's, in seconds.
    """

    name: str
    conversation: Conversation
    kind: type[ServiceError]
    message: str
    tries: int
    status: int | None = None
    file: bytes = PHOTO
    timeout: float = 30

    @contextmanager
    def happening(self) -> Iterator[tuple[str, list[Conversation]]]:
        """A server where it goes wrong, as often as anybody tries."""
        with server(*[self.conversation] * (self.tries + 1)) as (url, seen):
            yield url, seen

    def check(self, error: BaseException, url: str) -> None:
        """That an upload to the server at this URL raised just this error."""
        host = url.removeprefix("http://").rstrip("/")
        assert type(error) is self.kind
        assert re.fullmatch(self.message.replace("HOST", re.escape(host)), str(error))
        assert isinstance(error, ServiceError)
        assert error.status == self.status
        assert error.retryable == (self.kind is ServiceUnavailable)


def after(amount: float, end: Callable[[socket], object]) -> Conversation:
    """Takes so many bytes of a request, and ends the connection."""

    def conversation(connection: socket) -> None:
        received(connection, amount)
        end(connection)

    return conversation


def dripping(head: str, seconds: float) -> Conversation:
    """Answers with a letter at a time, each just before the client would give up."""

    def conversation(connection: socket) -> None:
        received(connection)
        connection.sendall(head.encode())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            connection.sendall(b" ")
            time.sleep(TIMEOUT / 3)

    return conversation


def silent_after(answer: str) -> Conversation:
    def conversation(connection: socket) -> None:
        answering(answer)(connection)
        until_it_is_left(connection)

    return conversation


def stalled(connection: socket) -> None:
    """Takes the beginning of a request, and no more of it."""
    received(connection, 100)
    time.sleep(2 * TIMEOUT)


def refusing(connection: socket) -> None:
    """Says no after the head, as a proxy does with what is too large, and takes the rest."""
    received(connection, 200)
    connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large")
    until_it_is_left(connection)


BOMB = gzip.compress(b"0" * 20_000_000)

OK = "HTTP/1.1 200 OK\r\n"
GONE = "HOST could not be reached: "
# Which of the two is a matter of microseconds.
LEFT = f"{GONE}(Connection reset by peer|Remote end closed connection without response)"
IN_TIME = "HOST did not answer in time: "
BROKEN = "HOST broke off its answer: "
WRONG = "HOST gave an answer that it should not give: "

# A part of the request's head, of its body, and all of it.
BEGINNING, MIDDLE, END = 10, 400, float("inf")

WAYS = [
    Way("reset at once", reset, ServiceUnavailable, LEFT, 3),
    Way(
        "reset before the body",
        after(BEGINNING, reset),
        ServiceUnavailable,
        LEFT,
        3,
    ),
    Way(
        "reset in the body",
        after(MIDDLE, reset),
        ServiceUnavailable,
        LEFT,
        3,
    ),
    Way(
        "reset after the body",
        after(END, reset),
        ServiceUnavailable,
        LEFT,
        3,
    ),
    Way(
        "closed after the body",
        after(END, socket.close),
        ServiceUnavailable,
        LEFT,
        3,
    ),
    Way("silent", until_it_is_left, ServiceUnavailable, f"{IN_TIME}timed out", 1, timeout=TIMEOUT),
    Way(
        "silent in the head",
        silent_after("HTTP/1.1 200 OK\r\nContent-Le"),
        ServiceUnavailable,
        f"{IN_TIME}timed out",
        1,
        timeout=TIMEOUT,
    ),
    Way(
        "silent in the answer",
        silent_after(f'{OK}Content-Length: 100\r\n\r\n{{"payload'),
        ServiceUnavailable,
        f"{IN_TIME}timed out",
        1,
        timeout=TIMEOUT,
    ),
    Way(
        "stalled in the body",
        stalled,
        ServiceUnavailable,
        f"{IN_TIME}timed out",
        3,
        file=PHOTO + bytes(20_000_000),
        timeout=TIMEOUT,
    ),
    Way(
        "refused before the body",
        refusing,
        UploadRejected,
        "HOST refused the picture: 413 too large",
        1,
        status=413,
        file=PHOTO + bytes(20_000_000),
    ),
    Way(
        "no HTTP",
        answering("nonsense\r\n\r\n"),
        ServiceUnavailable,
        f"{GONE}nonsense",
        3,
    ),
    Way(
        "an answer that is cut off",
        answering(f"{OK}Content-Length: 100\r\n\r\n{{"),
        ServiceUnavailable,
        rf"{BROKEN}IncompleteRead\(1 bytes read, 99 more expected\)",
        1,
    ),
    Way(
        "chunks of no length",
        answering(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ServiceUnavailable,
        rf"{BROKEN}invalid literal for int\(\) with base 16: b'zz\\r\\n'",
        1,
    ),
    Way(
        "no gzip",
        answering(f"{OK}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
        UnexpectedResponse,
        r"HOST .*incorrect header check",
        1,
    ),
    Way(
        "a bomb of gzip",
        answering(
            f"{OK}Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode() + BOMB
        ),
        UnexpectedResponse,
        rf"{WRONG}200 0{{200}} \(it has no URL\)",
        1,
        status=200,
    ),
    Way(
        "no JSON",
        answering(f"{OK}Content-Length: 12\r\n\r\n<p>Hello</p>"),
        UnexpectedResponse,
        rf"{WRONG}200 Hello \(it has no URL\)",
        1,
        status=200,
    ),
    *(
        Way(
            f"a picture at {url}",
            answering(success(url)),
            UnexpectedResponse,
            rf"{WRONG}200 .* \(its URL is not that of a picture on http://HOST/\)",
            1,
            status=200,
        )
        for url in (
            "http://169.254.169.254/",
            "https://user:password@i.groupme.com/",
            "javascript:alert(1)//",
            "http://127.0.0.1/<script>alert(1)</script>",
        )
    ),
]
