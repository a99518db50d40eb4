"""Downloads that fail or are slow, through the files that the storage opens."""

from __future__ import annotations

import gzip

import pytest

from django_groupme_images.exceptions import ServiceUnavailable, UnexpectedResponse
from django_groupme_images.storage import GroupMeStorage
from tests.support.memory import peak_memory

from .failures import TIMEOUT, respond_slowly
from .servers import PHOTO, read_request, respond_with, server, wait_for_disconnect

pytestmark = pytest.mark.any_django

OK = b"HTTP/1.1 200 OK\r\n"


def storage_of(url, **options):
    return GroupMeStorage(upload_url=f"{url}pictures", cdn_url=url, **options)


def open_image(url, **options):
    return storage_of(url, **options).open(f"{url}1x1.png.123456789")


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (
            OK + b"Content-Length: 9999\r\n\r\n" + PHOTO,
            ServiceUnavailable,
            "did not send a complete response",
        ),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nab",
            ServiceUnavailable,
            "did not send a complete response",
        ),
        (
            OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
            UnexpectedResponse,
            "unreadable response: Error -3",
        ),
    ],
    ids=["truncated", "truncated chunk", "invalid gzip"],
)
def test_read_of_malformed_response_raises(response, error, message):
    with server(respond_with(response)) as (url, seen):
        file = open_image(url)
        with pytest.raises(error, match=rf"^127\.0\.0\.1:\d+ .*{message}") as caught:
            file.read()
        assert type(caught.value) is error
        file.close()
        assert len(seen) == 1


def test_read_after_truncated_download_and_seek_downloads_again():
    truncated = OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO[:-100]
    complete = OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO
    responses = [respond_with(truncated), respond_with(truncated), respond_with(complete)]
    with server(*responses) as (url, seen):
        with open_image(url) as file:
            for _ in range(2):
                with pytest.raises(ServiceUnavailable):
                    file.read()
                file.seek(0)
            assert file.read() == PHOTO
            assert len(seen) == 3


def test_read_after_failed_download_raises():
    photo = bytes(range(256)) * 200
    head = OK + b"Content-Length: %d\r\n\r\n" % len(photo)
    with server(respond_with(head + photo[:-20_000]), respond_with(head + photo)) as (url, seen):
        with open_image(url) as file:
            assert file.read(100) == photo[:100]
            for _ in range(3):
                with pytest.raises(ServiceUnavailable, match="did not send a complete response"):
                    file.read()
            assert len(seen) == 1
            assert file.open().read() == photo
            assert len(seen) == 2


def test_read_after_full_disk_and_seek_returns_complete_content(monkeypatch):
    photo = bytes(range(256)) * 200
    # The server closes the connection. Without the header, the client could reuse it before.
    head = OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(photo)
    complete = respond_with(head + photo)
    with server(complete, complete) as (url, _), open_image(url) as file:
        buffer = file.file.raw._buffer
        with monkeypatch.context() as full_disk:
            full_disk.setattr(buffer, "write", lambda data: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                file.read()
        file.seek(0)
        assert file.read() == photo


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Length: many\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: \xb2\r\n",
        b"Content-Length: %d, %d\r\n" % (len(PHOTO), len(PHOTO)),
    ],
)
def test_read_without_valid_content_length_returns_content(head):
    response = respond_with(OK + head + b"\r\n" + PHOTO)
    with server(response, response) as (url, _):
        with open_image(url) as file:
            assert file.read() == PHOTO
        if b"," not in head:
            with pytest.raises(UnexpectedResponse, match="returned no Content-Length"):
                storage_of(url).size(f"{url}1x1.png.123456789")


def test_read_with_contradictory_content_lengths_raises():
    response = OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + PHOTO
    with server(respond_with(response)) as (url, _), open_image(url) as file:
        with pytest.raises(UnexpectedResponse, match="multiple unmatching values"):
            file.read()


def test_read_of_response_longer_than_content_length_discards_rest():
    complete = respond_with(OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO)

    def respond_with_extra_bytes(connection):
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 5\r\n\r\nabcdeHTTP/1.1 404 No\r\n\r\n")
        complete(connection)

    with server(respond_with_extra_bytes, complete) as (url, _):
        storage = storage_of(url, max_retries=0)
        with storage.open(f"{url}1x1.png.123456789") as file:
            assert file.read() == b"abcde"
        with storage.open(f"{url}1x1.png.123456789") as file:
            assert file.read() == PHOTO


@pytest.mark.parametrize("received_size", [0, 10])
def test_read_from_silent_cdn_times_out(received_size):
    def stop_sending(connection):
        respond_with(OK + b"Content-Length: 100\r\n\r\n" + PHOTO[:received_size])(connection)
        wait_for_disconnect(connection)

    with server(stop_sending) as (url, seen), open_image(url, timeout=TIMEOUT) as file:
        with pytest.raises(ServiceUnavailable, match="did not respond in time: timed out"):
            file.read()
        assert len(seen) == 1


def test_read_of_slow_response_returns_content():
    slow = respond_slowly("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", seconds=2 * TIMEOUT)
    with server(slow) as (url, _), open_image(url) as file:
        assert file.read() == b"    "


def test_read_of_gzip_bomb_uses_little_memory():
    bomb = gzip.compress(bytes(100_000_000))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with server(respond_with(head + bomb)) as (url, _), open_image(url) as file:
        assert file.read(1) == b"\0"  # The first request imports modules, which must not count.
        with peak_memory() as peak:
            assert len(file.read(1_000_000)) == 1_000_000
    assert peak() < 20_000_000


def test_read_of_first_bytes_does_not_download_complete_image():
    sent = []

    def send_endlessly(connection):
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 1000000000\r\n\r\n")
        while True:
            sent.append(connection.send(bytes(100_000)))

    with server(send_endlessly) as (url, _), open_image(url) as file:
        assert len(file.read(1000)) == 1000
    assert sum(sent) < 20_000_000
