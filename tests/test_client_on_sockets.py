"""The client on real sockets, against the emulator; what goes wrong there is in faults/."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from django_groupme_images.bodies import PIECE, Body
from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    PictureNotFound,
    UploadRejected,
)
from django_groupme_images.pictures import Picture

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

PHOTO = pictures.plain()


@pytest.fixture
def client(emulator):
    return GroupMeClient(
        "any", upload_url=emulator.upload_url, cdn_url=emulator.cdn_url, max_retry_wait=0.01
    )


def content_of(client, picture):
    download = client.download(picture)
    data = download.read(10_000_000)
    download.close()
    return data


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


class Counted(io.BytesIO):
    reads = 0

    def read(self, *amount):
        self.reads += 1
        return super().read(*amount)


def test_a_large_file_is_sent_in_large_pieces(client):
    file = Counted(PHOTO + bytes(10 * PIECE - len(PHOTO)))
    client.upload(file)
    assert file.reads == 10 + 1  # the one that finds the end


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


def test_a_file_that_cannot_be_read_says_where(client):
    with pytest.raises(OSError, match="the disk is broken") as caught:
        client.upload(Failing(PHOTO))
    assert caught.traceback[-1].path.name == "test_client_on_sockets.py"


def test_a_413_is_not_tried_again(client, emulator):
    emulator.app.faults.add(Fault("status", status=413, headers={"Retry-After": "1"}))
    with pytest.raises(UploadRejected):
        client.upload(PHOTO)
    assert len(emulator.app.record.as_list()) == 1


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
