"""What goes wrong while a picture is fetched, as whoever opens it through the storage sees it."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import pytest

from django_groupme_images.exceptions import ServiceUnavailable, UnexpectedResponse
from django_groupme_images.storage import GroupMeStorage

from .servers import PHOTO, answering, received, server, until_it_is_left
from .ways import SOON, TIMEOUT, dripping

pytestmark = pytest.mark.any_django

OK = b"HTTP/1.1 200 OK\r\n"


def storage_of(url, **options):
    return GroupMeStorage(upload_url=f"{url}pictures", cdn_url=url, **options)


def opened(url, **options):
    return storage_of(url, **options).open(f"{url}1x1.png.123456789")


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (OK + b"Content-Length: 9999\r\n\r\n" + PHOTO, ServiceUnavailable, "broke off its answer"),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nab",
            ServiceUnavailable,
            "broke off its answer",
        ),
        (
            OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
            UnexpectedResponse,
            "cannot be read: Error -3",
        ),
    ],
    ids=["cut off", "cut off in a chunk", "no gzip"],
)
def test_a_picture_that_is_not_whole(answer, kind, message):
    with server(answering(answer)) as (url, seen):
        file = opened(url)
        with pytest.raises(kind, match=rf"^127\.0\.0\.1:\d+ .*{message}") as caught:
            file.read()
        assert type(caught.value) is kind
        file.close()
        assert len(seen) == 1


def test_a_picture_that_was_cut_off_is_fetched_anew():
    half = OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO[:-100]
    whole = OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO
    with server(answering(half), answering(half), answering(whole)) as (url, seen):
        with opened(url) as file:
            for _ in range(2):
                with pytest.raises(ServiceUnavailable):
                    file.read()
                file.seek(0)
            assert file.read() == PHOTO
            assert len(seen) == 3


def test_whoever_reads_on_after_a_failure_gets_no_picture_with_a_hole():
    photo = bytes(range(256)) * 200
    head = OK + b"Content-Length: %d\r\n\r\n" % len(photo)
    with server(answering(head + photo[:-20_000]), answering(head + photo)) as (url, seen):
        with opened(url) as file:
            assert file.read(100) == photo[:100]
            for _ in range(3):
                with pytest.raises(ServiceUnavailable, match="broke off its answer"):
                    file.read()
            assert len(seen) == 1
            assert file.open().read() == photo
            assert len(seen) == 2


def test_a_disk_that_is_full_leaves_no_hole_either(monkeypatch):
    photo = bytes(range(256)) * 200
    whole = answering(OK + b"Content-Length: %d\r\n\r\n" % len(photo) + photo)
    with server(whole, whole) as (url, _), opened(url) as file:
        kept = file.file.raw._kept
        with monkeypatch.context() as full:
            full.setattr(kept, "write", lambda data: 1 / 0)
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
def test_a_length_that_says_nothing(head):
    closed_at_its_end = answering(OK + head + b"\r\n" + PHOTO)
    with server(closed_at_its_end, closed_at_its_end) as (url, _):
        with opened(url) as file:
            assert file.read() == PHOTO
        if b"," not in head:
            with pytest.raises(UnexpectedResponse, match="did not say how large"):
                storage_of(url).size(f"{url}1x1.png.123456789")


def test_lengths_that_contradict_each_other():
    answer = OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n" + PHOTO
    with server(answering(answer)) as (url, _), opened(url) as file:
        with pytest.raises(UnexpectedResponse, match="multiple unmatching values"):
            file.read()


def test_more_than_the_length_says_goes_to_nobody():
    whole = answering(OK + b"Content-Length: %d\r\n\r\n" % len(PHOTO) + PHOTO)

    def longer(connection):
        received(connection)
        connection.sendall(OK + b"Content-Length: 5\r\n\r\nabcdeHTTP/1.1 404 No\r\n\r\n")
        whole(connection)

    with server(longer, whole) as (url, _):
        storage = storage_of(url, max_retries=0)
        with storage.open(f"{url}1x1.png.123456789") as file:
            assert file.read() == b"abcde"
        with storage.open(f"{url}1x1.png.123456789") as file:
            assert file.read() == PHOTO


@pytest.mark.parametrize("before", [0, 10])
def test_a_cdn_that_falls_silent(before):
    def silent(connection):
        answering(OK + b"Content-Length: 100\r\n\r\n" + PHOTO[:before])(connection)
        until_it_is_left(connection)

    with server(silent) as (url, seen), opened(url, timeout=TIMEOUT) as file:
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="did not answer in time: timed out"):
            file.read()
        assert time.monotonic() - started < SOON
        assert len(seen) == 1


def test_a_picture_that_drips_is_waited_for():
    drip = dripping("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", seconds=2 * TIMEOUT)
    with server(drip) as (url, _), opened(url) as file:
        assert file.read() == b"    "


def test_a_bomb_is_unpacked_no_further_than_it_is_read():
    bomb = gzip.compress(bytes(100_000_000))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with server(answering(head + bomb)) as (url, _), opened(url) as file:
        assert file.read(1) == b"\0"  # what is imported by the first request does not count
        tracemalloc.start()
        try:
            assert len(file.read(1_000_000)) == 1_000_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 20_000_000


def test_only_what_is_read_of_a_large_picture_is_fetched():
    sent = []

    def endless(connection):
        received(connection)
        connection.sendall(OK + b"Content-Length: 1000000000\r\n\r\n")
        while True:
            sent.append(connection.send(bytes(100_000)))

    with server(endless) as (url, _), opened(url) as file:
        assert len(file.read(1000)) == 1000
    assert sum(sent) < 20_000_000
