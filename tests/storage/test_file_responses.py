"""Tests of files as the content of ``FileResponse``: type, name, size, and requests."""

from __future__ import annotations

import asyncio
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path
from PIL import Image

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import PictureNotFound, ServiceUnavailable, UnexpectedResponse
from django_groupme_images.storage import groupme_storage
from tests.client.faults.servers import respond_with, server
from tests.support import emulator_pictures as pictures
from tests.support.asgi import request
from tests.support.urls_of_pictures import LEGACY
from tests.testapp.models import Member

# Closing a response closes old database connections, which requires database access.
pytestmark = pytest.mark.django_db

# This image is larger than one block of a response.
LARGE = pictures.encoded(Image.effect_noise((600, 600), 90), "PNG", compress_level=0)


@pytest.fixture
def name(emulator) -> str:
    """The name of an image whose upload is not in the request log."""
    saved = groupme_storage.save("cat.png", ContentFile(LARGE))
    emulator.app.record.clear()
    return saved


@pytest.fixture
def legacy_name(emulator, name) -> str:
    """The URL of the same image without its dimensions and format."""
    return f"{emulator.cdn_url}{name.rpartition('.')[2]}"


# content_type


@pytest.mark.parametrize(
    ("image_format", "content_type"),
    [
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("png", "image/png"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("svg+xml", "application/octet-stream"),
        ("xml", "application/octet-stream"),
    ],
)
def test_content_type_of_url_with_format_performs_no_io(
    emulator, list_requests, image_format, content_type
):
    with groupme_storage.open(f"{emulator.cdn_url}8x6.{image_format}.123456789") as file:
        assert file.content_type == content_type
    assert list_requests() == []


CONTENT_TYPES = {
    "Content-Type: image/png": "image/png",
    "content-type: Image/PNG": "image/png",
    "Content-Type: image/jpeg; charset=binary": "image/jpeg",
    "Content-Type: image/jpg": "image/jpeg",
    "Content-Type: image/vnd.microsoft.icon": "image/vnd.microsoft.icon",
    "Content-Type: image/svg+xml": "application/octet-stream",
    "Content-Type: IMAGE/SVG+XML;charset=utf-8": "application/octet-stream",
    "Content-Type: text/html": "application/octet-stream",
    "Content-Type: text/html; image/png": "application/octet-stream",
    "Content-Type: image/png, text/html": "application/octet-stream",
    "Content-Type: image/": "application/octet-stream",
    "Content-Type: image/é": "application/octet-stream",
    "Content-Type: image/<script>": "application/octet-stream",
    "Content-Type: image/png\r\n\ttext/html": "application/octet-stream",
    f"Content-Type: image/{'a' * 200}": "application/octet-stream",
    "Content-Type:": "application/octet-stream",
    "X-Other: 1": "application/octet-stream",
}


@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize("header", CONTENT_TYPES)
def test_content_type_of_url_without_format_is_that_of_response(settings, header, is_read):
    body = "cat" if is_read else ""
    response = f"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{header}\r\n\r\n{body}"
    with server(respond_with(response.encode("latin-1"))) as (url, seen):
        settings.GROUPME_CDN_URL = url
        with groupme_storage.open(f"{url}123456789") as file:
            if is_read:
                assert file.read() == b"cat"
            assert file.content_type == CONTENT_TYPES[header]
            assert file.size == 3
        assert len(seen) == 1


def test_content_type_and_size_of_url_without_format_make_one_request(legacy_name, list_requests):
    with groupme_storage.open(legacy_name) as file:
        assert list_requests() == []
        assert (file.content_type, file.size) == ("image/png", len(LARGE))
        assert (file.content_type, file.size) == ("image/png", len(LARGE))
        assert [request.split()[0] for request in list_requests()] == ["HEAD"]


def test_content_type_of_partly_read_file_makes_no_request(legacy_name, list_requests):
    with groupme_storage.open(legacy_name) as file:
        file.read(1)
        assert (file.content_type, file.size) == ("image/png", len(LARGE))
        assert [request.split()[0] for request in list_requests()] == ["GET"]


def test_content_type_of_missing_image_raises(emulator):
    with groupme_storage.open(f"{emulator.cdn_url}123456789") as file:
        with pytest.raises(PictureNotFound):
            _ = file.content_type


def test_content_type_after_failed_request_is_requested_again(legacy_name, emulator):
    emulator.app.faults.add(Fault("status", status=503, times=1))
    with groupme_storage.open(legacy_name) as file:
        with pytest.raises(ServiceUnavailable):
            _ = file.content_type
        assert file.content_type == "image/png"


def test_size_without_content_length_is_known_after_read(settings):
    response = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    with server(respond_with(f"{response}cat"), respond_with(response)) as (url, seen):
        settings.GROUPME_CDN_URL = url
        with groupme_storage.open(f"{url}123456789") as file:
            assert b"".join(file.chunks()) == b"cat"
            assert file.size == 3
            assert len(seen) == 1
        with groupme_storage.open(f"{url}123456789") as file:
            with pytest.raises(UnexpectedResponse, match="returned no Content-Length"):
                _ = file.size


# FileResponse


def respond(name: str, **options: Any) -> FileResponse:
    photo = Member(photo=name).photo
    content_type = getattr(photo.file, "content_type", None)
    return FileResponse(photo.open(), content_type=content_type, **options)


def headers(response: HttpResponse) -> dict[str, str]:
    return {key: response[key] for key in ("Content-Type", "Content-Length", "Content-Disposition")}


@pytest.mark.parametrize("as_attachment", [True, False])
def test_file_response_makes_one_request(name, list_requests, as_attachment):
    response = respond(name, as_attachment=as_attachment, filename="ada.png")
    assert headers(response) == {
        "Content-Type": "image/png",
        "Content-Length": str(len(LARGE)),
        "Content-Disposition": f'{"attachment" if as_attachment else "inline"}; filename="ada.png"',
    }
    assert response.getvalue() == LARGE
    response.close()
    assert response.file_to_stream.closed
    assert [request.split()[0] for request in list_requests()] == ["GET"]


def test_file_response_with_url_without_format_requests_type_first(legacy_name, list_requests):
    response = respond(legacy_name, filename="ada.png")
    assert headers(response) == {
        "Content-Type": "image/png",
        "Content-Length": str(len(LARGE)),
        "Content-Disposition": 'inline; filename="ada.png"',
    }
    assert response.getvalue() == LARGE
    response.close()
    assert [request.split()[0] for request in list_requests()] == ["HEAD", "GET"]


def test_file_response_without_content_length_from_cdn_has_length(settings):
    response = respond_with("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ncat")
    with server(response) as (url, seen):
        settings.GROUPME_CDN_URL = url
        file_response = respond(f"{url}8x6.png.123456789")
        assert file_response["Content-Length"] == "3"
        assert file_response.getvalue() == b"cat"
        file_response.close()
        assert len(seen) == 1


def test_file_response_with_partly_read_file_sends_complete_file(name, list_requests):
    member = Member(photo=name)
    member.photo.read(10)
    response = FileResponse(member.photo.open())
    assert response["Content-Length"] == str(len(LARGE))
    assert response.getvalue() == LARGE
    response.close()
    assert len(list_requests()) == 1


@pytest.mark.parametrize("is_pending", [True, False])
def test_file_response_with_file_of_another_storage_has_type_and_name(
    settings, fallback, is_pending
):
    if not is_pending:
        settings.STORAGES = settings.STORAGES | {"groupme": settings.STORAGES["default"]}
    response = respond(fallback.save("photos/cat.png", ContentFile(LARGE)))
    assert headers(response) == {
        "Content-Type": "image/png",
        "Content-Length": str(len(LARGE)),
        "Content-Disposition": 'inline; filename="cat.png"',
    }
    assert response.getvalue() == LARGE
    response.close()
    assert response.file_to_stream.closed


@pytest.mark.parametrize("name", [LEGACY.rpartition("/")[2], "8x6.png.123456789"])
def test_file_response_with_missing_image_raises(emulator, name):
    with pytest.raises(FileNotFoundError):
        respond(f"{emulator.cdn_url}{name}")


def test_file_response_with_missing_pending_file_raises(emulator, fallback):
    with pytest.raises(FileNotFoundError):
        respond("photos/cat.png")


# WSGI and ASGI


def image(http_request: HttpRequest) -> FileResponse:
    return respond(http_request.headers["Image"])


async def chunks(file: Any) -> Any:
    while chunk := await sync_to_async(file.read)(64 * 1024):
        yield chunk


async def async_image(http_request: HttpRequest, name: str) -> HttpResponse:
    response = await sync_to_async(respond)(f"{groupme_storage.cdn_url}{name}")
    response.streaming_content = chunks(response.file_to_stream)
    return response


urlpatterns = [path("image/", image), path("async/<name>", async_image)]


@pytest.fixture
def views(settings) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []


@pytest.mark.parametrize("options", [{}, {"wsgi.file_wrapper": FileWrapper}])
def test_wsgi_response_sends_complete_file(views, name, list_requests, options):
    environ = RequestFactory().get("/image/", headers={"Image": name}).environ | options
    started: list[Any] = []
    body = WSGIHandler()(environ, lambda *args: started.append(args))
    assert b"".join(body) == LARGE
    body.close()
    [(status, sent_headers)] = started
    assert status == "200 OK"
    assert ("Content-Length", str(len(LARGE))) in sent_headers
    assert len(list_requests()) == 1


def test_asgi_response_of_async_view_sends_complete_file(views, name, list_requests):
    response = asyncio.run(request(ASGIHandler(), f"/async/{name.rpartition('/')[2]}"))
    assert response.status == 200
    assert response.headers["Content-Length"] == str(len(LARGE))
    assert response.headers["Content-Type"] == "image/png"
    assert response.body == LARGE
    assert len(list_requests()) == 1
