"""Error statuses of the image service and of the CDN, with each kind of body."""

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
from tests.properties.response import kinds_of
from tests.support.deadlines import DEADLINE

from .servers import PHOTO, client_of, read_request, respond_with, server, upload_response

pytestmark = pytest.mark.any_django

STATUSES = [
    101,
    *sorted({*(int(status) for status in HTTPStatus if status >= 300), 420, 520, 599}),
]

#: Response bodies, and the part that the error message quotes.
BODIES = {
    "JSON": (b'{"meta": {"code": 1, "errors": ["this", "and that"]}}', "this; and that"),
    "HTML": (b"<html><h1>No</h1>\n<p>nginx</p></html>", "No nginx"),
    "empty": (b"", ""),
    "50 MB": (b"x" * 50_000_000, "x" * 200),
}

# The socket buffers of a connection hold less than this many bytes if the client stops reading.
BUFFER_SIZE = 20_000_000


#: The beginning of the message of each error.
MESSAGES = {
    AuthenticationFailed: "rejected the access token",
    RateLimited: "reported that its rate limit is exceeded",
    UnexpectedResponse: "returned an unexpected response",
    UploadRejected: "rejected the image",
    ServiceUnavailable: "is unavailable",
}


def is_temporary(status):
    return status in (408, 425) or status >= 500


def tries(status):
    """Return the number of tries of a client with two retries."""
    return 3 if status in (420, 429) or (is_temporary(status) and status != 501) else 1


def respond(status, body, sent, headers=""):
    """Return a conversation that responds and appends the size of each sent part to ``sent``."""

    def conversation(connection):
        read_request(connection)
        # Without "Connection: close", the next try could use this connection while it is closed.
        head = f"HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}{headers}\r\n".encode())
        for start in range(0, len(body), 100_000):
            connection.sendall(body[start : start + 100_000])
            sent.append(len(body[start : start + 100_000]))

    return conversation


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
def test_upload_with_each_status_and_body_raises_matching_exception(status, body):
    data, quote = BODIES[body]
    if status in (101, 304):  # HTTP permits no body with these.
        quote = ""
    (error,) = kinds_of(status)
    sent, file = [], io.BytesIO(PHOTO)
    with server(*[respond(status, data, sent)] * 4) as (url, seen):
        with pytest.raises(error) as caught:
            client_of(url, max_retry_wait=0.01).upload(file)
        assert len(seen) == tries(status)
    host = url.removeprefix("http://").rstrip("/")
    assert type(caught.value) is error
    assert str(caught.value) == f"{host} {MESSAGES[error]} (HTTP {status}){quote and f': {quote}'}"
    assert caught.value.status == status
    assert caught.value.retryable == (error in (RateLimited, ServiceUnavailable))
    assert (file.closed, file.tell()) == (False, 0)
    assert sum(sent) < BUFFER_SIZE * len(seen)


def check_cdn_error(method, status, data):
    """Check the error that a method of the client raises after a response of the CDN."""
    sent = []
    with server(*[respond(status, data, sent)] * 4) as (url, seen):
        client = client_of(url, max_retry_wait=0.01)
        with pytest.raises((PictureNotFound, ServiceError)) as caught:
            getattr(client, method)(f"{url}1x1.png.123456789")
        assert len(seen) == tries(status)
    if status in (403, 404):
        assert type(caught.value) is PictureNotFound
        assert (
            str(caught.value) == f"{url}1x1.png.123456789 was not found on the CDN (HTTP {status})"
        )
    else:
        error = RateLimited if status in (420, 429) else UnexpectedResponse
        assert type(caught.value) is (ServiceUnavailable if is_temporary(status) else error)
        assert caught.value.status == status
    assert sum(sent) < BUFFER_SIZE * len(seen)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [204, 206, *STATUSES])
def test_download_with_each_status_and_body_raises_matching_exception(status, body):
    check_cdn_error("download", status, BODIES[body][0])


# After 405 and 501, the client sends a GET request. test_client.py contains the test.
@pytest.mark.parametrize("status", sorted({204, 206, *STATUSES} - {405, 501}))
def test_head_with_each_status_raises_matching_exception(status):
    check_cdn_error("head", status, b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_requests_with_redirect_response_raise_without_following_it(status):
    with server(respond_with(upload_response("http://127.0.0.1/"))) as (other_url, redirected):
        response = respond(status, b"moved", [], f"Location: {other_url}pictures\r\n")
        with server(response, response, response) as (url, seen):
            client = client_of(url)
            for call in (
                lambda: client.upload(PHOTO),
                lambda: client.upload_from_url(other_url),
                lambda: client.download(f"{url}123456789"),
            ):
                with pytest.raises(UnexpectedResponse, match=rf"\(HTTP {status}\): moved$"):
                    call()
            assert len(seen) == 3
        assert redirected == []


@pytest.mark.parametrize("location", [b"http://[", b"/\xff", b"//", b"http://a:b"])
def test_upload_with_invalid_redirect_location_raises(location):
    response = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with server(respond_with(response)) as (url, seen):
        with pytest.raises(UnexpectedResponse, match=r"\(HTTP 302\)$"):
            client_of(url).upload(PHOTO)
        assert len(seen) == 1


@pytest.mark.parametrize("status", [420, 429, 500, 503])
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("2", [2, 2]),
        (1000, [pytest.approx(1000, abs=DEADLINE)] * 2),
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
def test_upload_with_retry_after_header_waits_before_retry(status, header, expected):
    if isinstance(header, int):  # An integer stands for a date, in seconds from now.
        header = formatdate(time.time() + header, usegmt=True)
    waits = []
    response = respond(status, b"", [], f"Retry-After: {header}\r\n")
    with server(*[response] * 4) as (url, seen):
        client = client_of(
            url,
            max_retry_wait=2000,
            wait=lambda seconds, rate_limited: waits.append((seconds, rate_limited)),
        )
        with pytest.raises(ServiceError) as caught:
            client.upload(PHOTO)
    assert caught.value.status == status
    is_limited = status in (420, 429)
    assert [rate_limited for _, rate_limited in waits] == [is_limited] * len(waits)
    if expected is None:  # The client uses its own backoff.
        shortest, longest = (0.5, 1) if is_limited else (0, 0.5)
        assert shortest <= waits[0][0] <= longest
        assert 1 <= waits[1][0] <= 1.5
    else:
        assert [seconds for seconds, _ in waits] == expected
    assert len(seen) == len(waits) + 1


def test_upload_with_retry_after_above_max_retry_wait_is_not_retried():
    waits = []
    response = respond(503, b"", [], "Retry-After: 3\r\n")
    for max_retry_wait, expected_tries in ((3, 3), (2, 1)):
        with server(*[response] * 4) as (url, seen):
            client = client_of(
                url, max_retry_wait=max_retry_wait, wait=lambda *wait: waits.append(wait)
            )
            with pytest.raises(ServiceUnavailable):
                client.upload(PHOTO)
            assert len(seen) == expected_tries
    assert waits == [(3, False)] * 2
