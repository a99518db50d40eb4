"""
Sources of an uploaded image: the body of a request, a file in a form, or another site.

:func:`write_upload` chooses the source. :func:`fetch_url` downloads from another site, and decides
to which addresses it may connect.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing, contextmanager, suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin

from django.http.multipartparser import LazyStream, MultiPartParserError, Parser
from django.utils.http import parse_header_parameters
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPResponse
from urllib3 import exceptions as urllib3_exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Url, make_headers, parse_url

from .addresses import NotAllowed, is_local_or_public, is_public, resolve
from .http import BLOCK_SIZE, ConnectionDropped, HTTPError, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["fetch_url", "write_upload"]

# Form fields that can contain the token, named as in the query.
_TOKEN_FIELDS = {b"access_token", b"token"}

_MAX_TOKEN = 1024  # bytes

# Limits of a download. Those of the real service are unknown.
_TIMEOUT = 10  # seconds to connect, and to wait for bytes
_TOTAL_TIMEOUT = 30  # seconds
_MAX_BYTES = 64 * 1024 * 1024
_MAX_REDIRECTS = 5

# The interval in seconds between checks whether the emulator stops.
_POLL_INTERVAL = 0.1

_REDIRECT_STATUSES = {301, 302, 303, 307, 308}


def write_upload(
    request: Request,
    path: Path,
    *,
    fetch: Callable[[str], Iterator[bytes]],
    accept_chunks: bool,
) -> None:
    """
    Write the image of an upload to a new file at ``path``, in blocks.

    ``fetch`` takes the URL in the query, if any, and yields its content. Unless ``accept_chunks``,
    a body needs a ``Content-Length``. A token in a form becomes ``request.token`` if the request
    has no other one. Raise ``HTTPError`` if there is no image.
    """
    with path.open("xb") as file:
        if "url" in request.query:
            file.writelines(fetch(request.query["url"]))
        elif request.content_length is None and not (request.is_chunked and accept_chunks):
            raise HTTPError(411, "an upload requires a Content-Length header")
        else:
            file.writelines(_file_in_form(request) if request.is_form else request.iter_body())
    if not path.stat().st_size:
        raise HTTPError(400, "the body is empty")


def _file_in_form(request: Request) -> Iterator[bytes]:
    """Yield the content of the form field ``file`` (observed in an official mobile client)."""
    boundary = _boundary(request.content_type)
    if not boundary or not boundary.isascii():
        raise HTTPError(400, "multipart/form-data requires a boundary")
    is_found = False
    try:
        body = LazyStream(request.iter_body())  # type: ignore[arg-type]  # It accepts any iterator.
        for _, headers, stream in Parser(body, boundary.encode()):
            name = headers.get("content-disposition", ("", {}))[1].get("name")
            if name == b"file" and not is_found:
                is_found = True
                yield from stream
            elif name in _TOKEN_FIELDS and not request.token:
                request.token = _read_token(stream)
            else:
                _skip(stream)
    except MultiPartParserError as error:
        raise HTTPError(400, "the body is not multipart/form-data") from error
    if not is_found:
        raise HTTPError(400, "the form has no field named file")


def _read_token(stream: LazyStream) -> str:
    value: bytes = stream.read(_MAX_TOKEN)
    _skip(stream)
    return value.decode(errors="replace")


def _skip(stream: LazyStream) -> None:
    for _ in stream:
        pass


def _boundary(content_type: str) -> str:
    """Return the boundary of a multipart content type, or an empty string."""
    with suppress(ValueError, LookupError):  # The charset can be unknown.
        return str(parse_header_parameters(content_type)[1].get("boundary", ""))
    return ""


def fetch_url(url: str, stopping: Event, *, allow_private_urls: bool = False) -> Iterator[bytes]:
    """
    Yield the content of a URL in blocks of bytes.

    Without ``allow_private_urls``, the URL must be on this machine or on the internet, and
    redirects can only lead to the internet. Environment variables, such as those for a proxy, are
    ignored.

    Raise ``HTTPError`` if the URL cannot be fetched, and ``ConnectionDropped`` if ``stopping`` is
    set before the end.
    """
    fetch = _Fetch(url, allow_private_urls=allow_private_urls)
    Thread(target=fetch.run, name="groupme-emulator-fetch", daemon=True).start()
    size = 0
    try:
        for block in fetch.iter_blocks(time.monotonic() + _TOTAL_TIMEOUT, stopping):
            size += len(block)
            if size > _MAX_BYTES:
                raise HTTPError(400, "the file at the URL is too large")
            yield block
    finally:
        fetch.cancel()


class _Fetch:
    """
    A download in a separate thread, which puts the blocks into a queue.

    A remote server that is very slow or sends nothing therefore blocks only that thread.
    """

    def __init__(self, url: str, *, allow_private_urls: bool) -> None:
        self._url = url
        self._allow_private_urls = allow_private_urls
        # The queue holds only one block, so that a large image is never in memory.
        self._queue: Queue[bytes | Exception] = Queue(1)
        self._canceled = Event()
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Download in the thread. The last item in the queue is empty or an exception."""
        try:
            for block in self._content():
                self._queue.put(block)
            self._queue.put(b"")
        except Exception as error:  # noqa: BLE001  The other thread raises it.
            self._queue.put(error)

    def iter_blocks(self, deadline: float, stopping: Event) -> Iterator[bytes]:
        """Yield the blocks of the download until ``deadline``, a time of the monotonic clock."""
        while time.monotonic() < deadline:
            if stopping.is_set():
                raise ConnectionDropped("the emulator is stopping")
            with suppress(Empty):
                item = self._queue.get(timeout=_POLL_INTERVAL)
                if isinstance(item, HTTPError):
                    raise item
                if isinstance(item, Exception):
                    name = type(item).__name__
                    raise HTTPError(400, f"the URL could not be fetched: {name}") from item
                if not item:
                    return
                yield item
        raise HTTPError(400, "fetching the URL took too long")

    def cancel(self) -> None:
        """Stop the thread, which may be waiting for the remote server."""
        self._canceled.set()
        if self._socket:
            with suppress(OSError):  # It may already be closed.
                self._socket.shutdown(socket.SHUT_RDWR)
        # Make room in the queue, because the thread may be waiting to add one last item.
        with suppress(Empty):
            self._queue.get_nowait()

    def _content(self) -> Iterator[bytes]:
        url, is_allowed = self._url, is_local_or_public
        for _ in range(_MAX_REDIRECTS + 1):
            with self._response(url, is_allowed) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECT_STATUSES or not location:
                    yield from self._body(response)
                    return
            # The client chooses the first URL, but a remote server chooses the next one.
            url, is_allowed = urljoin(url, location), is_public
        raise HTTPError(400, f"the URL redirects more than {_MAX_REDIRECTS} times")

    def _body(self, response: HTTPResponse) -> Iterator[bytes]:
        if not 200 <= response.status < 300:
            raise HTTPError(400, f"the URL could not be fetched: HTTP status {response.status}")
        # read1() returns the bytes that have arrived; read() would wait for a full block.
        while not self._canceled.is_set() and (block := response.read1(BLOCK_SIZE, True)):
            yield block

    @contextmanager
    def _response(self, url: str, is_allowed: Callable[[str], bool]) -> Iterator[HTTPResponse]:
        if not url.lower().startswith(("http://", "https://")):
            raise HTTPError(400, "the URL does not start with http:// or https://")
        parts = parse_url(url)
        with closing(self._connect(parts, is_allowed)) as connection:
            self._socket = connection.sock
            if self._canceled.is_set():
                raise ConnectionDropped("the request was canceled")
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

    def _connect(self, parts: Url, is_allowed: Callable[[str], bool]) -> HTTPConnection:
        """Connect to the first address of the host that accepts a connection."""
        error: Exception = OSError("the host has no address")
        for address in self._addresses(parts, is_allowed):
            connection = _make_connection(parts, address)
            try:
                connection.connect()
            except (OSError, urllib3_exceptions.HTTPError) as failure:
                connection.close()
                error = failure
            else:
                return connection
        raise error

    def _addresses(self, parts: Url, is_allowed: Callable[[str], bool]) -> list[str]:
        if self._allow_private_urls:
            is_allowed = _is_any
        try:
            return resolve(_host(parts), _port(parts), is_allowed)
        except NotAllowed as error:
            raise HTTPError(
                400,
                f"the host {error} has a private IP address; "
                "to allow it, start the emulator with --allow-private-urls",
            ) from error


def _make_connection(parts: Url, address: str) -> HTTPConnection:
    """Return a connection to an IP address for the host of a URL, without another lookup."""
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


def _is_any(_: str) -> bool:
    return True
