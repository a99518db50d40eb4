"""
Connections to the image service: adapter, connection pools, and time limits.

``http.client`` applies a timeout to each system call, sends a whole body before it looks for a
response, and treats every 1xx response except 100 as the final one. The connections in this module
limit the total time, stop sending when a response arrives, and skip 1xx responses.
"""

from __future__ import annotations

import io
import math
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

from django_groupme_images.images.streams import BUFFER_SIZE, CHUNK_SIZE

__all__ = ["ServiceAdapter", "seconds_left", "time_limit"]

# HTTP does not limit the number of 1xx responses before the final response.
_MAX_INTERIM_RESPONSES = 100
# Bytes of a response that are read while the body is sent. The longest valid line is shorter.
_MAX_EARLY_BYTES = 64 * 1024

# After a 101, the protocol is not HTTP anymore, so a 101 counts as the final response.
_INTERIM_RESPONSE = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_INTERIM_STATUS = re.compile(rb"HTTP/1\.\d 1(?!01)")
_STATUS_LENGTH = len("HTTP/1.1 200")

_NOT_READY = BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)

# The write timeout is a context variable, because a connection must not refer to its adapter:
# urllib3 closes the connections of a pool when the pool is garbage-collected, and a reference
# would keep it alive.
_write_timeout: ContextVar[float | None] = ContextVar("write_timeout", default=None)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """
    Limit the total time of the block in seconds, or do not limit it if ``None``.

    An outer limit also applies.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    token = _deadline.set(min(deadline, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """Return the seconds until the current :func:`time_limit` ends; infinity without a limit."""
    return _deadline.get() - time.monotonic()


def _limit_timeout(timeout: float | None) -> float | None:
    """
    Return the timeout in seconds, shortened to the time that is left.

    Raise ``TimeoutError`` if no time is left.
    """
    left = min(math.inf if timeout is None else timeout, seconds_left())
    if left <= 0:
        raise TimeoutError("timed out")
    return None if left == math.inf else left


class _ResponseReader(io.RawIOBase):
    """
    Reader of the bytes that a server sends, within the time limit.

    ``http.client`` calls :meth:`makefile`, because it gets this object instead of a socket.
    """

    def __init__(self, sock: Any, early_data: bytes) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._early_data = early_data
        self._timeout = sock.gettimeout()

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, BUFFER_SIZE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._early_data:
            size = len(buffer)
            data, self._early_data = self._early_data[:size], self._early_data[size:]
            buffer[: len(data)] = data
            return len(data)
        if seconds_left() != math.inf:
            self._sock.settimeout(_limit_timeout(self._timeout))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """The final response to a request, after any 1xx responses."""

    def __init__(self, *args: Any, must_close: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._must_close = must_close

    def begin(self) -> None:
        super().begin()
        self.will_close = self.will_close or self._must_close

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM_RESPONSES):
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= status[1] < 200 or status[1] == HTTPStatus.SWITCHING_PROTOCOLS:
                return status
            parse_headers(self.fp)
        raise HTTPException("too many interim responses")


class _HTTPConnection(HTTPConnection):
    """A connection that sends large blocks, and stops sending when a response arrives."""

    _early_data = b""
    _has_stopped_early = False

    def _new_conn(self) -> socket.socket:
        self._early_data, self._has_stopped_early = b"", False
        # Try one address at a time, because urllib3 would apply the whole timeout to each.
        *others, last = self._resolve_host()
        for address in others:
            with suppress(ConnectTimeoutError, NewConnectionError):
                return self._connect_to(address)
        return self._connect_to(last)

    def _connect_to(self, address: str) -> socket.socket:
        host, timeout = self._dns_host, self.timeout
        self._dns_host, self.timeout = address, _limit_timeout(timeout)
        try:
            sock = super()._new_conn()
        finally:
            self._dns_host, self.timeout = host, timeout
        sock.settimeout(_limit_timeout(timeout))  # This timeout applies to the TLS handshake.
        return sock

    def _resolve_host(self) -> list[str]:
        """Return the IP addresses of the host, or only its name if it cannot be resolved."""
        try:
            found = socket.getaddrinfo(
                self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            return [self._dns_host]  # urllib3 reports the error when it connects.
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        timeout = self.sock.gettimeout()
        # TLS through a TLS proxy uses an object that is not a socket, and that always blocks.
        if not isinstance(self.sock, socket.socket):
            self.sock.settimeout(_limit_timeout(_write_timeout.get()))
            self.sock.sendall(data)
            self.sock.settimeout(timeout)
            return
        self.sock.settimeout(0)
        try:
            with memoryview(data) as view:
                self._send_all(view)
        finally:
            self.sock.settimeout(timeout)

    def _send_all(self, data: memoryview) -> None:
        # sendall() would apply the timeout to the whole block, not to each write.
        sent = 0
        while sent < len(data):
            with data[sent:] as rest:
                sent += self._send_some(rest)

    def _send_some(self, data: memoryview) -> int:
        """Send some bytes, within the write timeout, and return their number."""
        timeout = _write_timeout.get()
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            # Look for a response before each write, because TLS cannot read one after a write to
            # a closed connection has failed.
            self._stop_if_response_arrived()
            left = _limit_timeout(deadline - time.monotonic())
            try:
                return self.sock.send(data)
            except _NOT_READY as error:
                wants_read = isinstance(error, ssl.SSLWantReadError)
                wait_for_socket(self.sock, read=True, write=not wants_read, timeout=left)

    def _stop_if_response_arrived(self) -> None:
        """
        Raise ``BrokenPipeError`` if the server has sent a response or closed the connection.

        urllib3 handles this error by reading the response.
        """
        try:
            data = self.sock.recv(_MAX_EARLY_BYTES)
        except _NOT_READY:
            return
        self._early_data += data
        while match := _INTERIM_RESPONSE.match(self._early_data):
            self._early_data = self._early_data[match.end() :]
        size = len(self._early_data)
        may_be_interim = size < _STATUS_LENGTH or _INTERIM_STATUS.match(self._early_data)
        if not data or not may_be_interim or size > _MAX_EARLY_BYTES:
            self._has_stopped_early = True
            raise BrokenPipeError("the server responded before it had the whole body")

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> _Response:  # type: ignore[override]
        early_data, self._early_data = self._early_data, b""
        reader = _ResponseReader(sock, early_data)
        return _Response(reader, *args, must_close=self._has_stopped_early, **kwargs)


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOL_CLASSES = {"http": _HTTPPool, "https": _HTTPSPool}


class ServiceAdapter(HTTPAdapter):
    """
    Adapter of ``requests`` for connections that keep the time limit of an upload.

    The read timeout is also the maximum time in which the server must accept more of a body.
    SOCKS proxies use other connections, to which neither limit applies.
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
        super().init_poolmanager(*args, blocksize=CHUNK_SIZE, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOL_CLASSES

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, blocksize=CHUNK_SIZE, **kwargs)
        if type(manager) is ProxyManager:  # The subclass for SOCKS proxies has its own pools.
            manager.pool_classes_by_scheme = _POOL_CLASSES
        return manager
