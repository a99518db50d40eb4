"""Each status that an upload, or the CDN, may be answered with, and each kind of body with it."""

from __future__ import annotations

import io
import time
from email.utils import formatdate
from http import HTTPStatus

import pytest

from django_groupme_images.exceptions import (
    AuthenticationFailed,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)

from ..properties.answer import kinds_of
from .servers import PHOTO, answering, client_of, received, server, success

pytestmark = pytest.mark.any_django

STATUSES = [
    101,
    *sorted({*(int(status) for status in HTTPStatus if status >= 300), 420, 520, 599}),
]

#: What an answer says, and the words of it that an error quotes.
BODIES = {
    "JSON": (b'{"meta": {"code": 1, "errors": ["this", "and that"]}}', "this; and that"),
    "HTML": (b"<html><h1>No</h1>\n<p>nginx</p></html>", "No nginx"),
    "nothing": (b"", ""),
    "50 MB": (b"x" * 50_000_000, "x" * 200),
}

# What the two ends of a connection hold, when nobody reads it any more, and far below 50 MB.
BUFFERED = 20_000_000


#: What an error says of the service, by its kind.
MEANINGS = {
    AuthenticationFailed: "did not accept the access token",
    RateLimited: "has had too many requests",
    UnexpectedResponse: "gave an answer that it should not give",
    UploadRejected: "refused the picture",
    ServiceUnavailable: "is not available",
}


def is_temporary(status):
    return status in (408, 425) or status >= 500


def tries(status):
    """Of a client that may try three times."""
    return 3 if status in (420, 429) or (is_temporary(status) and status != 501) else 1


def telling(status, body, sent, more=""):
    """Answers, and counts the bytes that somebody took."""

    def conversation(connection):
        received(connection)
        # Otherwise the next try may come on this connection, just as it is closed.
        head = f"HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}{more}\r\n".encode())
        for start in range(0, len(body), 100_000):
            connection.sendall(body[start : start + 100_000])
            sent.append(len(body[start : start + 100_000]))

    return conversation


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
def test_an_upload(status, body):
    data, words = BODIES[body]
    if status in (101, 304):  # have no body by definition
        words = ""
    (kind,) = kinds_of(status)
    sent, file = [], io.BytesIO(PHOTO)
    with server(*[telling(status, data, sent)] * 4) as (url, seen):
        with pytest.raises(kind) as caught:
            client_of(url, max_retry_wait=0.01, timeout=5).upload(file)
        assert len(seen) == tries(status)
    host = url.removeprefix("http://").rstrip("/")
    assert type(caught.value) is kind
    assert str(caught.value) == f"{host} {MEANINGS[kind]}: {status} {words}".rstrip()
    assert caught.value.status == status
    assert caught.value.retryable == (kind in (RateLimited, ServiceUnavailable))
    assert (file.closed, file.tell()) == (False, 0)
    assert sum(sent) < BUFFERED * len(seen)


def check_asking_for_a_picture(method, status, data):
    sent = []
    with server(*[telling(status, data, sent)] * 4) as (url, seen):
        client = client_of(url, max_retry_wait=0.01, timeout=5)
        with pytest.raises((PictureNotFound, ServiceError)) as caught:
            getattr(client, method)(f"{url}1x1.png.123456789")
        assert len(seen) == tries(status)
    if status in (403, 404):
        assert type(caught.value) is PictureNotFound
        assert str(caught.value) == f"{url}1x1.png.123456789 is not there ({status})"
    else:
        kind = RateLimited if status in (420, 429) else UnexpectedResponse
        assert type(caught.value) is (ServiceUnavailable if is_temporary(status) else kind)
        assert caught.value.status == status
    assert sum(sent) < BUFFERED * len(seen)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [204, 206, *STATUSES])
def test_a_download(status, body):
    check_asking_for_a_picture("download", status, BODIES[body][0])


# Of 405 and 501 see test_client.py: the picture is then asked for with GET.
@pytest.mark.parametrize("status", sorted({204, 206, *STATUSES} - {405, 501}))
def test_the_headers_of_a_picture(status):
    check_asking_for_a_picture("head", status, b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    with server(answering(success("http://127.0.0.1/"))) as (elsewhere, called):
        answer = telling(status, b"moved", [], f"Location: {elsewhere}pictures\r\n")
        with server(answer, answer, answer) as (url, seen):
            client = client_of(url)
            for call in (
                lambda: client.upload(PHOTO),
                lambda: client.upload_from_url(elsewhere),
                lambda: client.download(f"{url}123456789"),
            ):
                with pytest.raises(UnexpectedResponse, match=f": {status} moved$"):
                    call()
            assert len(seen) == 3
        assert called == []


@pytest.mark.parametrize("location", [b"http://[", b"/\xff", b"//", b"http://a:b"])
def test_a_redirect_to_what_is_no_address(location):
    answer = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with server(answering(answer)) as (url, seen):
        with pytest.raises(UnexpectedResponse, match=": 302$"):
            client_of(url).upload(PHOTO)
        assert len(seen) == 1


@pytest.mark.parametrize("status", [420, 429, 500, 503])
@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("2", [2, 2]),
        (8, [pytest.approx(7, abs=1.5)] * 2),
        ("0", None),
        ("-5", None),
        ("soon", None),
        (-60, None),
        ("", None),
        ("3600", []),
        (3600, []),
        ("9" * 400, []),
    ],
)
def test_how_long_is_waited(status, header, waits):
    if isinstance(header, int):  # seconds from now, as a date
        header = formatdate(time.time() + header, usegmt=True)
    slept = []
    answer = telling(status, b"", [], f"Retry-After: {header}\r\n")
    with server(*[answer] * 4) as (url, seen):
        client = client_of(url, wait=lambda seconds, for_all: slept.append((seconds, for_all)))
        with pytest.raises(ServiceError) as caught:
            client.upload(PHOTO)
    assert caught.value.status == status
    limited = status in (420, 429)
    assert [for_all for _, for_all in slept] == [limited] * len(slept)
    if waits is None:  # the client's own: none at first unless there were too many requests
        least, most = (0.5, 1) if limited else (0, 0.5)
        assert least <= slept[0][0] <= most
        assert 1 <= slept[1][0] <= 1.5
    else:
        assert [seconds for seconds, _ in slept] == waits
    assert len(seen) == len(slept) + 1


def test_the_longest_wait_is_that_of_the_options():
    slept = []
    answer = telling(503, b"", [], "Retry-After: 3\r\n")
    for longest, tries in ((3, 3), (2, 1)):
        with server(*[answer] * 4) as (url, seen):
            client = client_of(url, max_retry_wait=longest, wait=lambda *wait: slept.append(wait))
            with pytest.raises(ServiceUnavailable):
                client.upload(PHOTO)
            assert len(seen) == tries
    assert slept == [(3, False)] * 2
