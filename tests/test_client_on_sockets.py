"""The client on real sockets: against the emulator, and against servers that misbehave."""

from __future__ import annotations

import gzip
import io
import logging
import os
import socket
import threading
import time
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from django_groupme_images.bodies import Body
from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.pictures import Picture

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

PHOTO = pictures.plain()


@pytest.fixture
def client(emulator):
    return GroupMeClient("any", upload_url=emulator.upload_url, cdn_url=emulator.cdn_url)


def content_of(client, picture):
    download = client.download(picture)
    data = download.read(10_000_000)
    download.close()
    return data


@contextmanager
def server(*conversations):
    """A server that has one conversation with each connection, in order, and counts them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen = []

        def serve():
            for conversation in conversations:
                try:
                    connection, _ = listener.accept()
                except OSError:  # nobody came
                    return
                seen.append(conversation)
                with connection:
                    conversation(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", seen
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def received(connection, size=len(PHOTO)):
    """Read a whole upload."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < size:
        if not (chunk := connection.recv(65536)):
            break
        data += chunk
    return data


def answering(text):
    def conversation(connection):
        received(connection)
        connection.sendall(text.encode())

    return conversation


def client_of(url, **options):
    return GroupMeClient("t0ken", upload_url=f"{url}pictures", cdn_url=url, **options)


def success(url, more=""):
    body = f'{{"payload": {{"url": "{url}1x1.png.123456789"}}}}'
    return f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"


@pytest.mark.parametrize(
    "data",
    [
        pictures.plain("JPEG", mode="CMYK", color=(1, 2, 3, 4)),
        pictures.plain("PNG", mode="I;16", color=40_000),
        pictures.moving_gif(),
        pictures.multi_picture(),
        pictures.turned(6),
    ],
    ids=["CMYK", "16 bits", "animated", "MPO", "turned"],
)
def test_the_bytes_arrive_as_they_are(client, data):
    file = io.BytesIO(data)
    file.seek(5)
    picture = client.upload(file)
    assert content_of(client, picture) == data
    assert client.head(picture)["Content-Length"] == str(len(data))
    assert not file.closed


def test_one_connection_serves_a_thread(client, emulator):
    picture = client.upload(PHOTO)
    client.head(picture)
    for _ in range(3):
        content_of(client, picture)
        client.upload(PHOTO)
    with pytest.raises(UploadRejected):
        client.upload(b"no image")
    with pytest.raises(PictureNotFound):
        client.head(Picture.parse(f"{emulator.cdn_url}123456789", emulator.cdn_url))
    client.upload(PHOTO)
    record = emulator.app.record.as_list()
    assert len(record) == 11
    assert {entry["connection"] for entry in record} == {1}


def test_threads_share_a_client_and_no_connection(client, emulator):
    barrier = threading.Barrier(20)

    def upload(number):
        barrier.wait()
        data = pictures.plain("PNG", size=(number + 1, 7))
        return [content_of(client, client.upload(data)) == data for _ in range(3)]

    with ThreadPoolExecutor(20) as pool:
        assert all(all(same) for same in pool.map(upload, range(20)))
    uploads = [entry for entry in emulator.app.record.as_list() if entry["method"] == "POST"]
    assert len(uploads) == 60
    assert len({entry["connection"] for entry in uploads}) == 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_child_process_has_its_own_connection(client, emulator):
    client.upload(PHOTO)
    child = os.fork()
    if not child:
        status = 1
        try:
            client.upload(PHOTO)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    client.upload(PHOTO)
    connections = [entry["connection"] for entry in emulator.app.record.as_list()]
    assert connections == [1, 2, 1]


def test_a_large_file_is_never_held(client, emulator, tmp_path):
    size = 200 * 1024 * 1024
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(PHOTO)
        file.truncate(size)
    client.upload(PHOTO)  # what is imported by the first request does not count
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            client.upload(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert emulator.app.record.as_list()[-1]["body_bytes"] == size
    assert peak < 4 * 1024 * 1024  # the emulator, in this process too, included


class Unseekable(io.RawIOBase):
    """A pipe."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.data.readinto(buffer)


class OnlyChunks:
    """An uploaded file of a framework that has nothing but Django's ``chunks()``."""

    def chunks(self):
        yield PHOTO[:100]
        yield PHOTO[100:]


@pytest.mark.parametrize(
    "content",
    [
        Unseekable(PHOTO),
        io.BufferedReader(Unseekable(PHOTO)),
        gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(PHOTO))),
        OnlyChunks(),
    ],
    ids=lambda content: type(content).__name__,
)
def test_what_cannot_seek_is_copied_first(client, emulator, content):
    assert content_of(client, client.upload(content)) == PHOTO
    entry = emulator.app.record.as_list()[0]
    assert entry["headers"]["Content-Length"] == str(len(PHOTO))
    assert "Transfer-Encoding" not in entry["headers"]


class Failing(io.BytesIO):
    def read(self, amount=-1):
        raise OSError(5, "the disk is broken")


class Shrinking(io.BytesIO):
    def read(self, amount=-1):
        return super().read(min(amount, 100)) if self.tell() < 100 else b""


class Growing(io.BytesIO):
    def read(self, amount=-1):
        position = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(b"more")
        self.seek(position)
        return super().read(amount)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (Failing(PHOTO), OSError),
        (Shrinking(PHOTO), EOFError),
        (io.StringIO("text"), TypeError),
    ],
)
def test_a_file_that_cannot_be_read(client, emulator, content, error):
    with pytest.raises(error) as caught:
        client.upload(content)
    assert type(caught.value) is error
    assert content.tell() == 0
    client.upload(PHOTO)  # the broken connection is not used again
    assert len(emulator.app.record.as_list()) <= 2


def test_a_body_is_what_requests_takes_for_a_stream():
    body = Body(io.BytesIO(PHOTO))
    assert (len(body), b"".join(body)) == (len(PHOTO), PHOTO)
    assert body.seek(0) == body.tell() == 0
    assert body.read() == PHOTO


def test_a_closed_file(client):
    file = io.BytesIO(PHOTO)
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        client.upload(file)


def test_a_file_that_grows_meanwhile(client):
    assert content_of(client, client.upload(Growing(PHOTO))) == PHOTO


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault("status", status=status, times=2) for status in (420, 429, 500, 502, 503)),
        Fault("drop"),
        Fault("drop", before_body=True),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.before_body}",
)
def test_a_failure_that_passes(client, emulator, fault):
    failures = fault.times
    emulator.app.faults.add(fault)
    file = io.BytesIO(PHOTO)
    assert content_of(client, client.upload(file)) == PHOTO
    assert not file.closed
    entries = emulator.app.record.as_list()
    assert [entry["method"] for entry in entries] == ["POST"] * (failures + 1) + ["GET"]
    assert entries[failures]["body_bytes"] == len(PHOTO)


def test_a_failure_that_stays(client, emulator):
    emulator.app.faults.add(Fault("status", status=503, times=10))
    file = io.BytesIO(PHOTO)
    with pytest.raises(ServiceUnavailable) as caught:
        client.upload(file)
    assert caught.value.status == 503
    assert len(emulator.app.record.as_list()) == 3
    assert file.tell() == 0


def test_a_wait_that_the_service_asks_for(client, emulator):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": "1"}))
    started = time.monotonic()
    client.upload(PHOTO)
    assert time.monotonic() - started >= 1
    assert len(emulator.app.record.as_list()) == 2


def test_a_wait_that_is_too_long(client, emulator):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": "11"}))
    started = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        client.upload(PHOTO)
    assert caught.value.retry_after == 11
    assert time.monotonic() - started < 5
    assert len(emulator.app.record.as_list()) == 1


def test_a_server_that_closes_a_kept_connection():
    def first(connection):
        received(connection)
        connection.sendall(success(url).encode())

    with server(first, first) as (url, seen):
        client = client_of(url, max_retries=0)
        client.upload(PHOTO)
        time.sleep(0.05)  # until the end of the connection has arrived
        client.upload(PHOTO)
        assert len(seen) == 2


def test_a_server_that_is_silent():
    def silent(connection):
        received(connection)
        connection.recv(1)  # until the client gives up

    with server(silent, silent) as (url, seen):
        file = io.BytesIO(PHOTO)
        with pytest.raises(ServiceUnavailable, match="did not answer in time: ") as caught:
            client_of(url, timeout=0.2).upload(file)
        assert caught.value.status is None
        assert len(seen) == 1  # no further try, which could take as long
        assert file.tell() == 0


def test_a_server_that_is_not_there(free_port):
    with pytest.raises(ServiceUnavailable, match="could not be reached: Connection refused"):
        client_of(f"http://127.0.0.1:{free_port}/").upload(PHOTO)


def test_a_redirect_is_not_followed(emulator):
    with server(
        answering(
            f"HTTP/1.1 302 Found\r\nLocation: {emulator.upload_url}\r\nContent-Length: 0\r\n\r\n"
        )
    ) as (url, _):
        with pytest.raises(UnexpectedResponse) as caught:
            client_of(url).upload(PHOTO)
    assert caught.value.status == 302
    assert emulator.app.record.as_list() == []


def test_an_endless_answer_is_not_read_to_its_end():
    sent = []

    def endless(connection):
        received(connection)
        connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
        try:
            while len(sent) < 1000:
                connection.sendall(b"x" * 100_000)
                sent.append(1)
        except OSError:
            pass

    with server(endless) as (url, _):
        with pytest.raises(UploadRejected, match="x{200}$"):
            client_of(url).upload(PHOTO)
    assert len(sent) < 200


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "broke off its answer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off its answer"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "talked to"),
        ("nonsense\r\n\r\n", "could not be reached: nonsense"),
        ("", "could not be reached: Remote end closed connection"),
    ],
)
def test_an_answer_that_is_broken(answer, reason):
    with server(answering(answer)) as (url, seen):
        with pytest.raises(ServiceError, match=reason):
            client_of(url, max_retries=0).upload(PHOTO)
        assert len(seen) == 1


def test_the_words_of_an_error_are_not_needed():
    broken = "HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\nno"
    with server(answering(broken)) as (url, _):
        with pytest.raises(UploadRejected, match=" 400$"):
            client_of(url).upload(PHOTO)


def everything_shown(error):
    """What a log, an error page with variables, and a tool that walks the chain would show."""
    shown, waiting, seen = "", [error], []
    while waiting:
        link = waiting.pop()
        if link is None or link in seen:
            continue
        seen.append(link)
        waiting += [link.__cause__, link.__context__]
        shown += f"{link!r}{link}{vars(link)}"
        if request := getattr(link, "request", None):
            shown += f"{request.headers}{request.body}"
        for frame, _ in traceback.walk_tb(link.__traceback__):
            shown += "".join(
                f"{name}={value!r}" for name, value in frame.f_locals.items() if name != "marked"
            )
    return shown


class Interrupted(io.BytesIO):
    """A file in whose middle a time limit strikes."""

    def read(self, amount=-1):
        raise KeyboardInterrupt


def dropping(connection):
    received(connection, 10)


@pytest.mark.parametrize(
    ("conversation", "content", "timeout", "kind"),
    [
        (dropping, PHOTO, 5, ServiceUnavailable),
        (lambda connection: received(connection) and connection.recv(1), PHOTO, 0.2, ServiceError),
        (received, Interrupted(PHOTO), 5, KeyboardInterrupt),
        (received, Failing(PHOTO), 5, OSError),
    ],
    ids=["dropped", "silent", "interrupted", "unreadable"],
)
def test_the_token_is_shown_nowhere(conversation, content, timeout, kind, caplog):
    marked = "5ecre7t0ken"  # the one variable that has it
    caplog.set_level(logging.DEBUG)
    with server(conversation) as (url, _):
        client = GroupMeClient(
            lambda: marked,
            upload_url=f"{url}pictures",
            cdn_url=url,
            max_retries=0,
            timeout=timeout,
        )
        with pytest.raises(kind) as caught:
            client.upload(content)
    shown = everything_shown(caught.value) + caplog.text + repr(client) + repr(vars(client))
    assert marked not in shown


def test_a_token_in_a_garbled_answer():
    with server(answering("t0ken is\x07 wrong\r\n\r\n")) as (url, _):
        with pytest.raises(ServiceUnavailable, match=r": \[access token\] is\? wrong$"):
            client_of(url, max_retries=0).upload(PHOTO)


def test_what_the_caller_was_handling_keeps_its_frames(free_port):
    with pytest.raises(ZeroDivisionError) as outer:
        try:
            raise ZeroDivisionError
        finally:
            with pytest.raises(ServiceUnavailable, match="Connection refused"):
                client_of(f"http://127.0.0.1:{free_port}/", max_retries=0).upload(PHOTO)
    assert outer.value.__traceback__ is not None


def test_a_file_that_cannot_be_read_says_where(client):
    with pytest.raises(OSError, match="the disk is broken") as caught:
        client.upload(Failing(PHOTO))
    assert caught.traceback[-1].path.name == "test_client_on_sockets.py"


@pytest.mark.parametrize("size", [10, 50_000_000])
def test_a_failure_with_a_large_body_is_not_read_to_its_end(size):
    sent = []

    def failing(connection):
        received(connection)
        head = f"HTTP/1.1 503 Busy\r\nContent-Length: {size}\r\n\r\n"
        try:
            connection.sendall(head.encode())
            for start in range(0, size, 100_000):
                connection.sendall(b"x" * min(100_000, size - start))
                sent.append(1)
        except OSError:
            pass

    def succeeding(connection):
        answering(success(url))(connection)

    with server(failing, succeeding) as (url, seen):
        # A short answer is read, so the second conversation needs a connection of its own.
        assert client_of(url).upload(PHOTO).width == 1
        assert len(seen) == 2
    assert len(sent) < 100


def test_a_413_is_not_tried_again(client, emulator):
    emulator.app.faults.add(Fault("status", status=413, headers={"Retry-After": "1"}))
    with pytest.raises(UploadRejected):
        client.upload(PHOTO)
    assert len(emulator.app.record.as_list()) == 1


def test_a_download_that_breaks_off(client, emulator):
    picture = client.upload(pictures.plain(size=(2000, 2000)))
    emulator.app.faults.add(Fault("half", method="GET"))
    download = client.download(picture)
    with pytest.raises(ServiceUnavailable, match="broke off its answer"):
        while download.read(1000):
            pass
    download.close()


def test_a_missing_picture_is_never_taken_for_an_image(client, emulator):
    picture = Picture.parse(f"{emulator.cdn_url}1x1.png.123456789", emulator.cdn_url)
    for method in (client.download, client.head):
        with pytest.raises(PictureNotFound, match=r"is not there \(403\)"):
            method(picture)


def test_the_service_fetches_a_url_itself(client, emulator):
    first = client.upload(PHOTO)
    second = client.upload_from_url(first.url)
    assert second.id != first.id
    assert content_of(client, second) == PHOTO
    with pytest.raises(UploadRejected):
        client.upload_from_url(f"{emulator.cdn_url}987654321")
