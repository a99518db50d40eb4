"""Tests of uploads: URLs, forms, tokens, rejected images, and bodies."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import EpsImagePlugin, Image

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.emulator_requests import TOKEN, error_message, exchange, upload

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("jpeg", "48x32.jpeg"),
        ("png", "48x32.png"),
        ("gif", "48x32.gif"),
        ("animated", "40x30.gif"),
        ("multi picture", "48x32.jpeg"),
        ("cmyk", "48x32.jpeg"),
        ("16 bits", "48x32.png"),
        ("on its side", "32x48.jpeg"),
        ("upside down", "48x32.jpeg"),
        ("one pixel", "1x1.png"),
        ("line", "65000x1.jpeg"),
    ],
)
def test_upload_returns_url_with_dimensions_and_format(
    server: EmulatorServer, kind: str, name: str
) -> None:
    data = pictures.KINDS[kind]
    payload = upload(server, data).json()["payload"]
    assert payload["url"] == payload["picture_url"]
    assert payload["url"].startswith(f"{server.cdn_url}{name}.")
    assert len(Picture.parse(payload["url"], server.cdn_url).id) == 32
    assert requests.get(payload["url"], timeout=DEADLINE).content == data


def test_upload_of_same_bytes_twice_returns_two_urls(server: EmulatorServer) -> None:
    urls = [upload(server, pictures.plain()).json()["payload"]["url"] for _ in range(2)]
    assert len(set(urls)) == 2


@pytest.mark.parametrize(
    "content_type", [None, "image/png", "application/json", "application/x-www-form-urlencoded"]
)
def test_upload_with_any_content_type_is_accepted(
    server: EmulatorServer, content_type: str | None
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    headers = TOKEN | ({"Content-Type": content_type} if content_type else {})
    connection.request("POST", "/pictures", pictures.plain(), headers)
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json;charset=utf-8"
    connection.close()


def test_form_with_file_part_is_accepted(server: EmulatorServer) -> None:
    data = pictures.plain(size=(300, 200))
    response = upload(
        server,
        {"file": "a field named as the part, but of the query", "caption": "none"},
        files=[("file", ("cat.jpg", data, "image/jpeg")), ("other", ("dog.jpg", b"dog"))],
    )
    assert error_message(response) == NOT_COMPLETE, "the first part named file is taken"
    response = upload(server, {"caption": "none"}, files={"file": ("cat.jpg", data)})
    assert requests.get(response.json()["payload"]["url"], timeout=DEADLINE).content == data


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data", b"x", "multipart/form-data requires a boundary"),
        ("multipart/form-data; boundary=é", b"x", "multipart/form-data requires a boundary"),
        (
            "multipart/form-data; boundary*=no-charset'en'%41",
            b"x",
            "multipart/form-data requires a boundary",
        ),
        ("multipart/form-data; boundary=b", b"no parts", "the form has no field named file"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--',
            "the form has no field named file",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n\r\n--b--',
            "the body is empty",
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; " + b"x" * 9000,
            "the body is not multipart/form-data",
        ),
    ],
)
def test_form_without_image_is_rejected(
    server: EmulatorServer, content_type: str, body: bytes, message: str
) -> None:
    headers = TOKEN | {"Content-Type": content_type.encode()}
    response = requests.post(server.upload_url, body, headers=headers, timeout=DEADLINE)
    assert response.status_code == 400
    assert error_message(response) == message


@pytest.mark.parametrize("location", ["?access_token=secret", "?token=secret", "header"])
def test_token_in_query_or_header_is_accepted(location: str) -> None:
    with EmulatorServer(token="secret") as server:
        query, headers = (
            (location, {}) if location != "header" else ("", {"X-Access-Token": "secret"})
        )
        url = server.upload_url + query
        response = requests.post(url, pictures.plain(), headers=headers, timeout=DEADLINE)
        assert response.status_code == 200


FILE = ("file", ("cat.jpg", pictures.plain(), "image/jpeg"))


@pytest.mark.parametrize("name", ["access_token", "token"])
@pytest.mark.parametrize("is_first", [True, False])
def test_token_in_form_field_is_accepted(name: str, is_first: bool) -> None:
    field = (name, (None, "secret"))
    fields = [field, FILE] if is_first else [FILE, field]
    with EmulatorServer(token="secret") as server:
        response = requests.post(server.upload_url, files=fields, timeout=DEADLINE)
        assert response.status_code == 200
        url = response.json()["payload"]["url"]
        assert requests.get(url, timeout=DEADLINE).content == pictures.plain()
        assert "secret" not in str(server.app.record.as_list())


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ([FILE], {}),
        ([FILE, ("token", (None, "wrong"))], {}),
        ([FILE, ("token", (None, ""))], {}),
        ([FILE, ("other", (None, "secret"))], {}),
        ([FILE, ("token", (None, "secret" + "x" * 5000))], {}),
        ([("token", (None, "secret")), FILE], {"X-Access-Token": "wrong"}),
    ],
)
def test_form_without_valid_token_is_rejected(fields: list[Any], headers: dict[str, str]) -> None:
    with EmulatorServer(token="secret") as server:
        response = requests.post(server.upload_url, files=fields, headers=headers, timeout=DEADLINE)
        assert error_message(response) == "unauthorized"
        assert [path for path in server.store.directory.rglob("*") if path.is_file()] == []


def test_form_with_url_and_token_in_body_is_rejected(server: EmulatorServer) -> None:
    url = f"{server.upload_url}?url=http://127.0.0.1:1/"
    response = requests.post(url, files=[("token", (None, "t"))], timeout=DEADLINE)
    assert response.status_code == 401


@pytest.mark.parametrize("headers", [{}, {"X-Access-Token": "wrong"}, {"X_Access_Token": "secret"}])
def test_upload_without_valid_token_returns_401(headers: dict[str, str]) -> None:
    with EmulatorServer(token="secret") as server:
        response = requests.post(
            server.upload_url, pictures.plain(), headers=headers, timeout=DEADLINE
        )
        assert response.status_code == 401
        assert response.json() == {
            "meta": {"code": 401, "errors": ["unauthorized"]},
            "response": None,
        }


NOT_COMPLETE = "the body is not a complete image"
INVALID_IMAGES = {
    "empty": (b"", "the body is empty"),
    "text": (b"this is cat.jpg", NOT_COMPLETE),
    "half a jpeg": (pictures.plain("JPEG", (500, 500))[:-400], NOT_COMPLETE),
    "half a png": (pictures.plain("PNG", (500, 500))[:-400], NOT_COMPLETE),
    "bmp": (pictures.plain("BMP"), "the format BMP is not accepted; use gif, jpeg, png"),
    "webp": (pictures.plain("WEBP"), "the format WEBP is not accepted; use gif, jpeg, png"),
    "tiff": (pictures.plain("TIFF"), "the format TIFF is not accepted; use gif, jpeg, png"),
}


@pytest.mark.parametrize("kind", INVALID_IMAGES)
def test_upload_of_invalid_image_is_rejected(server: EmulatorServer, kind: str) -> None:
    data, message = INVALID_IMAGES[kind]
    response = upload(server, data)
    assert response.status_code == 400
    assert error_message(response) == message
    assert list((server.store.directory / ".incoming").iterdir()) == []


def test_upload_of_eps_does_not_run_ghostscript(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **_: ran.append(args))
    response = upload(server, pictures.plain("EPS"))
    assert error_message(response) == "the format EPS is not accepted; use gif, jpeg, png"
    assert ran == []


IGNORED = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.mark.parametrize("factor", [1.5, pytest.param(1.5, marks=IGNORED), 3])
def test_upload_of_decompression_bomb_is_rejected(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    data = pictures.bomb(int(1_000_000 * factor))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    response = upload(server, data)
    assert response.status_code == 400
    assert error_message(response) == "the image has too many pixels"


def test_upload_with_other_assumptions_follows_them() -> None:
    assumptions = Assumptions(
        formats={"WEBP": "webp"}, answer_with_picture_url=False, unauthorized_code=40100
    )
    with EmulatorServer(assumptions=assumptions) as server:
        payload = upload(server, pictures.plain("WEBP")).json()["payload"]
        assert list(payload) == ["url"]
        assert ".webp." in payload["url"]
        response = requests.post(server.upload_url, b"", timeout=DEADLINE)
        assert response.json()["meta"]["code"] == 40100


def test_upload_with_upload_status_201_is_accepted_by_client() -> None:
    with EmulatorServer(assumptions=Assumptions(upload_status=201)) as server:
        response = upload(server, pictures.plain())
        assert (response.status_code, response.reason) == (201, "Created")
        client = GroupMeClient("any", upload_url=server.upload_url, cdn_url=server.cdn_url)
        assert client.upload(pictures.plain()).url.startswith(server.cdn_url)


def test_upload_with_stored_dimensions_returns_them_in_url() -> None:
    with EmulatorServer(assumptions=Assumptions(dimensions_as_displayed=False)) as server:
        assert "/48x32." in upload(server, pictures.rotated(6)).json()["payload"]["url"]


def test_upload_without_dimensions_in_url_is_served() -> None:
    with EmulatorServer(assumptions=Assumptions(url_with_dimensions=False)) as server:
        url = upload(server, pictures.plain()).json()["payload"]["url"]
        assert len(url.removeprefix(server.cdn_url)) == 32
        assert requests.get(url, timeout=DEADLINE).content == pictures.plain()


def test_upload_without_pixel_limit_is_accepted(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert upload(server, pictures.plain()).status_code == 200


def test_chunked_upload_by_default_is_rejected(server: EmulatorServer) -> None:
    response = upload(server, iter([b"x" * 100_000] * 20))
    assert response.status_code == 411
    assert response.headers["Connection"] == "close"
    assert error_message(response) == "an upload requires a Content-Length header"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 411),
        ("Content-Length: many\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
    ],
)
def test_upload_with_invalid_content_length_is_rejected(
    server: EmulatorServer, header: str, status: int
) -> None:
    request = (
        f"POST /pictures?token=t HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n{header}\r\nxx"
    )
    assert exchange(server, request.encode()).startswith(f"HTTP/1.1 {status} ".encode())


def test_upload_shorter_than_content_length_is_rejected(server: EmulatorServer) -> None:
    head = b"POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head + pictures.plain())
        connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 400
        assert "shorter than its Content-Length" in response.read().decode()


def test_rejected_upload_with_expect_header_gets_no_100_continue(server: EmulatorServer) -> None:
    head = (
        b"POST /pictures HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head)
        response = connection.recv(65536)
    assert response.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in response


def test_accepted_upload_with_expect_header_gets_100_continue(server: EmulatorServer) -> None:
    data = pictures.plain()
    head = (
        "POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_uploads_from_twenty_threads_are_all_stored(server: EmulatorServer) -> None:
    data = [pictures.plain(size=(100 + number, 50)) for number in range(20)]
    barrier = threading.Barrier(20)

    def upload_concurrently(picture: bytes) -> bytes:
        barrier.wait()
        url = upload(server, picture).json()["payload"]["url"]
        assert requests.get(f"{url}.preview", timeout=DEADLINE).status_code == 200
        return requests.get(url, timeout=DEADLINE).content

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(upload_concurrently, data)) == data
