"""The option ``max_upload_time``, and responses that arrive while the body is sent."""

from __future__ import annotations

import io
import socket
import ssl
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import trustme
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import (
    RateLimited,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.storage import GroupMeStorage
from tests.support.deadlines import DEADLINE, SLOWNESS, TEST_DEADLINE

from .servers import (
    PHOTO,
    client_of,
    read_request,
    reset,
    respond_with,
    server,
    upload_response,
    wait_for_disconnect,
)

pytestmark = pytest.mark.any_django

# This is more than the socket buffers of a connection hold.
LARGE = PHOTO + bytes(20_000_000)

#: ``max_upload_time`` in seconds. No other limit ends a test, because they are longer than a test.
LIMIT = 0.5 * SLOWNESS
ENDLESS = 10 * TEST_DEADLINE


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
def tls(request, authority, monkeypatch, tmp_path):
    """Return the TLS context of a server that the client trusts, or ``None`` for plain HTTP."""
    if request.param == "http":
        return None
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def send_slowly(connection: socket.socket, data: bytes, seconds: float = 0.02) -> None:
    """Send the data in single bytes, and repeat it until the client disconnects."""
    while True:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)


def slow_status_line(connection):
    read_request(connection)
    send_slowly(connection, b"HTTP/1.1 200 O" + b"K" * 10_000)


def slow_headers(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    send_slowly(connection, b"X-Slow: 1\r\n")


def slow_body(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    send_slowly(connection, b" ")


def endless_continue(connection):
    read_request(connection)
    send_slowly(connection, b"HTTP/1.1 100 Continue\r\n\r\n", 0.005)


def endless_continue_before_the_body_is_read(connection):
    send_slowly(connection, b"HTTP/1.1 100 Continue\r\n\r\n", 0.005)


def body_taken_byte_by_byte(connection):
    for _ in range(400):
        connection.recv(1)
        time.sleep(0.005)


def body_taken_in_blocks(connection):
    for _ in range(40):
        connection.recv(4096)
        time.sleep(0.05)


def silent(connection):
    read_request(connection)
    wait_for_disconnect(connection)


def respond_unavailable(connection):
    respond_with("HTTP/1.1 503 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n")(connection)


SLOW = [
    slow_status_line,
    slow_headers,
    slow_body,
    endless_continue,
    endless_continue_before_the_body_is_read,
    body_taken_byte_by_byte,
    body_taken_in_blocks,
    silent,
    reset,
]


@pytest.mark.parametrize("conversation", SLOW)
def test_upload_to_slow_server_fails_after_max_upload_time(conversation, tls):
    file = io.BytesIO(LARGE)
    with server(*[conversation] * 50, tls=tls) as (url, seen):
        client = client_of(
            url,
            timeout=ENDLESS,
            max_upload_time=LIMIT,
            max_retries=1000,
            max_retry_wait=0.1 * SLOWNESS,
        )
        with pytest.raises(ServiceUnavailable):
            client.upload(file)
        assert len(seen) < 50
    assert (file.closed, file.tell()) == (False, 0)


def test_upload_with_retry_after_above_max_upload_time_fails_at_once():
    waits = []
    with server(*[respond_unavailable] * 3) as (url, seen):
        client = client_of(
            url, max_upload_time=8, max_retries=5, wait=lambda *wait: waits.append(wait)
        )
        with pytest.raises(ServiceUnavailable, match=r"is unavailable \(HTTP 503\)"):
            client.upload(PHOTO)
        assert (len(seen), waits) == (1, [])


def test_upload_with_many_short_retries_stops_at_max_upload_time():
    with server(*[reset] * 200) as (url, seen):
        client = client_of(
            url, max_upload_time=2 * LIMIT, max_retries=1000, max_retry_wait=0.1 * SLOWNESS
        )
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)
        assert 1 < len(seen) < 200


def test_second_upload_after_slow_one_has_full_max_upload_time():
    def slow(connection):
        for _ in range(5):
            read_request(connection)
            time.sleep(LIMIT)
            connection.sendall(upload_response(url).encode())

    with server(slow) as (url, _):
        client = client_of(url, max_upload_time=4 * LIMIT)
        for _ in range(5):
            client.upload(PHOTO)


def test_download_longer_than_max_upload_time_returns_content():
    def slow(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            connection.sendall(b".")
            time.sleep(0.05)

    with server(slow) as (url, _):
        client = client_of(url, max_upload_time=0.1)
        assert client.download(f"{url}1x1.png.1").read(10) == b"." * 10


@pytest.fixture
def unreachable_addresses(monkeypatch):
    """Yield the URL of a host with four addresses that accept no connection."""
    with ExitStack() as stack:
        port, addresses = 0, [f"127.0.0.{number}" for number in (1, 2, 3, 4)]
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(2):  # After the backlog is full, Linux ignores connections.
                pending = stack.enter_context(socket.socket())
                pending.setblocking(False)
                with suppress(BlockingIOError):
                    pending.connect((address, port))
        original = socket.getaddrinfo

        def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
            hosts = addresses if host == "images.example" else [host]
            return [info for host in hosts for info in original(host, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield f"http://images.example:{port}/"


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs 127.0.0.2 and the backlog of Linux"
)
def test_upload_to_host_with_many_addresses_fails_after_max_upload_time(unreachable_addresses):
    client = client_of(unreachable_addresses, timeout=ENDLESS, max_upload_time=LIMIT)
    with pytest.raises(ServiceUnavailable):
        client.upload(PHOTO)


def test_upload_to_host_with_unreachable_first_address_uses_next(monkeypatch):
    original = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        hosts = ["::1", "127.0.0.1"] if host == "images.example" else [host]
        return [info for host in hosts for info in original(host, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with server(respond_with_success) as (url, seen):
        respond_with_success.url = host_url = url.replace("127.0.0.1", "images.example")
        client_of(host_url, max_retries=0, max_upload_time=DEADLINE).upload(PHOTO)
        assert len(seen) == 1


def test_upload_with_slow_tls_handshake_fails_after_max_upload_time(tls):
    with server(lambda connection: send_slowly(connection, b"\x16\x03\x03")) as (url, _):
        client = client_of(url.replace("http:", "https:"), timeout=ENDLESS, max_upload_time=LIMIT)
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)


def slow_proxy(connection):
    read_request(connection)
    send_slowly(connection, b"HTTP/1.1 200 O")


def test_upload_through_slow_proxy_fails_after_max_upload_time(monkeypatch):
    with server(*[slow_proxy] * 10) as (url, _):
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        client = client_of("https://images.example/", timeout=ENDLESS, max_upload_time=LIMIT)
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)


@pytest.mark.parametrize("conversation", [silent, slow_headers, body_taken_byte_by_byte])
def test_save_that_reaches_max_upload_time_uses_fallback(conversation, settings, fallback):
    with server(*[conversation] * 5) as (url, _):
        storage = GroupMeStorage(
            upload_url=f"{url}pictures", cdn_url=url, timeout=ENDLESS, max_upload_time=LIMIT
        )
        name = storage.save("cat.jpg", ContentFile(LARGE))
    with fallback.open(name) as file:
        assert file.read() == LARGE


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large"


@pytest.mark.parametrize("status", [100, 102, 103, 199])
@pytest.mark.parametrize("is_early", [False, True])
def test_upload_with_interim_responses_ignores_them(status, is_early, tls):
    interim = f"HTTP/1.1 {status} Wait\r\nX-A: b\r\n\r\n".encode()

    def conversation(connection):
        if is_early:
            connection.sendall(interim)
        for _ in range(2):
            read_request(connection)
            connection.sendall(interim * 3 + upload_response(url).encode())

    with server(conversation, tls=tls) as (url, seen):
        client = client_of(url)
        client.upload(LARGE)
        client.upload(PHOTO)
        assert len(seen) == 1


def test_upload_with_too_many_interim_responses_raises():
    endless = respond_with(INTERIM * 10_000)
    with server(*[endless] * 3) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="too many interim responses"):
            client_of(url, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) == 3


@pytest.mark.parametrize("unexpected", [INTERIM, TOO_LARGE])
def test_upload_after_unexpected_response_uses_new_connection(unexpected, tls):
    is_idle, is_sent = threading.Event(), threading.Event()

    def conversation(connection):
        read_request(connection)
        connection.sendall(upload_response(url).encode())
        is_idle.wait(DEADLINE)
        connection.sendall(unexpected)
        is_sent.set()
        wait_for_disconnect(connection)

    with server(conversation, conversation, tls=tls) as (url, seen):
        client = client_of(url, max_retries=0)
        client.upload(PHOTO)
        is_idle.set()
        assert is_sent.wait(DEADLINE)
        client.upload(PHOTO)
        assert len(seen) == 2


def respond_early(response, end):
    """Return a conversation that responds during the upload of a body, and then calls ``end``."""

    def conversation(connection):
        read_request(connection, 1000)
        for start in range(0, len(response), 20):
            connection.sendall(response[start : start + 20])
            time.sleep(0.01)
        end(connection)

    return conversation


def stall(connection: socket.socket) -> None:
    """Keep the connection open without reading."""
    time.sleep(3 * SLOWNESS)


ENDS = {"stalls": stall, "reads on": wait_for_disconnect, "closes": lambda connection: None}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("interim", [b"", INTERIM])
def test_upload_with_early_response_raises_its_error(end, interim, tls):
    file = io.BytesIO(LARGE)
    # If a server closes immediately, its response may be lost with TLS. The client then retries.
    may_be_lost = tls and end == "closes"
    tries = 10 if may_be_lost else 3
    with server(*[respond_early(interim + TOO_LARGE, ENDS[end])] * tries, tls=tls) as (url, seen):
        with pytest.raises(UploadRejected, match="413") as caught:
            client_of(url, max_retries=tries - 1, max_retry_wait=0.1).upload(file)
        assert caught.value.status == 413
        assert len(seen) == 1 or may_be_lost
    assert file.tell() == 0


def test_upload_with_early_response_without_body_raises_its_error():
    head = b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\n"
    with server(respond_early(head, wait_for_disconnect)) as (url, _):
        with pytest.raises(UploadRejected, match="413"):
            client_of(url, timeout=ENDLESS, max_upload_time=4 * LIMIT).upload(LARGE)


def test_upload_with_temporary_early_response_retries_complete_body():
    bodies = []

    def read_and_succeed(connection):
        bodies.append(read_request(connection).partition(b"\r\n\r\n")[2])
        connection.sendall(upload_response(url).encode())

    busy = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    with server(respond_early(busy, wait_for_disconnect), read_and_succeed) as (url, seen):
        client_of(url, max_retry_wait=0.01).upload(LARGE)
        assert len(seen) == 2
    assert bodies == [LARGE]


def test_upload_after_early_response_uses_new_connection():
    with server(respond_early(TOO_LARGE, wait_for_disconnect), respond_with_success) as (url, seen):
        respond_with_success.url = url
        client = client_of(url)
        with pytest.raises(UploadRejected):
            client.upload(LARGE)
        client.upload(PHOTO)
        assert len(seen) == 2


def respond_with_success(connection):
    respond_with(upload_response(respond_with_success.url))(connection)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", ServiceUnavailable),
        (b"HTTP/1.1 1", ServiceUnavailable),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", UnexpectedResponse),
        (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", RateLimited),
        (b"HTTP/1.1 100 " + b"x" * 100_000, ServiceUnavailable),
    ],
)
def test_upload_with_malformed_early_response_raises(response, error):
    def conversation(connection):
        read_request(connection, 1000)
        connection.sendall(response)
        connection.shutdown(socket.SHUT_WR)
        wait_for_disconnect(connection)

    with server(conversation) as (url, _):
        with pytest.raises(error):
            client_of(url, max_retries=0).upload(LARGE)
