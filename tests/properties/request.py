"""What a client sends to the emulator, as bytes on the wire."""

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
from django_groupme_images.emulator.gateway import Gateway

from ..emulator_pictures import plain

#: A picture that the emulator has.
STORED = "48x32.png.123456789"

# 100 asks for the body. Of 5xx, only what HTTP itself has for methods and versions.
_STATUSES = {100, 200, 204, *range(400, 500), 501, 505}

_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)*)\r\n")
_LENGTH = re.compile(rb"^Content-Length: ([0-9]+)\r$", re.MULTILINE)


class Wire(io.BytesIO):
    """A connection on which the client has sent everything, and reads on."""

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
    """Leaves what was written to be read."""

    def close(self) -> None:
        self.detach()


class Emulator:
    """The emulator without a socket, as it is for one connection after the other."""

    def __init__(self, directory: Path | None = None) -> None:
        self.app = EmulatorApp(PictureStore(directory))
        self.methods: list[str] = []

    def check(self, sent: bytes) -> list[int]:
        """
        Whatever is sent, all that comes back is HTTP, and nothing failed; the statuses.

        No address that is in it is asked.
        """
        self.app.store.clear()
        (self.app.store.directory / STORED).write_bytes(plain("PNG"))
        self.app.record.clear()
        self.methods = []
        wire = Wire(sent)
        server = SimpleNamespace(
            app=self._answer, server_address=("127.0.0.1", 8001), number=lambda connection: 1
        )
        with TestCase().assertNoLogs("django_groupme_images", "ERROR"), _no_network():
            Gateway(wire, ("127.0.0.1", 50_000), server)
        statuses = list(self._read(wire.getvalue()))
        assert set(statuses) <= _STATUSES
        assert not list(self.app.store._incoming.iterdir())
        return statuses

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.methods.append(environ["REQUEST_METHOD"])
        self.app.faults.clear()  # of the request before this one
        return self.app(environ, start_response)

    def _read(self, answers: bytes) -> Iterator[int]:
        """Each answer's status, read as a client would find them one after the other."""
        methods = iter(self.methods)
        while answers:
            head = _HEAD.match(answers)
            assert head, answers
            yield (status := int(head[1]))
            answers = answers[head.end() :]
            if status == 100:
                continue
            # What the gateway answers by itself may be an answer to HEAD, too.
            method = next(methods, "" if answers else "HEAD")
            if method != "HEAD" and status != 204:
                length = _LENGTH.search(head[2])
                assert length, head
                assert len(answers) >= int(length[1])
                answers = answers[int(length[1]) :]


@contextmanager
def _no_network() -> Iterator[None]:
    with mock.patch("socket.getaddrinfo", side_effect=OSError("nobody is asked")):
        yield
