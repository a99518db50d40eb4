"""The emulator on a TCP port, in threads of its own."""

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
from .gateway import Gateway
from .origins import host_names
from .store import PictureStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from .assumptions import Assumptions

__all__ = ["CannotStart", "EmulatorServer", "Listener"]

# How long, in seconds, the threads of the connections may take to end.
_STOP = 1


class CannotStart(Exception):
    """The address is in use or is none of this machine's, or the directory is unusable."""


class EmulatorServer:
    """
    The image service on this machine, from :meth:`start` to :meth:`stop`::

        with EmulatorServer() as server:
            requests.post(server.upload_url, data=picture, headers={"X-Access-Token": "any"})

    ``port`` 0 picks a free one. Without a ``token`` every token is accepted, and without a
    ``directory`` the pictures are gone at the end; neither may be empty. ``log`` takes one
    line for each request. ``app`` and ``store`` are there once the server is started.

    Requests can be for ``host``, loopback names, IP addresses, and ``allowed_hosts``, such as
    the name of a Compose service. Web pages of loopback hosts and of ``allowed_hosts``, on any
    port, can use the emulator. With ``allow_private_urls``, an upload by URL can lead to a
    private network; without it, to this machine or the internet, and redirects only to the
    internet.

    Raises ``ValueError`` if ``token`` or ``directory`` is empty, or if one of ``allowed_hosts``
    is not a host name or an IP address.
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
        # Empty, they are unset variables rather than "any token" and "here".
        for name, value in (("token", token), ("directory", directory)):
            if value == "":
                raise ValueError(f"{name} is empty")
        self.host = host
        self.port = port
        self._token = token
        self._directory = directory
        self._allowed_hosts = host_names(allowed_hosts)
        self._allow_private_urls = allow_private_urls
        self._assumptions = assumptions
        self._log = log
        self._listener: Listener | None = None

    def start(self) -> None:
        """
        Listen, and answer in the background.

        Raises ``CannotStart``, and ``RuntimeError`` if the server is started already.
        """
        if self._listener:
            raise RuntimeError("the emulator is started already")
        # A directory that another emulator may use is left alone if the port is in use.
        listener = self._bound()
        try:
            self.store = PictureStore(self._directory, self._assumptions)
        except OSError as error:
            listener.server_close()
            raise CannotStart(f"cannot use {self._directory}: {error.strerror}") from error
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
        # An interpreter that is interrupted here must not wait for it.
        self._thread = Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self._listener = listener

    def stop(self) -> None:
        """
        Close every connection and remove a temporary directory; if not started, do nothing.

        Waits for the threads of the connections for a second at most.
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
        """The host, if it is a name: IP addresses are accepted anyway."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            with suppress(ValueError):
                return host_names([self.host])
        return set()

    def _bound(self) -> Listener:
        try:
            return Listener(self.host, self.port)
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
        """Where the emulator is, with a slash at the end."""
        host = _reachable(self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    @property
    def is_for_others(self) -> bool:
        """Whether more than this machine may reach the emulator, once it is started."""
        return bool(
            self._listener
            and not ipaddress.ip_address(self._listener.server_address[0]).is_loopback
        )

    @property
    def upload_url(self) -> str:
        """The option ``upload_url`` of a client that is to use the emulator."""
        return f"{self.url}pictures"

    @property
    def cdn_url(self) -> str:
        """The option ``cdn_url`` of a client that is to use the emulator."""
        return self.url


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The listening socket and its connections, each with a thread and a running number."""

    request_queue_size = 128
    # On Windows the option would let two servers share a port.
    allow_reuse_address = os.name == "posix"

    server_address: tuple[str, int]
    app: EmulatorApp

    def __init__(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self.address_family = found[0][0]
        self._numbers = itertools.count(1)
        self._connections: dict[socket.socket, int] = {}
        self._lock = Lock()
        self._running: WeakSet[Thread] = WeakSet()
        super().__init__((host, port), Gateway)

    def number(self, connection: socket.socket) -> int:
        """The running number of a connection: 1 for the first."""
        return self._connections[connection]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = next(self._numbers)
        # Not the mixin's own: its threads hold up the end, or are not waited for at all.
        thread = Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        thread.start()
        self._running.add(thread)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def server_close(self) -> None:
        # Kept connections would keep their threads, which wait for the next request.
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()
        deadline = time.monotonic() + _STOP
        for thread in list(self._running):
            thread.join(max(0, deadline - time.monotonic()))

    def handle_error(self, *_: object) -> None:
        """Report what is a mistake of the emulator, not that a client went away."""
        if not isinstance(sys.exception(), ConnectionError):
            logger.exception("The emulator failed")


def _reachable(host: str) -> str:
    """The host to connect to: a server that listens on all addresses is on this one, too."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "::1"
    return host
