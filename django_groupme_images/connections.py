"""
Connections to the service: how a body is sent, and how long everything may take.

http.client applies a timeout to each call of the system, sends a body without looking for a
response, and takes any 1xx response but 100 for the final one. The classes below do none of that.
"""

from __future__ import annotations

import io
import math
import re
import socket
import ssl
import time
from contextlib import suppress
from contextvars import ContextVar
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, parse_headers
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_socket

from .bodies import PIECE
from .deadlines import limited, seconds_left

__all__ = ["ServiceAdapter"]

# A context variable, because a connection must not refer to its adapter: urllib3 closes the
# connections of a pool when the pool is garbage, and a reference back would keep it alive.
_write_timeout: ContextVar[float | None] = ContextVar("write_timeout", default=None)

# Nothing limits how many 1xx responses a server may send before the final one.
_MOST_INTERIM_RESPONSES = 100
# Bytes of a response that are read while the body is sent: more than the longest line.
_MOST_EARLY_BYTES = 64 * 1024

# After a 101, nothing that follows would be HTTP: it counts as the final response.
_INTERIM_RESPONSE = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_INTERIM_STATUS = re.compile(rb"HTTP/1\.\d 1(?!01)")
_STATUS_LENGTH = len("HTTP/1.1 200")

_NOT_READY = BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError


class _Incoming(io.RawIOBase):
    """
    The bytes that a server sends, within the time limit.

    It stands in for the socket from which ``http.client`` makes the file of a response.
    """

    def __init__(self, sock: Any, early: bytes) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._early = early
        self._timeout = sock.gettimeout()

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._early:
            data, self._early = self._early[: len(buffer)], self._early[len(buffer) :]
            buffer[: len(data)] = data
            return len(data)
        if seconds_left() != math.inf:
            self._sock.settimeout(limited(self._timeout))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """The final response to a request, after any 1xx responses."""

    def __init__(self, *args: Any, ends_connection: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends_connection = ends_connection

    def begin(self) -> None:
        super().begin()
        self.will_close = self.will_close or self._ends_connection

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM_RESPONSES):
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= status[1] < 200 or status[1] == HTTPStatus.SWITCHING_PROTOCOLS:
                return status
            parse_headers(self.fp)
        raise HTTPException("too many interim responses")


class _ServiceConnection(HTTPConnection):
    """Sends large blocks, and stops as soon as there is a response."""

    _early = b""
    _is_cut_short = False

    def _new_conn(self) -> socket.socket:
        self._early, self._is_cut_short = b"", False
        # One address at a time, because urllib3 would give each of them the whole timeout.
        *others, last = self._addresses()
        for address in others:
            with suppress(ConnectTimeoutError, NewConnectionError):
                return self._connect_to(address)
        return self._connect_to(last)

    def _connect_to(self, address: str) -> socket.socket:
        name, timeout = self._dns_host, self.timeout
        self._dns_host, self.timeout = address, limited(timeout)
        try:
            sock = super()._new_conn()
        finally:
            self._dns_host, self.timeout = name, timeout
        sock.settimeout(limited(timeout))  # for the TLS handshake
        return sock

    def _addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(
                self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            return [self._dns_host]  # urllib3 reports the error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        timeout = self.sock.gettimeout()
        # TLS through a TLS proxy is no socket, and has no non-blocking mode.
        if not isinstance(self.sock, socket.socket):
            self.sock.settimeout(limited(_write_timeout.get()))
            self.sock.sendall(data)
            self.sock.settimeout(timeout)
            return
        self.sock.settimeout(0)
        try:
            self._send(memoryview(data))
        finally:
            self.sock.settimeout(timeout)

    def _send(self, data: memoryview) -> None:
        while data:
            data = data[self._send_some(data) :]

    def _send_some(self, data: memoryview) -> int:
        """Send some bytes, within the write timeout, and return how many."""
        timeout = _write_timeout.get()
        until = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            # Each time, because TLS can read nothing more after the server has closed.
            self._stop_if_answered()
            left = limited(until - time.monotonic())
            try:
                return self.sock.send(data)
            except _NOT_READY as error:
                is_reading = isinstance(error, ssl.SSLWantReadError)
                wait_for_socket(self.sock, read=True, write=not is_reading, timeout=left)

    def _stop_if_answered(self) -> None:
        """Raise ``BrokenPipeError``, upon which urllib3 reads the response, if there is one."""
        try:
            data = self.sock.recv(_MOST_EARLY_BYTES)
        except _NOT_READY:
            return
        self._early += data
        while match := _INTERIM_RESPONSE.match(self._early):
            self._early = self._early[match.end() :]
        is_interim = len(self._early) < _STATUS_LENGTH or _INTERIM_STATUS.match(self._early)
        if not data or not is_interim or len(self._early) > _MOST_EARLY_BYTES:
            self._is_cut_short = True
            raise BrokenPipeError("the server responded before it had the whole body")

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> _Response:  # type: ignore[override]
        early, self._early = self._early, b""
        incoming = _Incoming(sock, early)
        return _Response(incoming, *args, ends_connection=self._is_cut_short, **kwargs)


class _HTTPSConnection(_ServiceConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _ServiceConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class ServiceAdapter(HTTPAdapter):
    """
    Carries requests over connections that obey the time limit of an upload.

    The read timeout is also the time that the other side may take to accept more of a body. A
    SOCKS proxy has connections of its own, for which neither holds.
    """

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        token = _write_timeout.set(timeout[-1] if isinstance(timeout, tuple) else timeout)
        try:
            return super().send(request, stream, timeout, *args, **kwargs)
        finally:
            _write_timeout.reset(token)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=PIECE, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, blocksize=PIECE, **kwargs)
        if type(manager) is ProxyManager:
            manager.pool_classes_by_scheme = _POOLS
        return manager
