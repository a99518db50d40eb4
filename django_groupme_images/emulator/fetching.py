"""An image at a URL, which the service fetches itself (documented)."""

from __future__ import annotations

import socket
import time
from contextlib import closing, contextmanager, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, make_headers, parse_url

from .addresses import NotAllowed, is_local_or_public, is_public, resolve
from .messages import BLOCK, ConnectionDropped, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["fetched"]

# The real service's limits are unknown. These end every fetch.
_TIMEOUT = 10  # seconds to connect, and between bytes
_DEADLINE = 30  # seconds in all
_LIMIT = 64 * 1024 * 1024  # bytes
_MOST_REDIRECTS = 5

# How long, in seconds, the emulator's end may go unnoticed.
_PATIENCE = 0.1

_REDIRECTS = {301, 302, 303, 307, 308}


def fetched(url: str, stopping: Event, *, allow_private_urls: bool = False) -> Iterator[bytes]:
    """
    Fetch a URL, and yield its bytes a block at a time, until ``stopping`` is set.

    Without ``allow_private_urls``, the URL may be on this machine or on the internet, and
    redirects may only lead to the internet. No setting of the environment is used.

    Raises ``Refused`` if the URL cannot be fetched, and ``ConnectionDropped`` if ``stopping``
    is set.
    """
    fetch = _Fetch(url, allow_private_urls=allow_private_urls)
    Thread(target=fetch.run, name="groupme-emulator-fetch", daemon=True).start()
    size = 0
    try:
        for block in fetch.blocks(time.monotonic() + _DEADLINE, stopping):
            size += len(block)
            if size > _LIMIT:
                raise Refused(400, "the URL's image is too large")
            yield block
    finally:
        fetch.give_up()


class _Fetch:
    """
    A request in a thread of its own, which hands over one block after the other.

    A remote server that sends a byte now and then, or nothing, occupies only that thread.
    """

    def __init__(self, url: str, *, allow_private_urls: bool) -> None:
        self._url = url
        self._allow_private_urls = allow_private_urls
        # At most one block waits, so that a large image is never in memory.
        self._found: Queue[bytes | Exception] = Queue(1)
        self._given_up = Event()
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Fetch, in the thread; the last item that is handed over is empty, or an error."""
        try:
            for block in self._content():
                self._found.put(block)
            self._found.put(b"")
        except Exception as error:  # noqa: BLE001  The other thread raises it.
            self._found.put(error)

    def blocks(self, deadline: float, stopping: Event) -> Iterator[bytes]:
        """Yield what the thread hands over, until a time of the monotonic clock."""
        while time.monotonic() < deadline:
            if stopping.is_set():
                raise ConnectionDropped("the emulator stops")
            with suppress(Empty):
                found = self._found.get(timeout=_PATIENCE)
                if isinstance(found, Refused):
                    raise found
                if isinstance(found, Exception):
                    name = type(found).__name__
                    raise Refused(400, f"the URL cannot be fetched: {name}") from found
                if not found:
                    return
                yield found
        raise Refused(400, "the URL's image is too slow")

    def give_up(self) -> None:
        """End the thread, which may wait for the remote server."""
        self._given_up.set()
        if self._socket:
            with suppress(OSError):  # It may be closed already.
                self._socket.shutdown(socket.SHUT_RDWR)
        # The thread may wait for its last block to be taken. It hands over one more at most.
        with suppress(Empty):
            self._found.get_nowait()

    def _content(self) -> Iterator[bytes]:
        url, is_allowed = self._url, is_local_or_public
        for _ in range(_MOST_REDIRECTS + 1):
            with self._response(url, is_allowed) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    yield from self._body(response)
                    return
            # The client has chosen the first URL, and a remote server chooses the next one.
            url, is_allowed = urljoin(url, location), is_public
        raise Refused(400, f"the URL redirects more than {_MOST_REDIRECTS} times")

    def _body(self, response: HTTPResponse) -> Iterator[bytes]:
        if not 200 <= response.status < 300:
            raise Refused(400, f"the URL cannot be fetched: HTTP status {response.status}")
        # The bytes that have arrived: a whole block may take long.
        while not self._given_up.is_set() and (block := response.read1(BLOCK, True)):
            yield block

    @contextmanager
    def _response(self, url: str, is_allowed: Callable[[str], bool]) -> Iterator[HTTPResponse]:
        if not url.lower().startswith(("http://", "https://")):
            raise Refused(400, "the URL does not start with http:// or https://")
        parts = parse_url(url)
        with closing(self._connected(parts, is_allowed)) as connection:
            self._socket = connection.sock
            if self._given_up.is_set():
                raise ConnectionDropped("nobody waits for the response")
            headers = {
                "Host": str(parts.netloc),
                "User-Agent": "groupme-emulator",
                **make_headers(
                    accept_encoding="identity",
                    basic_auth=unquote(parts.auth) if parts.auth else None,
                ),
            }
            connection.request("GET", parts.request_uri, headers=headers, preload_content=False)
            with connection.getresponse() as response:
                yield response

    def _connected(self, parts: Url, is_allowed: Callable[[str], bool]) -> HTTPConnection:
        """Connect to the first address of the host that accepts a connection."""
        error: Exception = OSError("the host has no address")
        for address in self._addresses(parts, is_allowed):
            connection = _connection(parts, address)
            try:
                connection.connect()
            except (OSError, HTTPError) as failure:
                connection.close()
                error = failure
            else:
                return connection
        raise error

    def _addresses(self, parts: Url, is_allowed: Callable[[str], bool]) -> list[str]:
        if self._allow_private_urls:
            is_allowed = _anything
        try:
            return resolve(_host(parts), _port(parts), is_allowed)
        except NotAllowed as error:
            raise Refused(
                400,
                f"the URL leads to a private address, that of {error}; "
                "to allow it, start the emulator with --allow-private-urls",
            ) from error


def _connection(parts: Url, address: str) -> HTTPConnection:
    """A connection to an address, which is not looked up again, for the host of a URL."""
    if parts.scheme == "http":
        return HTTPConnection(address, _port(parts), timeout=_TIMEOUT)
    return HTTPSConnection(
        address,
        _port(parts),
        timeout=_TIMEOUT,
        server_hostname=_host(parts),
        cert_reqs="CERT_REQUIRED",
        ca_certs=DEFAULT_CA_BUNDLE_PATH,
    )


def _host(parts: Url) -> str:
    return str(parts.host or "").strip("[]")


def _port(parts: Url) -> int:
    return parts.port or (80 if parts.scheme == "http" else 443)


def _anything(_: str) -> bool:
    return True
