"""Threaded TCP server for the emulator."""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import socketserver
import sys
import time
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from .app import EmulatorApp, logger
from .handler import RequestHandler
from .origins import normalize_hosts
from .store import PictureStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from .assumptions import Assumptions

__all__ = ["CannotStart", "EmulatorServer", "ThreadedServer"]

# The time in seconds to wait for the threads of connections when the server stops.
_STOP_TIMEOUT = 1

# The time in seconds after which the server notices that it has to stop, except on Linux.
_POLL_INTERVAL = 0.05


class CannotStart(Exception):
    """
    The emulator cannot start.

    Its port is in use, its host is not an address of this machine, or its directory cannot be used.
    """


class EmulatorServer:
    """
    Emulator of GroupMe's image service on a TCP port, from :meth:`start` to :meth:`stop`::

        with EmulatorServer() as server:
            requests.post(server.upload_url, data=image, headers={"X-Access-Token": "any"})

    With ``port`` 0, the system chooses a free port. Without a ``token``, any token is accepted.
    Without a ``directory``, images are in a temporary directory, which is removed at the end.
    ``assumptions`` change the behavior that GroupMe does not document. ``log`` is called with one
    line for each request. The attributes ``app`` and ``store`` exist once the server is started.

    Requests can be for ``host``, loopback names, IP addresses, and ``allowed_hosts``, such as
    the name of a Compose service. Web pages of loopback hosts and of ``allowed_hosts``, on any
    port, can use the emulator. An upload by URL can fetch images from this machine and from the
    internet, and can follow redirects to the internet. With ``allow_private_urls``, both can lead
    to any network.

    The constructor raises ``ValueError`` if ``token`` or ``directory`` is empty, or if one of
    ``allowed_hosts`` is not a host name or an IP address.
    """

    app: EmulatorApp
    store: PictureStore

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        directory: str | Path | None = None,
        allowed_hosts: Iterable[str] = (),
        allow_private_urls: bool = False,
        assumptions: Assumptions | None = None,
        log: Callable[[str], object] = logger.debug,
    ) -> None:
        # An empty string is probably the value of an unset variable.
        for name, value in (("token", token), ("directory", directory)):
            if value == "":
                raise ValueError(f"{name} must not be empty")
        self.host = host
        self.port = port
        self._token = token
        self._directory = directory
        self._allowed_hosts = normalize_hosts(allowed_hosts)
        self._allow_private_urls = allow_private_urls
        self._assumptions = assumptions
        self._log = log
        self._listener: ThreadedServer | None = None

    def start(self) -> None:
        """
        Start serving requests in background threads.

        Raise ``CannotStart`` if the port or the directory cannot be used, and ``RuntimeError`` if
        the server is already started.
        """
        if self._listener:
            raise RuntimeError("the emulator is already running")
        # Bind first: if the port is in use, another emulator may also use the directory.
        listener = self._bind()
        try:
            self.store = PictureStore(self._directory, self._assumptions)
        except OSError as error:
            listener.server_close()
            raise CannotStart(
                f"cannot use the directory {self._directory}: {error.strerror}"
            ) from error
        self._stopping = Event()
        self.app = listener.app = EmulatorApp(
            self.store,
            token=self._token,
            allowed_hosts=self._allowed_hosts | self._own_host(),
            allow_private_urls=self._allow_private_urls,
            stopping=self._stopping,
            log=self._log,
        )
        self.port = listener.server_address[1]
        # A daemon thread does not keep an interrupted interpreter running.
        self._thread = Thread(target=listener.serve_forever, args=(_POLL_INTERVAL,), daemon=True)
        self._thread.start()
        self._listener = listener

    def stop(self) -> None:
        """
        Close all connections, and remove a temporary directory.

        Wait at most one second for the threads of connections. Do nothing if the server is not
        started.
        """
        if not self._listener:
            return
        self._stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
        self._listener = None
        self.store.close()

    def _own_host(self) -> set[str]:
        """Return a set with the host if it is a name, because IP addresses are always accepted."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            with suppress(ValueError):
                return normalize_hosts([self.host])
        return set()

    def _bind(self) -> ThreadedServer:
        try:
            return ThreadedServer(self.host, self.port)
        except OSError as error:
            raise CannotStart(
                f"cannot listen on {self.host} port {self.port}: {error.strerror}"
            ) from error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the emulator, with a slash at the end."""
        host = _connectable_host(self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    @property
    def is_for_others(self) -> bool:
        """Whether the server is started, and other machines can connect to it."""
        return bool(
            self._listener
            and not ipaddress.ip_address(self._listener.server_address[0]).is_loopback
        )

    @property
    def upload_url(self) -> str:
        """The value of the option ``upload_url`` for a client of the emulator."""
        return f"{self.url}pictures"

    @property
    def cdn_url(self) -> str:
        """The value of the option ``cdn_url`` for a client of the emulator."""
        return self.url


class ThreadedServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A listening socket, and one thread and one number for each connection."""

    request_queue_size = 128
    # On Windows, this option would allow two servers on one port.
    allow_reuse_address = os.name == "posix"

    server_address: tuple[str, int]
    app: EmulatorApp

    def __init__(self, host: str, port: int) -> None:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self.address_family = addresses[0][0]
        self._numbers = itertools.count(1)
        self._connections: dict[socket.socket, int] = {}
        self._lock = Lock()
        self._connection_threads: WeakSet[Thread] = WeakSet()
        super().__init__((host, port), RequestHandler)

    def connection_number(self, connection: socket.socket) -> int:
        """Return the number of a connection, starting from 1."""
        return self._connections[connection]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = next(self._numbers)
        # ThreadingMixIn waits for its threads without a time limit, or not at all.
        thread = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        thread.start()
        self._connection_threads.add(thread)

    def shutdown(self) -> None:
        # On Linux, this ends the wait of serve_forever(). Other systems do not support it for a
        # listening socket, and wait for the rest of the poll interval.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)
        super().shutdown()

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        # The thread of a persistent connection would wait for the next request.
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()
        deadline = time.monotonic() + _STOP_TIMEOUT
        for thread in list(self._connection_threads):
            thread.join(max(0, deadline - time.monotonic()))

    def handle_error(self, *_: object) -> None:
        """Log an exception, unless it only means that the connection was closed."""
        if not isinstance(sys.exception(), ConnectionError):
            logger.exception("Internal error of the emulator")


def _connectable_host(host: str) -> str:
    """Return the host, or the loopback address if the host stands for all addresses."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "::1"
    return host
