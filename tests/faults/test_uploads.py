"""Each way in which an upload fails: what the client raises, what a row and a file become."""

from __future__ import annotations

import io
import socket
import time
import tracemalloc
from contextlib import ExitStack

import pytest
from django.core.files.base import ContentFile
from django.db import transaction

from django_groupme_images.exceptions import ServiceUnavailable, UnexpectedResponse, UploadRejected

from ..gallery.models import Member
from ..urls_of_pictures import JPEG
from .servers import PHOTO, answering, client_of, reset, server, success, until_it_is_left
from .ways import SOON, TIMEOUT, WAYS, Way, dripping

pytestmark = pytest.mark.any_django

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


@pytest.fixture
def point_to(settings, emulator):
    """Make the project upload to a server."""

    def point(url, timeout=30):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        settings.GROUPME_TIMEOUT = timeout
        settings.GROUPME_MAX_RETRIES, settings.GROUPME_MAX_RETRY_WAIT = 2, 0.01

    return point


@every_way
def test_an_upload(way: Way) -> None:
    file = io.BytesIO(way.file)
    file.seek(7)
    with way.happening() as (url, seen):
        started = time.monotonic()
        with pytest.raises(way.kind) as caught:
            client_of(url, timeout=way.timeout, max_retry_wait=0.01).upload(file)
        assert time.monotonic() - started < SOON
        way.check(caught.value, url)
        assert len(seen) == way.tries
    assert (file.closed, file.tell()) == (False, 0)


@every_way
def test_a_new_row(way, point_to, emulator, db):
    content = ContentFile(way.file, "cat.jpg")
    member = Member(name="Ada", photo=content)
    with way.happening() as (url, seen):
        point_to(url, way.timeout)
        with pytest.raises(way.kind) as caught, transaction.atomic():
            member.save()
        way.check(caught.value, url)
        assert len(seen) == way.tries
    assert (member.pk, Member.objects.count()) == (None, 0)
    assert (content.closed, content.tell()) == (False, 0)
    point_to(emulator.cdn_url)
    member.save()  # the very same row, once the service is well again
    assert Member.objects.get().photo.read() == way.file


@every_way
def test_a_row_that_has_a_picture(way, point_to, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    content = ContentFile(way.file, "cat.jpg")
    member.name, member.photo = "Lovelace", content
    with way.happening() as (url, seen):
        point_to(url, way.timeout)
        with pytest.raises(way.kind), transaction.atomic():
            member.save()
        assert len(seen) == way.tries
    assert (content.closed, content.tell()) == (False, 0)
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Ada", JPEG)


@every_way
def test_a_row_of_a_project_with_a_fallback(way, point_to, fallback, db):
    member = Member(name="Ada", photo=ContentFile(way.file, "cat.jpg"))
    with way.happening() as (url, seen):
        point_to(url, way.timeout)
        if way.kind is ServiceUnavailable:
            member.save()
        else:
            with pytest.raises(way.kind), transaction.atomic():
                member.save()
        assert len(seen) == way.tries
    if way.kind is ServiceUnavailable:
        assert Member.objects.get().photo.name == "cat.jpg"
        with fallback.open("cat.jpg") as file:
            assert file.read() == way.file
    else:
        assert Member.objects.count() == 0
        assert fallback.listdir("") == ([], [])


def test_a_server_that_is_not_there(free_port):
    file = io.BytesIO(PHOTO)
    with pytest.raises(
        ServiceUnavailable, match=f"^127.0.0.1:{free_port} could not be reached: Connection refused"
    ):
        client_of(f"http://127.0.0.1:{free_port}/", max_retry_wait=0.01).upload(file)
    assert file.tell() == 0


def test_a_server_that_takes_no_connection():
    # What waits for one already leaves no room in its queue.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        with ExitStack() as waiting:
            for _ in range(2):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            file = io.BytesIO(PHOTO)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            client = client_of(url, timeout=(0.2, 30), max_retry_wait=0.01)
            with pytest.raises(ServiceUnavailable, match="did not answer in time: timed out"):
                client.upload(file)
            assert file.tell() == 0


@pytest.mark.parametrize(
    ("conversation", "message"),
    [
        (until_it_is_left, "did not answer in time: "),
        (reset, "could not be reached: "),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n"), r"could not be.*SSL"),
    ],
    ids=["silent", "reset", "no TLS"],
)
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # which urllib3 leaves
def test_a_handshake_that_fails(conversation, message):
    with server(conversation) as (url, _):
        client = client_of(url.replace("http:", "https:"), timeout=(TIMEOUT, 30), max_retries=0)
        with pytest.raises(ServiceUnavailable, match=message):
            client.upload(PHOTO)


def test_a_host_that_has_no_address():
    with pytest.raises(ServiceUnavailable, match="^cdn.invalid could not be reached: "):
        client_of("http://cdn.invalid/", max_retry_wait=0.01).upload(PHOTO)


@pytest.mark.parametrize("way", [way for way in WAYS if way.tries == 3], ids=lambda way: way.name)
def test_what_passes_is_not_noticed(way):
    def well(connection):
        answering(success(url))(connection)

    with server(way.conversation, way.conversation, well) as (url, seen):
        # Until it is answered, the time to connect is that of each piece that is sent, too.
        client = client_of(url, timeout=(TIMEOUT, 30), max_retry_wait=0.01)
        picture = client.upload(io.BytesIO(way.file))
        assert picture.url == f"{url}1x1.png.123456789"
        assert len(seen) == 3


def test_an_answer_that_drips_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr("django_groupme_images.answers.LONGEST_TIME", 1)
    drip = dripping("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", seconds=2 * SOON)
    with server(drip) as (url, seen):
        started = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="did not answer in time: no end after 1 sec"):
            client_of(url).upload(PHOTO)
        assert 1 <= time.monotonic() - started < SOON
        assert len(seen) == 1


def test_a_head_that_drips_is_waited_for():
    # As long as bytes come in time, requests has no limit but that of a head's length.
    with server(dripping("HTTP/1.1 200 OK\r\nX: ", seconds=1)) as (url, _):
        started = time.monotonic()
        with pytest.raises(UnexpectedResponse, match="it has no URL"):  # its end is one of the head
            client_of(url).upload(PHOTO)
        assert 1 <= time.monotonic() - started < SOON


def test_a_failure_that_drips_is_not_waited_for():
    drip = dripping("HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\n", seconds=2 * SOON)
    refusing = answering("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
    with server(drip, drip, refusing) as (url, seen):
        started = time.monotonic()
        with pytest.raises(UploadRejected):
            client_of(url, max_retry_wait=0.01).upload(PHOTO)
        assert time.monotonic() - started < SOON
        assert len(seen) == 3


def test_a_bomb_is_not_held():
    (bomb,) = (way for way in WAYS if way.name == "a bomb of gzip")
    with bomb.happening() as (url, _):
        client = client_of(url)
        tracemalloc.start()
        try:
            with pytest.raises(bomb.kind):
                client.upload(PHOTO)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("timeout", [0.2, (5, 0.2)])
def test_a_server_that_is_silent_is_asked_once(timeout):
    with server(until_it_is_left) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="did not answer in time: timed out"):
            client_of(url, timeout=timeout).upload(PHOTO)
        assert len(seen) == 1
