"""Failures of an upload: how the server behaves, and the error that the client raises."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket

import pytest

from django_groupme_images.exceptions import (
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from tests.support.deadlines import DEADLINE, SLOWNESS

from .servers import (
    PHOTO,
    Conversation,
    read_request,
    reset,
    respond_with,
    server,
    upload_response,
    wait_for_disconnect,
)

#: Timeout in seconds of a client whose server stays silent.
TIMEOUT = 0.3 * SLOWNESS


@dataclass(frozen=True)
class Failure:
    """
    A conversation that fails, and the error that an upload then raises.

    ``tries`` is the number of connections that a client with two retries opens. ``file`` is the
    content to upload. ``timeout`` is the client's timeout in seconds.
    """

    name: str
    conversation: Conversation
    error: type[ServiceError]
    message: str
    tries: int
    status: int | None = None
    file: bytes = PHOTO
    timeout: float = DEADLINE

    @contextmanager
    def run_server(self) -> Iterator[tuple[str, list[Conversation]]]:
        """Run a server that fails on each connection."""
        with server(*[self.conversation] * (self.tries + 1)) as (url, seen):
            yield url, seen

    def check(self, error: BaseException, url: str) -> None:
        """Check that an upload to the server at this URL raised the expected error."""
        host = url.removeprefix("http://").rstrip("/")
        assert type(error) is self.error
        assert re.fullmatch(self.message.replace("HOST", re.escape(host)), str(error))
        assert isinstance(error, ServiceError)
        assert error.status == self.status
        assert error.retryable == (self.error is ServiceUnavailable)


def after(size: float, end: Callable[[socket], object]) -> Conversation:
    """Return a conversation that reads at most ``size`` bytes of a request, and calls ``end``."""

    def conversation(connection: socket) -> None:
        read_request(connection, size)
        end(connection)

    return conversation


def respond_slowly(head: str, seconds: float = float("inf")) -> Conversation:
    """
    Return a conversation that sends single bytes after ``head``, faster than ``TIMEOUT``.

    It ends after a number of seconds, or when the client disconnects.
    """

    def conversation(connection: socket) -> None:
        read_request(connection)
        connection.sendall(head.encode())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(b" ")
            time.sleep(TIMEOUT / 3)

    return conversation


def silent_after(response: str) -> Conversation:
    """Return a conversation that sends the beginning of a response, and keeps it open."""

    def conversation(connection: socket) -> None:
        respond_with(response)(connection)
        wait_for_disconnect(connection)

    return conversation


def stall(connection: socket) -> None:
    """Read only the beginning of a request."""
    read_request(connection, 100)
    time.sleep(4 * TIMEOUT)


def reject_early(connection: socket) -> None:
    """Respond after the headers, as a proxy does to large requests, and then read the body."""
    read_request(connection, 200)
    connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large")
    wait_for_disconnect(connection)


BOMB = gzip.compress(b"0" * 20_000_000)

OK = "HTTP/1.1 200 OK\r\n"

# Beginnings of messages
UNREACHABLE = "HOST could not be reached: "
# Which of the two messages is raised depends on when the client notices the closed connection.
CLOSED = f"{UNREACHABLE}(Connection reset by peer|Remote end closed connection without response)"
TIMED_OUT = "HOST did not respond in time: "
TRUNCATED = "HOST did not send a complete response: "
UNEXPECTED = "HOST returned an unexpected response "

# Sizes that end in the headers of a request, in its body, and after it.
IN_HEADERS, IN_BODY, COMPLETE = 10, 400, float("inf")

FAILURES = [
    Failure("reset immediately", reset, ServiceUnavailable, CLOSED, 3),
    Failure("reset in the headers", after(IN_HEADERS, reset), ServiceUnavailable, CLOSED, 3),
    Failure("reset in the body", after(IN_BODY, reset), ServiceUnavailable, CLOSED, 3),
    Failure("reset after the body", after(COMPLETE, reset), ServiceUnavailable, CLOSED, 3),
    Failure("closed after the body", after(COMPLETE, socket.close), ServiceUnavailable, CLOSED, 3),
    Failure(
        "silent",
        wait_for_disconnect,
        ServiceUnavailable,
        f"{TIMED_OUT}timed out",
        1,
        timeout=TIMEOUT,
    ),
    Failure(
        "silent in the response headers",
        silent_after("HTTP/1.1 200 OK\r\nContent-Le"),
        ServiceUnavailable,
        f"{TIMED_OUT}timed out",
        1,
        timeout=TIMEOUT,
    ),
    Failure(
        "silent in the response body",
        silent_after(f'{OK}Content-Length: 100\r\n\r\n{{"payload'),
        ServiceUnavailable,
        f"{TIMED_OUT}timed out",
        1,
        timeout=TIMEOUT,
    ),
    Failure(
        "stalled in the body",
        stall,
        ServiceUnavailable,
        f"{TIMED_OUT}timed out",
        3,
        file=PHOTO + bytes(20_000_000),
        timeout=TIMEOUT,
    ),
    Failure(
        "rejected before the body",
        reject_early,
        UploadRejected,
        r"HOST rejected the image \(HTTP 413\): too large",
        1,
        status=413,
        file=PHOTO + bytes(20_000_000),
    ),
    Failure(
        "no HTTP",
        respond_with("nonsense\r\n\r\n"),
        ServiceUnavailable,
        f"{UNREACHABLE}nonsense",
        3,
    ),
    Failure(
        "truncated response",
        respond_with(f"{OK}Content-Length: 100\r\n\r\n{{"),
        ServiceUnavailable,
        rf"{TRUNCATED}IncompleteRead\(1 bytes read, 99 more expected\)",
        1,
    ),
    Failure(
        "invalid chunk length",
        respond_with(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ServiceUnavailable,
        rf"{TRUNCATED}invalid literal for int\(\) with base 16: b'zz\\r\\n'",
        1,
    ),
    Failure(
        "invalid gzip",
        respond_with(f"{OK}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
        UnexpectedResponse,
        r"HOST .*incorrect header check",
        1,
    ),
    Failure(
        "gzip bomb",
        respond_with(
            f"{OK}Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode() + BOMB
        ),
        UnexpectedResponse,
        rf"{UNEXPECTED}\(HTTP 200; it contains no URL\): 0{{200}}$",
        1,
        status=200,
    ),
    Failure(
        "no JSON",
        respond_with(f"{OK}Content-Length: 12\r\n\r\n<p>Hello</p>"),
        UnexpectedResponse,
        rf"{UNEXPECTED}\(HTTP 200; it contains no URL\): Hello$",
        1,
        status=200,
    ),
    *(
        Failure(
            f"URL {url}",
            respond_with(upload_response(url)),
            UnexpectedResponse,
            rf"{UNEXPECTED}\(HTTP 200; its URL is not that of an image on http://HOST/\): .*",
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

#: Run a test with each failure as the argument ``failure``.
each_failure = pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
