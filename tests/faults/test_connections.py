"""Connections that are kept open, by many threads, by child processes, and closed by the server."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import ServiceUnavailable
from django_groupme_images.sessions import new_adapter, new_session
from django_groupme_images.storage import GroupMeStorage

from .. import emulator_pictures as pictures
from .servers import PHOTO, answering, client_of, received, server, success

pytestmark = pytest.mark.any_django


@pytest.fixture
def storage(emulator):
    return GroupMeStorage()


def connections(emulator, method="POST"):
    record = emulator.app.record.as_list()
    return [entry["connection"] for entry in record if entry["method"] == method]


def test_twenty_threads_upload_through_one_storage(storage, emulator):
    together = threading.Barrier(20)

    def upload(number):
        together.wait()
        photo = pictures.plain("PNG", size=(number + 1, 7))
        names = [storage.save(f"{number}.png", ContentFile(photo)) for _ in range(3)]
        for name in names:
            with storage.open(name) as file:
                assert file.read() == photo
        return names

    with ThreadPoolExecutor(20) as pool:
        names = [name for names in pool.map(upload, range(20)) for name in names]
    assert len(set(names)) == 60
    assert Counter(connections(emulator)).most_common() == [
        (number, 3) for number in dict.fromkeys(connections(emulator))
    ]
    assert len(set(connections(emulator))) == 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_child_process_uploads_on_a_connection_of_its_own(storage, emulator):
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
    first, *middle, last = connections(emulator)
    assert first == last
    assert len({first, *middle}) == 4


def test_a_server_that_closes_the_connection_after_each_answer():
    ended = threading.Event()

    def once(connection):
        answering(success(url))(connection)
        connection.shutdown(socket.SHUT_RDWR)
        ended.set()

    with server(*[once] * 20) as (url, seen):
        client = client_of(url, max_retries=0)
        for _ in range(20):
            client.upload(PHOTO)
            assert ended.wait(30)
            ended.clear()
        assert len(seen) == 20


@pytest.mark.parametrize("retries", [0, 1])
def test_a_server_that_closes_a_kept_connection_instead_of_answering(retries):
    def once(connection):
        answering(success(url))(connection)
        received(connection)

    with server(once, once) as (url, seen):
        client = client_of(url, max_retries=retries, max_retry_wait=0.01)
        client.upload(PHOTO)
        if retries:
            client.upload(PHOTO)
        else:
            with pytest.raises(ServiceUnavailable, match="Remote end closed connection"):
                client.upload(PHOTO)
        assert len(seen) == 1 + retries


def test_a_failed_upload_does_not_cost_the_next_one_its_connection():
    def both(connection):
        received(connection)
        connection.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno")
        answering(success(url))(connection)

    with server(both) as (url, seen):
        client = client_of(url)
        with pytest.raises(Exception, match="refused the picture: 400 no"):
            client.upload(PHOTO)
        client.upload(PHOTO)
        assert len(seen) == 1


@pytest.fixture
def bare_environment(monkeypatch):
    for name in ("http_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("bare_environment")
def test_a_proxy_that_the_environment_names(monkeypatch):
    asked = []

    def proxy(connection):
        for _ in range(3):
            asked.append(received(connection))
            connection.sendall(success("http://image.example/").encode())

    with server(proxy) as (url, _):
        monkeypatch.setenv("http_proxy", url)
        client = client_of("http://image.example/")
        for _ in range(3):
            client.upload(PHOTO)
    assert len(asked) == 3
    for request in asked:
        assert request.startswith(b"POST http://image.example/pictures HTTP/1.1\r\n")
        assert request.endswith(PHOTO)


@pytest.mark.usefixtures("bare_environment")
def test_upload_through_a_socks_proxy(monkeypatch):
    def proxy(connection):
        connection.recv(10)  # the greeting
        connection.sendall(b"\x05\x00")
        assert b"image.example" in connection.recv(100)  # resolved by the proxy
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        asked.append(received(connection))
        connection.sendall(success("http://image.example/").encode())

    asked = []
    with server(proxy) as (url, _):
        monkeypatch.setenv("http_proxy", url.replace("http:", "socks5h:"))
        client_of("http://image.example/", max_upload_time=30).upload(PHOTO)
    assert asked[0].endswith(PHOTO)


@pytest.mark.usefixtures("bare_environment")
def test_the_environment_is_asked_once_for_each_host(monkeypatch):
    session = new_session(new_adapter(0, 1, 1, None))

    def of(url, verify=None):
        return session.merge_environment_settings(url, {}, True, verify, None)

    monkeypatch.setenv("http_proxy", "http://proxy.example")
    monkeypatch.setenv("no_proxy", "near.example")
    assert of("http://far.example/a")["proxies"]["http"] == "http://proxy.example"
    assert not of("http://near.example/a")["proxies"].get("http")
    monkeypatch.setenv("http_proxy", "http://other.example")
    assert of("http://far.example/b")["proxies"]["http"] == "http://proxy.example"
    assert of("http://new.example/b")["proxies"]["http"] == "http://other.example"
    # What one call asks for is not what the next one gets.
    assert of("http://far.example/c", verify=False)["verify"] is False
    assert of("http://far.example/c")["verify"] is True
    assert of("http://far.example/c")["stream"] is True


@pytest.mark.parametrize("kept", [False, True])
def test_a_line_that_is_slow(kept):
    """A piece may take as long as an answer, and not only as long as to connect."""
    body = PHOTO + bytes(8_000_000)  # more than the system takes into its hands

    def slow(connection):
        if kept:
            received(connection)
            connection.sendall(success(url).encode())
        _, _, begun = received(connection, most=1000).partition(b"\r\n\r\n")
        time.sleep(1)
        received(connection, most=len(body) - len(begun))
        connection.sendall(success(url).encode())

    with server(slow) as (url, seen):
        client = client_of(url, timeout=(0.3, 20), max_retries=0)
        if kept:
            client.upload(PHOTO)
        client.upload(body)
        assert len(seen) == 1


def test_a_server_that_takes_nothing_more():
    def stuck(connection):
        received(connection, most=1000)
        until.wait(20)

    until = threading.Event()
    with server(stuck) as (url, _):
        client = client_of(url, timeout=(20, 0.3), max_retries=0)
        with pytest.raises(ServiceUnavailable, match="did not answer in time"):
            client.upload(PHOTO + bytes(8_000_000))
        until.set()
