"""Tests of malformed requests, HTTP/0.9, and chunked bodies on sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_groupme_images.emulator import Assumptions, EmulatorServer, bodies
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.emulator_requests import exchange

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTO = pictures.plain()


@pytest.fixture
def server(shared_server: EmulatorServer) -> EmulatorServer:
    return shared_server


@pytest.fixture(scope="module")
def chunked_server() -> Iterator[EmulatorServer]:
    with EmulatorServer(assumptions=Assumptions(accepts_chunked_bodies=True)) as server:
        yield server


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /\r\n",
        b"GET /\n",
        b"GET /_emulator/requests\r\n",
        b"GET /pictures?token=secret\r\n",
        b"POST /pictures\r\n",
        b"GET /\r\n\r\n",
        b"GET /\r\nHost: localhost\r\n\r\n",
        b"\xa0 GET /\r\n",
        b"GET / HTTP/0.9\r\n",
        b"GET / HTTP/0.8\r\n\r\n",
        b"GET / x HTTP/0.9\r\n",
    ],
)
def test_http_0_9_request_is_rejected_immediately(
    server: EmulatorServer, request_line: bytes, capfd: Any, caplog: Any
) -> None:
    # The client keeps its side of the connection open while it waits for the response.
    response = exchange(server, request_line)
    assert response.startswith(b"HTTP/1.1 400 HTTP/0.9 is not supported\r\n")
    assert b"\r\nConnection: close\r\n" in response
    assert b"secret" not in response
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET\r\n", 400),
        (b"GET / HTTP/1.1 HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbroken\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbro ken: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n", 431),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"x" * 5_000_000, 414),
        (b"BREW /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (b"POST /pictures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (
            b"POST /pictures HTTP/1.1\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            501,
        ),
        (b"POST /pictures HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (
            b"POST /pictures HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ],
)
def test_malformed_head_is_rejected(
    server: EmulatorServer, head: bytes, status: int, capfd: Any, caplog: Any
) -> None:
    response = exchange(server, head)
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in response
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_form_without_content_length_is_not_malformed(server: EmulatorServer) -> None:
    # Python's parser reports defects of the missing multipart body, which must be ignored.
    head = b"POST /pictures HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    response = exchange(server, head + b"Content-Type: multipart/form-data\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 411 ")


def test_empty_lines_before_a_request_are_ignored(server: EmulatorServer) -> None:
    request = b"\r\n\n  \r\nGET /cat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(server, request).startswith(b"HTTP/1.1 403 ")
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@pytest.mark.skipif(not socket.has_ipv6, reason="IPv6 is not available")
def test_url_without_host_header_contains_ipv6_address() -> None:
    with EmulatorServer(host="::1") as server:
        with socket.create_connection(("::1", server.port), timeout=DEADLINE) as connection:
            head = f"POST /pictures?token=t HTTP/1.0\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
            connection.sendall(head.encode() + PHOTO)
            response = b"".join(iter(lambda: connection.recv(65536), b""))
        assert f'"http://[::1]:{server.port}/48x32.'.encode() in response


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post(server: EmulatorServer, body: bytes, *lines: str) -> bytes:
    head = ["POST /pictures?token=t HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"]
    return exchange(server, "\r\n".join([*head, *lines, "", ""]).encode() + body)


@pytest.mark.parametrize(
    "body",
    [
        chunks(PHOTO),
        chunks(*(PHOTO[n : n + 1] for n in range(len(PHOTO)))),
        chunks(PHOTO[:100], PHOTO[100:]),
        b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(PHOTO), PHOTO),
        b"%08X ; x\r\n%s\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n" % (len(PHOTO), PHOTO),
        chunks(PHOTO) + b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_chunked_body_is_accepted_if_assumed(chunked_server: EmulatorServer, body: bytes) -> None:
    response = post(chunked_server, body)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert response.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in response
    name = response.partition(b"localhost/")[2].partition(b'"')[0].decode()
    assert requests.get(chunked_server.url + name, timeout=DEADLINE).content == PHOTO
    entry = chunked_server.app.record.as_list()[-2]
    assert entry["body_bytes"] == len(PHOTO)


def test_chunked_body_from_requests_library_is_accepted_if_assumed(
    chunked_server: EmulatorServer,
) -> None:
    headers = {"X-Access-Token": "t"}
    blocks = iter([PHOTO[:50], PHOTO[50:]])
    response = requests.post(chunked_server.upload_url, blocks, headers=headers, timeout=DEADLINE)
    assert response.status_code == 200


def test_chunked_form_is_accepted_if_assumed(chunked_server: EmulatorServer) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nt\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        + PHOTO
        + b"\r\n--b--\r\n"
    )
    head = (
        b"POST /pictures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    assert exchange(chunked_server, head + chunks(form)).startswith(b"HTTP/1.1 200 ")


def test_chunked_body_with_expect_header_gets_100_continue(chunked_server: EmulatorServer) -> None:
    head = (
        b"POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(
        ("127.0.0.1", chunked_server.port), timeout=DEADLINE
    ) as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(chunks(PHOTO))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "too long or incomplete"),
        (b"5\r\n", "before its last chunk"),
        (b"5\r\nab", "before its last chunk"),
        (b"5\r\nabcde", "too long or incomplete"),
        (b"5\r\nabcde\r\n", "too long or incomplete"),
        (b"5\r\nabcdef\r\n0\r\n\r\n", "longer than its length"),
        (b"5\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"0x5\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"-5\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"+5\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"5_0\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b" 5\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"5 x\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"\r\n\r\n", "does not begin with its length"),
        (b"000000005\r\nabcde\r\n0\r\n\r\n", "does not begin with its length"),
        (b"5;" + b"x" * 5000 + b"\r\nabcde\r\n0\r\n\r\n", "too long or incomplete"),
        (b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n", "more than 100 trailers"),
        (b"0\r\n\r\n", "the body is empty"),
    ],
)
def test_malformed_chunks_are_rejected(
    chunked_server: EmulatorServer, body: bytes, message: str, caplog: Any
) -> None:
    head = (
        b"POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(
        ("127.0.0.1", chunked_server.port), timeout=DEADLINE
    ) as connection:
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 400 ")
    assert message in response.decode()
    assert caplog.text == ""
    assert list((chunked_server.store.directory / ".incoming").iterdir()) == []


def test_chunked_body_over_the_limit_is_rejected(
    chunked_server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_MAX_CHUNKED_BODY", 100)
    response = post(chunked_server, chunks(b"x" * 60, b"x" * 41))
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"the body has more than 100 bytes" in response
    assert post(chunked_server, b"ffffffff\r\n").startswith(b"HTTP/1.1 413 ")


def test_fault_in_chunked_body_is_added(chunked_server: EmulatorServer) -> None:
    fault = {"kind": "status", "status": 500}
    blocks = iter([str(fault).replace("'", '"').encode()])
    url = f"{chunked_server.url}_emulator/faults"
    assert requests.post(url, blocks, timeout=DEADLINE).status_code == 200
    assert post(chunked_server, chunks(PHOTO)).startswith(b"HTTP/1.1 500 ")
    assert chunked_server.app.record.as_list()[-1]["body_bytes"] == len(PHOTO)
