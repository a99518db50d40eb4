"""Sockets and files are closed when the thread, client, task, or command that used them ends."""

from __future__ import annotations

import asyncio
import gc
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import ServiceError
from django_groupme_images.storage import GroupMeStorage

from .. import emulator_pictures as pictures
from ..descriptors import CAN_COUNT, no_more_descriptors
from ..gallery.models import Member
from .servers import PHOTO, answering, server
from .ways import WAYS

pytestmark = [
    pytest.mark.any_django,
    pytest.mark.skipif(not CAN_COUNT, reason="the system does not list open descriptors"),
]

ROOT = Path(__file__).parents[2]

# More than what stays in memory of a file, or in the buffers of a socket.
LARGE = PHOTO + bytes(8_000_000)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The URL of an emulator whose own sockets do not count, because it is another process."""
    command = [sys.executable, "-m", "django_groupme_images.emulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture(autouse=True)
def project_on_service(settings, service):
    settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{service}pictures", service
    # Imports, and whatever else a process opens once.
    GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


def new_client(url: str, **options: object) -> GroupMeClient:
    return GroupMeClient("t0ken", upload_url=f"{url}pictures", cdn_url=url, **options)


@pytest.fixture
def client(service):
    return new_client(service)


def run_in_threads(number: int, target: Callable[[], object]) -> None:
    for _ in range(number):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()


def test_threads_that_end_leave_no_socket(client):
    with no_more_descriptors(allowed=1):
        run_in_threads(50, lambda: client.upload(PHOTO))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_threads_that_end_after_a_failed_upload_leave_no_socket(way):
    errors = []

    def upload(url: str) -> None:
        try:
            new_client(url, timeout=way.timeout, max_retry_wait=0.01).upload(way.file)
        except ServiceError as error:
            errors.append(type(error))

    # The first time, the server opens its own sockets.
    with no_more_descriptors(allowed=1):
        for _ in range(3):
            with way.happening() as (url, _):
                run_in_threads(1, lambda url=url: upload(url))
    assert errors == [way.kind] * 3


@pytest.mark.parametrize("data", [b"no image", bytes(2_000_000)])
def test_threads_that_end_after_a_rejected_upload_leave_no_socket(client, data):
    def upload() -> None:
        with pytest.raises(ServiceError):
            client.upload(data)

    with no_more_descriptors(allowed=1):
        run_in_threads(50, upload)


def test_threads_that_end_after_a_save_to_the_fallback_leave_no_socket(service, fallback):
    fault = {"kind": "status", "status": 503, "times": 20}
    requests.post(f"{service}_emulator/faults", json=fault, timeout=10).raise_for_status()
    storage = GroupMeStorage()
    with no_more_descriptors(allowed=1):
        run_in_threads(20, lambda: storage.save("cat.jpg", ContentFile(PHOTO)))
    assert len(fallback.listdir("")[1]) == 20


def test_clients_that_are_dropped_leave_no_socket(service):
    with no_more_descriptors(allowed=1):
        for _ in range(20):
            new_client(service).upload(PHOTO)


def test_storages_that_are_dropped_leave_no_socket():
    with no_more_descriptors(allowed=1):
        for _ in range(20):
            GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))
        gc.collect()  # because a storage and its client refer to each other


def test_settings_that_change_leave_no_socket(settings):
    storage = GroupMeStorage()
    with no_more_descriptors(allowed=1):
        for retries in range(20):
            settings.GROUPME_MAX_RETRIES = retries
            storage.save("cat.jpg", ContentFile(PHOTO))


def test_tasks_that_end_leave_no_socket(client):
    async def upload_in_a_thread() -> None:
        await asyncio.to_thread(client.upload, PHOTO)

    with no_more_descriptors(allowed=1):
        for _ in range(10):
            asyncio.run(upload_in_a_thread())


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["groupme_upload", "groupme_check"])
def test_commands_that_end_leave_no_socket(fallback, command):
    with no_more_descriptors(allowed=1):
        for _ in range(3):
            for _ in range(8):
                pending = fallback.save("cat.jpg", ContentFile(PHOTO))
                Member.objects.bulk_create([Member(photo=pending)])
            call_command(command, workers=4, rate=0, verbosity=0)


def upload_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(GroupMeStorage().save("cat.jpg", ContentFile(PHOTO)))


def upload_by_shared_storage(request: HttpRequest) -> HttpResponse:
    return HttpResponse(shared.save("cat.jpg", ContentFile(PHOTO)))


shared = GroupMeStorage()
urlpatterns = [path("own/", upload_view), path("shared/", upload_by_shared_storage)]


async def request_by_asgi(handler: ASGIHandler, url: str) -> bytes:
    scope = {
        "type": "http",
        "method": "GET",
        "path": url,
        "headers": [(b"host", b"testserver")],
        "query_string": b"",
    }
    incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request"})
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await handler(scope, incoming.get, send)
    assert sent[0]["status"] == 200
    return bytes(sent[1]["body"])


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/own/", "/shared/"])
def test_asgi_requests_that_end_leave_no_socket(settings, service, url):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []

    async def thirty_requests() -> None:
        handler = ASGIHandler()
        for _ in range(30):
            assert (await request_by_asgi(handler, url)).startswith(service.encode())

    with no_more_descriptors(allowed=1):
        asyncio.run(thirty_requests())


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gc, os, sys
import gevent
from django_groupme_images.client import GroupMeClient

photo = bytes.fromhex(sys.argv[2])
client = GroupMeClient("t0ken", upload_url=sys.argv[1] + "pictures", cdn_url=sys.argv[1])
gevent.spawn(client.upload, photo).get()
gc.disable()
before = len(os.listdir("/proc/self/fd"))
gevent.joinall([gevent.spawn(client.upload, photo) for _ in range(40)], raise_error=True)
print(len(os.listdir("/proc/self/fd")) - before)
"""


def test_greenlets_that_end_leave_no_socket(service):
    pytest.importorskip("gevent")
    arguments = [sys.executable, "-c", GREENLETS, service, PHOTO.hex()]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout) <= 1


@pytest.mark.parametrize("amount", [0, 10, 3_000_000, -1])
@pytest.mark.parametrize("is_closed", [False, True])
def test_files_that_are_partly_read_leave_no_socket_and_no_temporary_file(amount, is_closed):
    storage = GroupMeStorage()
    name = storage.save("cat.jpg", ContentFile(LARGE))
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            file = storage.open(name)
            assert LARGE.startswith(file.read(amount))
            if is_closed:
                file.close()
        del file


@pytest.mark.parametrize("is_closed", [False, True])
def test_file_whose_download_breaks_off_leaves_no_socket_and_no_temporary_file(is_closed):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    broken = answering(head + LARGE[:3_000_000])
    with no_more_descriptors(allowed=1), server(*[broken] * 5) as (url, _):
        storage = GroupMeStorage(cdn_url=url, max_retries=0)
        for _ in range(5):
            file = storage.open(f"{url}1x1.jpeg.1")
            with pytest.raises(ServiceError):
                file.read()
            if is_closed:
                file.close()
        del file, storage


class Pipe(io.RawIOBase):
    """A stream that can neither seek nor tell its position."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        return self._data.readinto(buffer)


@pytest.mark.parametrize("is_image", [True, False])
def test_streams_that_are_spooled_leave_no_temporary_file(client, is_image):
    large = pictures.plain("GIF", size=(2000, 2000)) + bytes(2_000_000)
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            with suppress(ServiceError):
                client.upload(Pipe(large if is_image else bytes(2_000_000)))
