"""Tests of the emulator's server: connections, start, and stop."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from django_groupme_images.emulator import CannotStart, EmulatorServer
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE, TEST_DEADLINE, wait_until
from tests.support.emulator_requests import MEGABYTE

pytestmark = pytest.mark.any_django

MODULE = "django_groupme_images.emulator"


def connected(server: EmulatorServer) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE))


def test_connection_after_any_response_is_kept_alive(server: EmulatorServer) -> None:
    own_ports = set()
    with connected(server) as connection:
        for method, path in [
            ("POST", "/pictures?token=t"),
            ("POST", "/pictures"),
            ("HEAD", "/cat"),
            ("GET", "/cat"),
        ]:
            connection.request(method, path, pictures.plain())
            own_ports.add(connection.sock.getsockname())
            response = connection.getresponse()
            response.read()
            assert not response.will_close
    assert len(own_ports) == 1


def test_request_with_connection_close_is_closed(server: EmulatorServer) -> None:
    with connected(server) as connection:
        connection.request("POST", "/pictures", pictures.plain(), {"Connection": "close"})
        with connection.getresponse() as response:
            assert response.status == 401
            assert response.headers["Connection"] == "close"


def test_http_1_0_request_is_closed(server: EmulatorServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(b"GET /cat HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"\r\nConnection: close\r\n" in response


@pytest.mark.parametrize("request_line", [b"BREW /cat HTTP/1.1", b"token=secret", b"\x16\x03\x01"])
def test_invalid_request_line_is_rejected_without_output(
    server: EmulatorServer, request_line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 (400|501) ", connection.recv(65536))
    assert capfd.readouterr() == ("", "")


def test_client_that_disconnects_causes_no_output(
    server: EmulatorServer, capfd: Any, caplog: Any
) -> None:
    for request in (
        b"",
        b"GET / HT",
        b"POST /pictures?token=t HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
        connection.sendall(request)
        # With this option, closing resets the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    assert requests.get(server.cdn_url, timeout=DEADLINE).status_code == 403
    server._listener.handle_error()
    assert "Internal error of the emulator" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_rejected_upload_with_large_body_keeps_connection_alive(server: EmulatorServer) -> None:
    with connected(server) as connection:
        connection.request("POST", "/pictures", bytes(5 * MEGABYTE))
        assert connection.getresponse().read()
        connection.request("GET", "/cat")
        with connection.getresponse() as response:
            assert response.status == 403


def test_rejected_endless_body_closes_connection(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}.handler._LINGER_TIMEOUT", 0.05)
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(b"POST /pictures HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert connection.recv(65536) == b""


def test_stop_closes_idle_connections(recwarn: pytest.WarningsRecorder) -> None:
    threads = threading.active_count()
    with requests.Session() as session:
        with EmulatorServer() as server:
            session.get(server.cdn_url, timeout=DEADLINE)
            idle = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
            # A connection that is not accepted yet would be reset instead of closed.
            wait_until(lambda: len(server._listener._connections) == 2)
            session.get(server.cdn_url, timeout=DEADLINE)
        with idle:
            assert idle.recv(1) == b""
        with pytest.raises(requests.ConnectionError):
            session.get(server.cdn_url, timeout=DEADLINE)
    wait_until(lambda: threading.active_count() <= threads)
    assert list(recwarn) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does not wait")
def test_stop_does_not_wait_for_poll_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.server._POLL_INTERVAL", 2 * TEST_DEADLINE)
    with EmulatorServer() as server:
        assert requests.get(server.cdn_url, timeout=DEADLINE).status_code == 403


def test_start_after_stop_serves_again() -> None:
    server = EmulatorServer()
    for _ in range(2):
        with server:
            assert requests.get(server.cdn_url, timeout=DEADLINE).status_code == 403


def test_start_of_running_server_raises(server: EmulatorServer) -> None:
    store = server.store
    with pytest.raises(RuntimeError, match="already running"):
        server.start()
    assert server.store is store
    assert requests.get(server.cdn_url, timeout=DEADLINE).status_code == 403


def test_stop_of_stopped_server_does_nothing() -> None:
    server = EmulatorServer()
    server.stop()
    with server:
        pass
    server.stop()


@pytest.mark.parametrize("option", ["token", "directory"])
def test_server_with_empty_option_raises(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must not be empty"):
        EmulatorServer(**{option: ""})


def test_stop_with_blocked_thread_returns_after_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.server._STOP_TIMEOUT", 0.05)
    logging, resume = threading.Event(), threading.Event()
    blocked: list[threading.Thread] = []

    def log(_: str) -> None:
        blocked.append(threading.current_thread())
        logging.set()
        resume.wait(DEADLINE)

    with EmulatorServer(log=log) as server, connected(server) as connection:
        connection.request("GET", "/cat")
        assert logging.wait(DEADLINE)
        server.stop()
        assert blocked[0].is_alive()
    resume.set()
    blocked[0].join(DEADLINE)
    assert not blocked[0].is_alive()


def test_start_on_busy_port_raises(server: EmulatorServer, tmp_path: Path) -> None:
    message = f"cannot listen on 127.0.0.1 port {server.port}: {os.strerror(errno.EADDRINUSE)}"
    busy = EmulatorServer(port=server.port, directory=tmp_path / "pictures")
    with pytest.raises(CannotStart, match=re.escape(message)):
        busy.start()
    assert list(tmp_path.iterdir()) == []
    assert not hasattr(busy, "store")


def test_start_on_unknown_host_raises() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on host\.invalid port 0: "):
        EmulatorServer(host="host.invalid").start()


def test_start_with_file_as_directory_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"cannot use .*file: "):
        EmulatorServer(directory=tmp_path / "file").start()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:"),
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
def test_server_on_each_host_returns_its_urls(host: str, url: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("IPv6 is not available")
    with EmulatorServer(host=host) as server:
        assert server.url.startswith(url)
        response = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=DEADLINE)
        assert response.json()["payload"]["url"].startswith(server.cdn_url)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
