"""Requests to the emulator, as bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from django_groupme_images.emulator import EmulatorApp, PictureStore
from django_groupme_images.emulator.handler import RequestHandler
from tests.support.emulator_pictures import plain

#: An image that the emulator stores.
STORED = "48x32.png.123456789"

# 100 requests the body. The only 5xx are those for unknown methods and versions of HTTP.
_STATUSES = {100, 200, 204, *range(400, 500), 501, 505}

_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"^Content-Length: ([0-9]+)\r$", re.MULTILINE)


class RequestConnection(io.BytesIO):
    """A connection whose client has sent everything and still reads."""

    def __init__(self, sent: bytes) -> None:
        super().__init__()
        self._sent = sent

    def makefile(self, mode: str, *args: Any) -> Any:
        return io.BufferedReader(io.BytesIO(self._sent)) if "r" in mode else Unclosed(self)

    def recv(self, size: int) -> bytes:
        return b""

    def setsockopt(self, *args: Any) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def shutdown(self, how: int) -> None: ...


class Unclosed(io.BufferedWriter):
    """A writer that does not close its buffer, so that the response can be read."""

    def close(self) -> None:
        self.detach()


class Emulator:
    """The emulator without a socket, for one connection at a time."""

    def __init__(self, directory: Path | None = None) -> None:
        self.app = EmulatorApp(PictureStore(directory))
        self.methods: list[str] = []

    def check(self, sent: bytes) -> list[int]:
        """
        Check that the emulator sends valid HTTP and logs no error; return the statuses.

        Requests to URLs in the data are not made.
        """
        self.app.store.clear()
        (self.app.store.directory / STORED).write_bytes(plain("PNG"))
        self.app.record.clear()
        self.methods = []
        connection = RequestConnection(sent)
        server = SimpleNamespace(
            app=self._respond,
            server_address=("127.0.0.1", 8001),
            connection_number=lambda connection: 1,
        )
        with TestCase().assertNoLogs("django_groupme_images", "ERROR"), _no_network():
            RequestHandler(connection, ("127.0.0.1", 50_000), server)
        statuses = list(self._read(connection.getvalue()))
        assert set(statuses) <= _STATUSES
        assert not list(self.app.store._incoming.iterdir())
        return statuses

    def _respond(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.methods.append(environ["REQUEST_METHOD"])
        self.app.faults.clear()  # The previous request may have added faults.
        return self.app(environ, start_response)

    def _read(self, responses: bytes) -> Iterator[int]:
        """Read the responses as a client does, and yield the status of each."""
        methods = iter(self.methods)
        while responses:
            head = _HEAD.match(responses)
            assert head, responses
            yield (status := int(head[1]))
            responses = responses[head.end() :]
            if status == 100:
                continue
            # A response of the gateway itself may also be one to HEAD.
            method = next(methods, "" if responses else "HEAD")
            if method != "HEAD" and status != 204:
                length = _LENGTH.search(head[2])
                assert length, head
                assert len(responses) >= int(length[1])
                responses = responses[int(length[1]) :]


@contextmanager
def _no_network() -> Iterator[None]:
    with mock.patch("socket.getaddrinfo", side_effect=OSError("no network")):
        yield
