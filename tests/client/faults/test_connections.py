"""Connections of the client: reuse, threads, child processes, proxies, and timeouts."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.client.session import new_adapter, new_session
from django_groupme_images.exceptions import ServiceUnavailable
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE

from .servers import PHOTO, client_of, read_request, respond_with, server, upload_response

pytestmark = pytest.mark.any_django


@pytest.fixture
def storage(emulator):
    return GroupMeStorage()


def upload_connections(emulator):
    """Return the connection number of each upload."""
    record = emulator.app.record.as_list()
    return [entry["connection"] for entry in record if entry["method"] == "POST"]


def test_uploads_of_twenty_threads_use_one_connection_per_thread(storage, emulator):
    barrier = threading.Barrier(20)

    def upload(number):
        barrier.wait()
        photo = pictures.plain("PNG", size=(number + 1, 7))
        names = [storage.save(f"{number}.png", ContentFile(photo)) for _ in range(3)]
        for name in names:
            with storage.open(name) as file:
                assert file.read() == photo
        return names

    with ThreadPoolExecutor(20) as pool:
        names = [name for names in pool.map(upload, range(20)) for name in names]
    assert len(set(names)) == 60
    assert Counter(upload_connections(emulator)).most_common() == [
        (number, 3) for number in dict.fromkeys(upload_connections(emulator))
    ]
    assert len(set(upload_connections(emulator))) == 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_upload_in_child_process_uses_new_connection(storage, emulator):
    storage.save("cat.jpg", ContentFile(PHOTO))
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            status = 1
            try:
                storage.save("cat.jpg", ContentFile(PHOTO))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    storage.save("cat.jpg", ContentFile(PHOTO))
    first, *middle, last = upload_connections(emulator)
    assert first == last
    assert len({first, *middle}) == 4


def test_upload_after_connection_was_closed_opens_another():
    closed = threading.Event()

    def respond_once(connection):
        respond_with(upload_response(url))(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with server(*[respond_once] * 20) as (url, seen):
        client = client_of(url, max_retries=0)
        for _ in range(20):
            client.upload(PHOTO)
            assert closed.wait(DEADLINE)
            closed.clear()
        assert len(seen) == 20


@pytest.mark.parametrize("retries", [0, 1])
def test_upload_on_connection_closed_without_response_needs_retry(retries):
    def respond_once(connection):
        respond_with(upload_response(url))(connection)
        read_request(connection)

    with server(respond_once, respond_once) as (url, seen):
        client = client_of(url, max_retries=retries, max_retry_wait=0.01)
        client.upload(PHOTO)
        if retries:
            client.upload(PHOTO)
        else:
            with pytest.raises(ServiceUnavailable, match="Remote end closed connection"):
                client.upload(PHOTO)
        assert len(seen) == 1 + retries


def test_upload_after_rejected_upload_reuses_connection():
    def reject_and_succeed(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")
        respond_with(upload_response(url))(connection)

    with server(reject_and_succeed) as (url, seen):
        client = client_of(url)
        with pytest.raises(Exception, match=r"rejected the image \(HTTP 400\): no"):
            client.upload(PHOTO)
        client.upload(PHOTO)
        assert len(seen) == 1


@pytest.mark.usefixtures("clean_environment")
def test_upload_with_http_proxy_variable_uses_proxy(monkeypatch):
    proxied = []

    def proxy(connection):
        for _ in range(3):
            proxied.append(read_request(connection))
            connection.sendall(upload_response("http://image.example/").encode())

    with server(proxy) as (url, _):
        monkeypatch.setenv("http_proxy", url)
        client = client_of("http://image.example/")
        for _ in range(3):
            client.upload(PHOTO)
    assert len(proxied) == 3
    for request in proxied:
        assert request.startswith(b"POST http://image.example/pictures HTTP/1.1\r\n")
        assert request.endswith(PHOTO)


@pytest.mark.usefixtures("clean_environment")
def test_upload_with_socks_proxy_variable_uses_proxy(monkeypatch):
    def proxy(connection):
        connection.recv(10)  # This is the greeting.
        connection.sendall(b"\x05\x00")
        assert b"image.example" in connection.recv(100)  # The proxy resolves the name.
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        proxied.append(read_request(connection))
        connection.sendall(upload_response("http://image.example/").encode())

    proxied = []
    with server(proxy) as (url, _):
        monkeypatch.setenv("http_proxy", url.replace("http:", "socks5h:"))
        client_of("http://image.example/", max_upload_time=DEADLINE).upload(PHOTO)
    assert proxied[0].endswith(PHOTO)


@pytest.mark.usefixtures("clean_environment")
def test_session_with_changed_environment_uses_first_value_per_host(monkeypatch):
    session = new_session(new_adapter(0, 1, 1, None))

    def settings_for(url, verify=None):
        return session.merge_environment_settings(url, {}, True, verify, None)

    monkeypatch.setenv("http_proxy", "http://proxy.example")
    monkeypatch.setenv("no_proxy", "direct.example")
    assert settings_for("http://far.example/a")["proxies"]["http"] == "http://proxy.example"
    assert not settings_for("http://direct.example/a")["proxies"].get("http")
    monkeypatch.setenv("http_proxy", "http://other.example")
    assert settings_for("http://far.example/b")["proxies"]["http"] == "http://proxy.example"
    assert settings_for("http://new.example/b")["proxies"]["http"] == "http://other.example"
    # The arguments of one call must not affect the next one.
    assert settings_for("http://far.example/c", verify=False)["verify"] is False
    assert settings_for("http://far.example/c")["verify"] is True
    assert settings_for("http://far.example/c")["stream"] is True


@pytest.mark.parametrize("is_reused", [False, True])
def test_upload_over_slow_connection_is_limited_by_read_timeout(is_reused):
    body = PHOTO + bytes(8_000_000)  # This is more than the socket buffers hold.

    def read_slowly(connection):
        if is_reused:
            read_request(connection)
            connection.sendall(upload_response(url).encode())
        _, _, read = read_request(connection, max_size=1000).partition(b"\r\n\r\n")
        time.sleep(1)
        read_request(connection, max_size=len(body) - len(read))
        connection.sendall(upload_response(url).encode())

    with server(read_slowly) as (url, seen):
        client = client_of(url, timeout=(0.3, DEADLINE), max_retries=0)
        if is_reused:
            client.upload(PHOTO)
        client.upload(body)
        assert len(seen) == 1


def test_upload_to_server_that_stops_reading_times_out():
    def stop_reading(connection):
        read_request(connection, max_size=1000)
        finished.wait(DEADLINE)

    finished = threading.Event()
    with server(stop_reading) as (url, _):
        client = client_of(url, timeout=(DEADLINE, 0.3), max_retries=0)
        with pytest.raises(ServiceUnavailable, match="did not respond in time"):
            client.upload(PHOTO + bytes(8_000_000))
        finished.set()
