"""Open sockets and temporary files after threads, clients, tasks, requests, and commands."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
import requests
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile, File
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import path

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import ServiceError, UploadRejected
from django_groupme_images.pictures import Picture
from django_groupme_images.signals import picture_uploaded, upload_failed
from django_groupme_images.storage import GroupMeStorage
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.asgi import request
from tests.support.deadlines import DEADLINE
from tests.support.descriptors import CAN_COUNT, no_more_descriptors
from tests.support.streams import UnseekableStream
from tests.testapp.models import Member

from .failures import each_failure
from .servers import PHOTO, read_request, respond_with, server, upload_response

pytestmark = [
    pytest.mark.any_django,
    pytest.mark.skipif(not CAN_COUNT, reason="the system does not list open descriptors"),
]


# This is more than a spooled file keeps in memory, and more than the socket buffers hold.
LARGE = PHOTO + bytes(8_000_000)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Yield the URL of an emulator in another process, whose sockets do not count."""
    command = [sys.executable, "-m", "django_groupme_images.emulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture(autouse=True)
def project_on_service(settings, service):
    settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{service}pictures", service
    # The first upload imports modules, and opens what a process keeps open.
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


@each_failure
def test_threads_that_end_after_a_failed_upload_leave_no_socket(failure):
    errors = []

    def upload(url: str) -> None:
        try:
            new_client(url, timeout=failure.timeout, max_retry_wait=0.01).upload(failure.file)
        except ServiceError as error:
            errors.append(type(error))

    # The first server opens sockets that the process keeps.
    with no_more_descriptors(allowed=1):
        for _ in range(3):
            with failure.run_server() as (url, _):
                run_in_threads(1, lambda url=url: upload(url))
    assert errors == [failure.error] * 3


@pytest.mark.parametrize("data", [b"no image", bytes(2_000_000)])
def test_threads_that_end_after_a_rejected_upload_leave_no_socket(client, data):
    def upload() -> None:
        with pytest.raises(ServiceError):
            client.upload(data)

    with no_more_descriptors(allowed=1):
        run_in_threads(50, upload)


def test_threads_that_end_after_a_save_to_the_fallback_leave_no_socket(service, fallback):
    fault = {"kind": "status", "status": 503, "times": 20}
    requests.post(f"{service}_emulator/faults", json=fault, timeout=DEADLINE).raise_for_status()
    storage = GroupMeStorage()
    with no_more_descriptors(allowed=1):
        run_in_threads(20, lambda: storage.save("cat.jpg", ContentFile(PHOTO)))
    assert len(fallback.listdir("")[1]) == 20


def test_failed_saves_with_receiver_that_keeps_error_and_fails_leave_no_socket(service):
    kept = []

    def keep_and_fail(*, error: ServiceError, **kwargs: object) -> None:
        kept.append(error)
        raise ValueError("a receiver of this project")

    fault = {"kind": "status", "status": 400, "times": 20}
    requests.post(f"{service}_emulator/faults", json=fault, timeout=DEADLINE).raise_for_status()
    storage = GroupMeStorage()

    def save() -> None:
        with suppress(UploadRejected):
            storage.save("cat.jpg", ContentFile(PHOTO))

    upload_failed.connect(keep_and_fail)
    with no_more_descriptors(allowed=1):
        run_in_threads(20, save)
    upload_failed.disconnect(keep_and_fail)
    assert len(kept) == 20


def test_clients_that_are_dropped_leave_no_socket(service):
    with no_more_descriptors(allowed=1):
        for _ in range(20):
            new_client(service).upload(PHOTO)


def test_storages_that_are_dropped_leave_no_socket():
    with no_more_descriptors(allowed=1):
        for _ in range(20):
            GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))
        gc.collect()  # A storage and its client refer to each other.


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


async def upload_until_cancelled(http_request: HttpRequest) -> HttpResponse:
    try:
        return HttpResponse(await sync_to_async(shared.save)("cat.jpg", ContentFile(LARGE)))
    except asyncio.CancelledError:
        cancelled.set()
        raise


def send_image(http_request: HttpRequest, name: str) -> FileResponse:
    return FileResponse(Member(photo=f"{shared.cdn_url}{name}").photo.open())


async def chunks(file: File) -> AsyncIterator[bytes]:
    while chunk := await sync_to_async(file.read)(64 * 1024):
        yield chunk


async def send_image_in_chunks(http_request: HttpRequest, name: str) -> FileResponse:
    response = await sync_to_async(send_image)(http_request, name)
    response.streaming_content = chunks(response.file_to_stream)
    return response


shared = GroupMeStorage()
cancelled = threading.Event()
urlpatterns = [
    path("own/", upload_view),
    path("shared/", upload_by_shared_storage),
    path("cancelled/", upload_until_cancelled),
    path("image/<name>", send_image),
    path("chunks/<name>", send_image_in_chunks),
]


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/own/", "/shared/"])
def test_asgi_requests_that_end_leave_no_socket(settings, service, url):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []

    async def thirty_requests() -> None:
        handler = ASGIHandler()
        for _ in range(30):
            assert (await request(handler, url)).body.startswith(service.encode())

    with no_more_descriptors(allowed=1):
        asyncio.run(thirty_requests())


def test_asgi_request_cancelled_during_upload_leaves_no_socket(settings):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    uploading = threading.Event()
    names = []

    def respond_after_cancellation(connection: socket.socket) -> None:
        read_request(connection)
        uploading.set()
        assert cancelled.wait(DEADLINE)
        connection.sendall(upload_response(settings.GROUPME_CDN_URL).encode())

    def append_url(*, picture: Picture, **kwargs: object) -> None:
        names.append(picture.url)

    picture_uploaded.connect(append_url)
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            uploading.clear()
            cancelled.clear()
            with server(respond_after_cancellation) as (url, _):
                settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
                sent = asyncio.run(
                    request(ASGIHandler(), "/cancelled/", is_left=lambda sent: uploading.is_set())
                )
                assert sent.status is None
                # The thread finishes the upload.
                assert names.pop() == f"{url}1x1.png.123456789"
    picture_uploaded.disconnect(append_url)


@pytest.mark.django_db
@pytest.mark.parametrize("read", [0, 1, 200])
def test_file_responses_that_are_closed_leave_no_socket_and_no_temporary_file(read):
    name = shared.save("cat.jpg", ContentFile(LARGE))
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            response = send_image(HttpRequest(), name.rpartition("/")[2])
            content = response.streaming_content
            for _ in range(read):
                next(content)
            response.close()


@pytest.mark.django_db
@pytest.mark.parametrize("is_left", [True, False])
def test_asgi_file_responses_that_end_leave_no_socket_and_no_temporary_file(settings, is_left):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    path = f"/chunks/{shared.save('cat.jpg', ContentFile(LARGE)).rpartition('/')[2]}"
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            sent = asyncio.run(
                request(ASGIHandler(), path, is_left=lambda sent: is_left and bool(sent.body))
            )
            assert (sent.body == LARGE) is not is_left


@pytest.mark.parametrize("size", [0, 10, 3_000_000, -1])
@pytest.mark.parametrize("is_closed", [False, True])
def test_files_that_are_partly_read_leave_no_socket_and_no_temporary_file(size, is_closed):
    storage = GroupMeStorage()
    name = storage.save("cat.jpg", ContentFile(LARGE))
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            file = storage.open(name)
            assert LARGE.startswith(file.read(size))
            if is_closed:
                file.close()
        del file


@pytest.mark.parametrize("is_closed", [False, True])
def test_file_after_failed_download_leaves_no_socket_and_no_temporary_file(is_closed):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    broken = respond_with(head + LARGE[:3_000_000])
    with no_more_descriptors(allowed=1), server(*[broken] * 5) as (url, _):
        storage = GroupMeStorage(cdn_url=url, max_retries=0)
        for _ in range(5):
            file = storage.open(f"{url}1x1.jpeg.1")
            with pytest.raises(ServiceError):
                file.read()
            if is_closed:
                file.close()
        del file, storage


@pytest.mark.parametrize("is_image", [True, False])
def test_streams_that_are_spooled_leave_no_temporary_file(client, is_image):
    large = pictures.plain("GIF", size=(2000, 2000)) + bytes(2_000_000)
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            with suppress(ServiceError):
                client.upload(UnseekableStream(large if is_image else bytes(2_000_000)))
