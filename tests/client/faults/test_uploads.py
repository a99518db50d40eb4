"""Uploads that fail: the error, the number of tries, the file, and the model instance."""

from __future__ import annotations

import io
import socket
import time
from contextlib import ExitStack

import pytest
from django.core.files.base import ContentFile
from django.db import transaction

from django_groupme_images.exceptions import ServiceUnavailable, UnexpectedResponse, UploadRejected
from tests.support.deadlines import DEADLINE
from tests.support.memory import peak_memory
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

from .failures import FAILURES, TIMEOUT, Failure, each_failure, respond_slowly
from .servers import (
    PHOTO,
    client_of,
    reset,
    respond_with,
    server,
    upload_response,
    wait_for_disconnect,
)

pytestmark = pytest.mark.any_django


@pytest.fixture
def use_server(settings, emulator):
    """Return a function that sets the URLs of the project's image service."""

    def use(url, timeout=DEADLINE):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        settings.GROUPME_TIMEOUT = timeout
        settings.GROUPME_MAX_RETRIES, settings.GROUPME_MAX_RETRY_WAIT = 2, 0.01

    return use


@each_failure
def test_upload_with_each_failure_raises_and_rewinds_file(failure: Failure) -> None:
    file = io.BytesIO(failure.file)
    file.seek(7)
    with failure.run_server() as (url, seen):
        with pytest.raises(failure.error) as caught:
            client_of(url, timeout=failure.timeout, max_retry_wait=0.01).upload(file)
        failure.check(caught.value, url)
        assert len(seen) == failure.tries
    assert (file.closed, file.tell()) == (False, 0)


@each_failure
def test_model_save_of_new_instance_with_each_failure_creates_no_row(
    failure, use_server, emulator, db
):
    content = ContentFile(failure.file, "cat.jpg")
    member = Member(name="Ada", photo=content)
    with failure.run_server() as (url, seen):
        use_server(url, failure.timeout)
        with pytest.raises(failure.error) as caught, transaction.atomic():
            member.save()
        failure.check(caught.value, url)
        assert len(seen) == failure.tries
    assert (member.pk, Member.objects.count()) == (None, 0)
    assert (content.closed, content.tell()) == (False, 0)
    use_server(emulator.cdn_url)
    member.save()  # The same instance can be saved once the service is available.
    assert Member.objects.get().photo.read() == failure.file


@each_failure
def test_model_save_of_existing_instance_with_each_failure_keeps_row(failure, use_server, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    content = ContentFile(failure.file, "cat.jpg")
    member.name, member.photo = "Lovelace", content
    with failure.run_server() as (url, seen):
        use_server(url, failure.timeout)
        with pytest.raises(failure.error), transaction.atomic():
            member.save()
        assert len(seen) == failure.tries
    assert (content.closed, content.tell()) == (False, 0)
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Ada", JPEG)


@each_failure
def test_model_save_with_each_failure_uses_fallback_if_temporary(failure, use_server, fallback, db):
    member = Member(name="Ada", photo=ContentFile(failure.file, "cat.jpg"))
    with failure.run_server() as (url, seen):
        use_server(url, failure.timeout)
        if failure.error is ServiceUnavailable:
            member.save()
        else:
            with pytest.raises(failure.error), transaction.atomic():
                member.save()
        assert len(seen) == failure.tries
    if failure.error is ServiceUnavailable:
        assert Member.objects.get().photo.name == "cat.jpg"
        with fallback.open("cat.jpg") as file:
            assert file.read() == failure.file
    else:
        assert Member.objects.count() == 0
        assert fallback.listdir("") == ([], [])


def test_upload_to_closed_port_raises_and_rewinds_file(free_port):
    file = io.BytesIO(PHOTO)
    with pytest.raises(
        ServiceUnavailable, match=f"^127.0.0.1:{free_port} could not be reached: Connection refused"
    ):
        client_of(f"http://127.0.0.1:{free_port}/", max_retry_wait=0.01).upload(file)
    assert file.tell() == 0


def test_upload_to_server_with_full_backlog_times_out():
    # The pending connections fill the backlog of the listener.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        with ExitStack() as stack:
            for _ in range(2):
                pending = stack.enter_context(socket.socket())
                pending.setblocking(False)
                pending.connect_ex(listener.getsockname())
            file = io.BytesIO(PHOTO)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            client = client_of(url, timeout=(0.2, DEADLINE), max_retry_wait=0.01)
            with pytest.raises(ServiceUnavailable, match="did not respond in time: timed out"):
                client.upload(file)
            assert file.tell() == 0


@pytest.mark.parametrize(
    ("conversation", "message"),
    [
        (wait_for_disconnect, "did not respond in time: "),
        (reset, "could not be reached: "),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n"), r"could not be.*SSL"),
    ],
    ids=["silent", "reset", "no TLS"],
)
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # urllib3 emits it.
def test_upload_with_failed_tls_handshake_raises(conversation, message):
    with server(conversation) as (url, _):
        client = client_of(
            url.replace("http:", "https:"), timeout=(TIMEOUT, DEADLINE), max_retries=0
        )
        with pytest.raises(ServiceUnavailable, match=message):
            client.upload(PHOTO)


def test_upload_to_unresolvable_host_raises():
    with pytest.raises(ServiceUnavailable, match="^cdn.invalid could not be reached: "):
        client_of("http://cdn.invalid/", max_retry_wait=0.01).upload(PHOTO)


@pytest.mark.parametrize(
    "failure",
    [failure for failure in FAILURES if failure.tries == 3],
    ids=lambda failure: failure.name,
)
def test_upload_after_two_temporary_failures_returns_picture(failure):
    def succeed(connection):
        respond_with(upload_response(url))(connection)

    with server(failure.conversation, failure.conversation, succeed) as (url, seen):
        # The connect timeout also limits each write of the first request on a connection.
        client = client_of(url, timeout=(TIMEOUT, DEADLINE), max_retry_wait=0.01)
        picture = client.upload(io.BytesIO(failure.file))
        assert picture.url == f"{url}1x1.png.123456789"
        assert len(seen) == 3


def test_upload_with_slow_response_body_stops_at_max_response_time(monkeypatch):
    monkeypatch.setattr("django_groupme_images.client.responses.MAX_RESPONSE_TIME", 1)
    slow = respond_slowly("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with server(slow) as (url, seen):
        started = time.monotonic()
        with pytest.raises(
            ServiceUnavailable,
            match="did not respond in time: the response did not end within 1 sec",
        ):
            client_of(url).upload(PHOTO)
        assert time.monotonic() - started >= 1
        assert len(seen) == 1


def test_upload_with_slow_response_headers_reads_them_to_their_end():
    # If each byte arrives within the timeout, requests limits only the length of the headers.
    with server(respond_slowly("HTTP/1.1 200 OK\r\nX: ", seconds=1)) as (url, _):
        started = time.monotonic()
        # The end of the connection is also the end of the headers.
        with pytest.raises(UnexpectedResponse, match="it contains no URL"):
            client_of(url).upload(PHOTO)
        assert time.monotonic() - started >= 1


def test_upload_with_slow_error_body_retries_without_reading_it():
    slow = respond_slowly("HTTP/1.1 503 No\r\nContent-Length: 100000\r\n\r\n")
    reject = respond_with("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
    with server(slow, slow, reject) as (url, seen):
        with pytest.raises(UploadRejected):
            client_of(url, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) == 3


def test_upload_with_gzip_bomb_as_response_uses_little_memory():
    (bomb,) = (failure for failure in FAILURES if failure.name == "gzip bomb")
    with bomb.run_server() as (url, _):
        client = client_of(url)
        with peak_memory() as peak, pytest.raises(bomb.error):
            client.upload(PHOTO)
    assert peak() < 10_000_000


@pytest.mark.parametrize("timeout", [0.2, (DEADLINE, 0.2)])
def test_upload_to_silent_server_is_not_retried(timeout):
    with server(wait_for_disconnect) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="did not respond in time: timed out"):
            client_of(url, timeout=timeout).upload(PHOTO)
        assert len(seen) == 1
