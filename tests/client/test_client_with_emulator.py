"""Uploads and downloads of the client with the emulator as the service."""

from __future__ import annotations

import gzip
import io

import pytest

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import PictureNotFound, UploadRejected
from django_groupme_images.images.streams import CHUNK_SIZE, UploadBody
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.memory import peak_memory
from tests.support.streams import UnseekableStream

pytestmark = pytest.mark.any_django

PHOTO = pictures.plain()


@pytest.fixture
def client(emulator):
    return GroupMeClient(
        "any", upload_url=emulator.upload_url, cdn_url=emulator.cdn_url, max_retry_wait=0.01
    )


def downloaded(client, picture):
    download = client.download(picture)
    data = download.read(10_000_000)
    download.close()
    return data


@pytest.mark.parametrize(
    "data",
    [
        pictures.plain("JPEG", mode="CMYK", color=(1, 2, 3, 4)),
        pictures.plain("PNG", mode="I;16", color=40_000),
        pictures.animated_gif(),
        pictures.mpo(),
        pictures.rotated(6),
    ],
    ids=["CMYK", "16 bits", "animated", "MPO", "rotated"],
)
def test_upload_of_each_format_keeps_bytes(client, data):
    file = io.BytesIO(data)
    file.seek(5)
    picture = client.upload(file)
    assert downloaded(client, picture) == data
    assert client.head(picture)["Content-Length"] == str(len(data))
    assert not file.closed


def test_requests_of_one_thread_use_one_connection(client, emulator):
    picture = client.upload(PHOTO)
    client.head(picture)
    for _ in range(3):
        downloaded(client, picture)
        client.upload(PHOTO)
    with pytest.raises(UploadRejected):
        client.upload(b"no image")
    with pytest.raises(PictureNotFound):
        client.head(Picture.parse(f"{emulator.cdn_url}123456789", emulator.cdn_url))
    client.upload(PHOTO)
    record = emulator.app.record.as_list()
    assert len(record) == 11
    assert {entry["connection"] for entry in record} == {1}


def test_upload_of_large_file_uses_little_memory(client, emulator, tmp_path):
    size = 200 * 1024 * 1024
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(PHOTO)
        file.truncate(size)
    client.upload(PHOTO)  # The first request imports modules, which must not count.
    with path.open("rb") as file, peak_memory() as peak:
        client.upload(file)
    assert emulator.app.record.as_list()[-1]["body_bytes"] == size
    assert peak() < 4 * 1024 * 1024  # This includes the emulator, which runs in this process.


class ReadCounter(io.BytesIO):
    read_count = 0

    def read(self, *size):
        self.read_count += 1
        return super().read(*size)


def test_upload_of_large_file_reads_large_chunks(client):
    file = ReadCounter(PHOTO + bytes(10 * CHUNK_SIZE - len(PHOTO)))
    client.upload(file)
    assert file.read_count == 10 + 1  # The last read returns no data.


class ChunksOnly:
    """A file whose only method is Django's ``chunks()``."""

    def chunks(self):
        yield PHOTO[:100]
        yield PHOTO[100:]


@pytest.mark.parametrize(
    "content",
    [
        UnseekableStream(PHOTO),
        io.BufferedReader(UnseekableStream(PHOTO)),
        gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(PHOTO))),
        ChunksOnly(),
    ],
    ids=lambda content: type(content).__name__,
)
def test_upload_of_unseekable_file_sends_content_length(client, emulator, content):
    assert downloaded(client, client.upload(content)) == PHOTO
    entry = emulator.app.record.as_list()[0]
    assert entry["headers"]["Content-Length"] == str(len(PHOTO))
    assert "Transfer-Encoding" not in entry["headers"]


class UnreadableFile(io.BytesIO):
    def read(self, size=-1):
        raise OSError(5, "the disk is broken")


class ShrinkingFile(io.BytesIO):
    def read(self, size=-1):
        return super().read(min(size, 100)) if self.tell() < 100 else b""


class GrowingFile(io.BytesIO):
    def read(self, size=-1):
        position = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(b"more")
        self.seek(position)
        return super().read(size)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (UnreadableFile(PHOTO), OSError),
        (ShrinkingFile(PHOTO), EOFError),
        (io.StringIO("text"), TypeError),
    ],
)
def test_upload_of_unreadable_file_raises_and_rewinds_it(client, emulator, content, error):
    with pytest.raises(error) as caught:
        client.upload(content)
    assert type(caught.value) is error
    assert content.tell() == 0
    client.upload(PHOTO)  # It must not use the broken connection.
    assert len(emulator.app.record.as_list()) <= 2


def test_upload_body_of_file_is_iterable_and_seekable():
    body = UploadBody(io.BytesIO(PHOTO))
    assert (len(body), b"".join(body)) == (len(PHOTO), PHOTO)
    assert body.seek(0) == body.tell() == 0
    assert body.read() == PHOTO


def test_upload_of_closed_file_raises(client):
    file = io.BytesIO(PHOTO)
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        client.upload(file)


def test_upload_of_growing_file_sends_initial_size(client):
    assert downloaded(client, client.upload(GrowingFile(PHOTO))) == PHOTO


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault("status", status=status, times=2) for status in (420, 429, 500, 502, 503)),
        Fault("drop"),
        Fault("drop", before_body=True),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.before_body}",
)
def test_upload_after_temporary_failure_is_retried(client, emulator, fault):
    failure_count = fault.times
    emulator.app.faults.add(fault)
    file = io.BytesIO(PHOTO)
    assert downloaded(client, client.upload(file)) == PHOTO
    assert not file.closed
    entries = emulator.app.record.as_list()
    assert [entry["method"] for entry in entries] == ["POST"] * (failure_count + 1) + ["GET"]
    assert entries[failure_count]["body_bytes"] == len(PHOTO)


def test_upload_of_unreadable_file_keeps_traceback(client):
    with pytest.raises(OSError, match="the disk is broken") as caught:
        client.upload(UnreadableFile(PHOTO))
    assert caught.traceback[-1].path.name == "test_client_with_emulator.py"


def test_upload_with_413_response_is_not_retried(client, emulator):
    emulator.app.faults.add(Fault("status", status=413, headers={"Retry-After": "1"}))
    with pytest.raises(UploadRejected):
        client.upload(PHOTO)
    assert len(emulator.app.record.as_list()) == 1


def test_download_and_head_of_missing_picture_raise(client, emulator):
    picture = Picture.parse(f"{emulator.cdn_url}1x1.png.123456789", emulator.cdn_url)
    for method in (client.download, client.head):
        with pytest.raises(PictureNotFound, match=r"was not found on the CDN \(HTTP 403\)"):
            method(picture)


def test_upload_from_url_stores_new_picture(client, emulator):
    first = client.upload(PHOTO)
    second = client.upload_from_url(first.url)
    assert second.id != first.id
    assert downloaded(client, second) == PHOTO
    with pytest.raises(UploadRejected):
        client.upload_from_url(f"{emulator.cdn_url}987654321")
