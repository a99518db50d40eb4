"""What ``max_upload_time`` limits, and responses that arrive before a body was sent."""

from __future__ import annotations

import io
import os
import socket
import ssl
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

from .servers import PHOTO, answering, client_of, received, reset, server, success, until_it_is_left
from .ways import SOON

pytestmark = pytest.mark.any_django

# More than what the two ends of a connection hold.
LARGE = PHOTO + bytes(20_000_000)

#: Seconds; far less than any other limit of these tests.
LIMIT = 0.5


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
def tls(request, authority, monkeypatch, tmp_path):
    """The TLS context of a server that the client trusts, or none for plain HTTP."""
    if request.param == "http":
        return None
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def drip(connection: socket.socket, data: bytes, seconds: float = 0.02) -> None:
    """Send a byte at a time, over and over, until the client leaves."""
    while True:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)


def slow_status_line(connection):
    received(connection)
    drip(connection, b"HTTP/1.1 200 O" + b"K" * 10_000)


def slow_headers(connection):
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(connection, b"X-Slow: 1\r\n")


def slow_body(connection):
    received(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    drip(connection, b" ")


def endless_continue(connection):
    received(connection)
    drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n", 0.005)


def endless_continue_before_the_body_is_read(connection):
    drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n", 0.005)


def body_taken_byte_by_byte(connection):
    for _ in range(400):
        connection.recv(1)
        time.sleep(0.005)


def body_taken_in_blocks(connection):
    for _ in range(40):
        connection.recv(4096)
        time.sleep(0.05)


def silent(connection):
    received(connection)
    until_it_is_left(connection)


def failing(connection):
    answering("HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")(connection)


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
def test_upload_to_a_slow_server_fails_after_max_upload_time(conversation, tls):
    file = io.BytesIO(LARGE)
    with server(*[conversation] * 50, tls=tls) as (url, _):
        client = client_of(
            url, timeout=30, max_upload_time=LIMIT, max_retries=1000, max_retry_wait=0.1
        )
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            client.upload(file)
        assert time.monotonic() - started < SOON
    assert (file.closed, file.tell()) == (False, 0)


def test_upload_fails_at_once_if_the_wait_for_a_retry_is_longer_than_max_upload_time():
    waits = []
    with server(*[failing] * 3) as (url, seen):
        client = client_of(
            url, max_upload_time=0.9, max_retries=5, wait=lambda *wait: waits.append(wait)
        )
        with pytest.raises(ServiceUnavailable, match="is not available: 503"):
            client.upload(PHOTO)
        assert (len(seen), waits) == (1, [])


def test_upload_stops_at_max_upload_time_although_each_retry_is_short():
    with server(*[reset] * 200) as (url, seen):
        client = client_of(url, max_upload_time=LIMIT, max_retries=1000, max_retry_wait=0.1)
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)
        assert 1 < len(seen) < 100


def test_second_upload_has_all_of_max_upload_time_again():
    def slow(connection):
        for _ in range(5):
            received(connection)
            time.sleep(0.5)
            connection.sendall(success(url).encode())

    with server(slow) as (url, _):
        client = client_of(url, max_upload_time=2)
        for _ in range(5):
            client.upload(PHOTO)


def test_download_is_not_limited_by_max_upload_time():
    def slow(connection):
        received(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            connection.sendall(b".")
            time.sleep(0.05)

    with server(slow) as (url, _):
        client = client_of(url, max_upload_time=0.1)
        assert client.download(f"{url}1x1.png.1").read(10) == b"." * 10


@pytest.fixture
def unreachable_addresses(monkeypatch):
    """A host name with four addresses, at none of which a connection is ever accepted."""
    with ExitStack() as stack:
        port, addresses = 0, [f"127.0.0.{number}" for number in (1, 2, 3, 4)]
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(2):  # fill the queue, after which Linux ignores connections
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect((address, port))
        look_up = socket.getaddrinfo

        def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
            hosts = addresses if host == "images.example" else [host]
            return [info for host in hosts for info in look_up(host, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield f"http://images.example:{port}/"


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="needs 127.0.0.2 and Linux's queues")
def test_upload_to_a_host_with_many_addresses_fails_after_max_upload_time(unreachable_addresses):
    client = client_of(unreachable_addresses, timeout=30, max_upload_time=LIMIT)
    started = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        client.upload(PHOTO)
    assert time.monotonic() - started < SOON


def test_upload_to_a_host_whose_first_address_refuses_uses_the_next(monkeypatch):
    look_up = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        hosts = ["::1", "127.0.0.1"] if host == "images.example" else [host]
        return [info for host in hosts for info in look_up(host, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with server(answering_later) as (url, seen):
        answering_later.url = named = url.replace("127.0.0.1", "images.example")
        client_of(named, max_retries=0, max_upload_time=30).upload(PHOTO)
        assert len(seen) == 1


def test_handshake_of_tls_that_is_slow_fails_after_max_upload_time(tls):
    with server(lambda connection: drip(connection, b"\x16\x03\x03")) as (url, _):
        client = client_of(url.replace("http:", "https:"), timeout=30, max_upload_time=LIMIT)
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)
        assert time.monotonic() - started < SOON


def slow_proxy(connection):
    received(connection)
    drip(connection, b"HTTP/1.1 200 O")


def test_proxy_that_is_slow_fails_after_max_upload_time(monkeypatch):
    with server(*[slow_proxy] * 10) as (url, _):
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        client = client_of("https://images.example/", timeout=30, max_upload_time=LIMIT)
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            client.upload(PHOTO)
        assert time.monotonic() - started < SOON


@pytest.mark.parametrize("conversation", [silent, slow_headers, body_taken_byte_by_byte])
def test_save_that_reaches_max_upload_time_is_in_the_fallback(conversation, settings, fallback):
    with server(*[conversation] * 5) as (url, _):
        storage = GroupMeStorage(
            upload_url=f"{url}pictures", cdn_url=url, timeout=30, max_upload_time=LIMIT
        )
        name = storage.save("cat.jpg", ContentFile(LARGE))
    with fallback.open(name) as file:
        assert file.read() == LARGE


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\ntoo large"


@pytest.mark.parametrize("status", [100, 102, 103, 199])
@pytest.mark.parametrize("early", [False, True])
def test_upload_skips_interim_responses(status, early, tls):
    interim = f"HTTP/1.1 {status} Wait\r\nX-A: b\r\n\r\n".encode()

    def conversation(connection):
        for _ in range(2):
            if early:
                connection.sendall(interim)
            received(connection)
            connection.sendall(interim * 3 + success(url).encode())

    with server(conversation, tls=tls) as (url, seen):
        client = client_of(url)
        client.upload(LARGE)
        client.upload(PHOTO)
        assert len(seen) == 1


def test_upload_after_too_many_interim_responses_fails():
    endless = answering(INTERIM * 10_000)
    with server(*[endless] * 3) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="too many interim responses"):
            client_of(url, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) == 3


def rejecting(response, end):
    """Responds after the beginning of a body, and then does something else."""

    def conversation(connection):
        received(connection, 1000)
        for start in range(0, len(response), 20):
            connection.sendall(response[start : start + 20])
            time.sleep(0.01)
        end(connection)

    return conversation


def stall(connection: socket.socket) -> None:
    """Neither read nor close."""
    time.sleep(3)


ENDS = {"stalls": stall, "reads on": until_it_is_left, "closes": lambda connection: None}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("interim", [b"", INTERIM])
def test_response_that_arrives_while_the_body_is_sent_is_the_result(end, interim, tls):
    file = io.BytesIO(LARGE)
    with server(*[rejecting(interim + TOO_LARGE, ENDS[end])] * 3, tls=tls) as (url, seen):
        with pytest.raises(UploadRejected, match="413") as caught:
            client_of(url, timeout=30).upload(file)
        assert caught.value.status == 413
        # If a server closes at once, TLS may lose its response, and then there is a retry.
        assert len(seen) == 1 or (tls and end == "closes")
    assert file.tell() == 0


def test_early_response_without_its_body_is_the_result_at_max_upload_time():
    head = b"HTTP/1.1 413 No\r\nContent-Length: 9\r\n\r\n"
    with server(rejecting(head, until_it_is_left)) as (url, _):
        with pytest.raises(UploadRejected, match="413"):
            client_of(url, timeout=30, max_upload_time=2).upload(LARGE)


def test_early_response_that_is_temporary_is_retried_with_the_whole_body():
    bodies = []

    def complete(connection):
        bodies.append(received(connection).partition(b"\r\n\r\n")[2])
        connection.sendall(success(url).encode())

    busy = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    with server(rejecting(busy, until_it_is_left), complete) as (url, seen):
        client_of(url, max_retry_wait=0.01).upload(LARGE)
        assert len(seen) == 2
    assert bodies == [LARGE]


def test_connection_with_an_early_response_is_not_used_again():
    with server(rejecting(TOO_LARGE, until_it_is_left), answering_later) as (url, seen):
        answering_later.url = url
        client = client_of(url)
        with pytest.raises(UploadRejected):
            client.upload(LARGE)
        client.upload(PHOTO)
        assert len(seen) == 2


def answering_later(connection):
    answering(success(answering_later.url))(connection)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", ServiceUnavailable),
        (b"HTTP/1.1 1", ServiceUnavailable),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", UnexpectedResponse),
        (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", RateLimited),
        (b"HTTP/1.1 100 " + b"x" * 100_000, ServiceUnavailable),
    ],
)
def test_early_bytes_that_are_no_ordinary_response_fail(response, kind):
    def conversation(connection):
        received(connection, 1000)
        connection.sendall(response)
        connection.shutdown(socket.SHUT_WR)
        until_it_is_left(connection)

    with server(conversation) as (url, _):
        with pytest.raises(kind):
            client_of(url, timeout=30, max_retries=0).upload(LARGE)
