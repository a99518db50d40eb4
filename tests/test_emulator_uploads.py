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

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = {"X-Access-Token": "any"}


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


def upload(server: EmulatorServer, data: Any, **options: Any) -> requests.Response:
    return requests.post(server.upload_url, data, headers=TOKEN, timeout=10, **options)


def refusal(answer: requests.Response) -> str:
    content = answer.json()
    assert content["response"] is None
    assert content["meta"]["code"] == answer.status_code
    return str(content["meta"]["errors"][0])


def exchange(server: EmulatorServer, request: bytes) -> bytes:
    """What the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("jpeg", "48x32.jpeg"),
        ("png", "48x32.png"),
        ("gif", "48x32.gif"),
        ("moving", "40x30.gif"),
        ("multi picture", "48x32.jpeg"),
        ("cmyk", "48x32.jpeg"),
        ("16 bits", "48x32.png"),
        ("on its side", "32x48.jpeg"),
        ("upside down", "48x32.jpeg"),
        ("one pixel", "1x1.png"),
        ("line", "65000x1.jpeg"),
    ],
)
def test_the_url_says_what_was_uploaded(server: EmulatorServer, kind: str, name: str) -> None:
    data = pictures.KINDS[kind]
    payload = upload(server, data).json()["payload"]
    assert payload["url"] == payload["picture_url"]
    assert payload["url"].startswith(f"{server.cdn_url}{name}.")
    assert len(Picture.parse(payload["url"], server.cdn_url).id) == 32
    assert requests.get(payload["url"], timeout=10).content == data


def test_the_same_bytes_twice_get_two_urls(server: EmulatorServer) -> None:
    answers = [upload(server, pictures.plain()).json()["payload"]["url"] for _ in range(2)]
    assert len(set(answers)) == 2


@pytest.mark.parametrize(
    "content_type", [None, "image/png", "application/json", "application/x-www-form-urlencoded"]
)
def test_any_content_type_or_none(server: EmulatorServer, content_type: str | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = TOKEN | ({"Content-Type": content_type} if content_type else {})
    connection.request("POST", "/pictures", pictures.plain(), headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    connection.close()


def test_a_form_with_the_part_file(server: EmulatorServer) -> None:
    data = pictures.plain(size=(300, 200))
    answer = upload(
        server,
        {"file": "a field named as the part, but of the query", "caption": "none"},
        files=[("file", ("cat.jpg", data, "image/jpeg")), ("other", ("dog.jpg", b"dog"))],
    )
    assert refusal(answer) == NOT_WHOLE, "the first part named file is taken"
    answer = upload(server, {"caption": "none"}, files={"file": ("cat.jpg", data)})
    assert requests.get(answer.json()["payload"]["url"], timeout=10).content == data


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data", b"x", "multipart/form-data needs a boundary"),
        ("multipart/form-data; boundary=é", b"x", "multipart/form-data needs a boundary"),
        (
            "multipart/form-data; boundary*=no-charset'en'%41",
            b"x",
            "multipart/form-data needs a boundary",
        ),
        ("multipart/form-data; boundary=b", b"no parts", "the form has no part named file"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--',
            "the form has no part named file",
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
def test_a_form_without_a_picture(
    server: EmulatorServer, content_type: str, body: bytes, message: str
) -> None:
    headers = TOKEN | {"Content-Type": content_type.encode()}
    answer = requests.post(server.upload_url, body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert refusal(answer) == message


@pytest.mark.parametrize("way", ["?access_token=secret", "?token=secret", "header"])
def test_ways_of_the_token(way: str) -> None:
    with EmulatorServer(token="secret") as server:
        query, headers = (way, {}) if way != "header" else ("", {"X-Access-Token": "secret"})
        url = server.upload_url + query
        answer = requests.post(url, pictures.plain(), headers=headers, timeout=10)
        assert answer.status_code == 200


FILE = ("file", ("cat.jpg", pictures.plain(), "image/jpeg"))


@pytest.mark.parametrize("name", ["access_token", "token"])
@pytest.mark.parametrize("is_first", [True, False])
def test_token_in_form_field_is_accepted(name: str, is_first: bool) -> None:
    field = (name, (None, "secret"))
    fields = [field, FILE] if is_first else [FILE, field]
    with EmulatorServer(token="secret") as server:
        answer = requests.post(server.upload_url, files=fields, timeout=10)
        assert answer.status_code == 200
        url = answer.json()["payload"]["url"]
        assert requests.get(url, timeout=10).content == pictures.plain()
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
def test_form_without_the_right_token_is_rejected(
    fields: list[Any], headers: dict[str, str]
) -> None:
    with EmulatorServer(token="secret") as server:
        answer = requests.post(server.upload_url, files=fields, headers=headers, timeout=10)
        assert refusal(answer) == "unauthorized"
        assert [path for path in server.store.directory.rglob("*") if path.is_file()] == []


def test_form_with_url_needs_token_in_request(server: EmulatorServer) -> None:
    url = f"{server.upload_url}?url=http://127.0.0.1:1/"
    answer = requests.post(url, files=[("token", (None, "t"))], timeout=10)
    assert answer.status_code == 401


@pytest.mark.parametrize("headers", [{}, {"X-Access-Token": "wrong"}, {"X_Access_Token": "secret"}])
def test_without_the_right_token(headers: dict[str, str]) -> None:
    with EmulatorServer(token="secret") as server:
        answer = requests.post(server.upload_url, pictures.plain(), headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json() == {
            "meta": {"code": 401, "errors": ["unauthorized"]},
            "response": None,
        }


NOT_WHOLE = "the body is not an image, or not a whole one"
NO_PICTURES = {
    "empty": (b"", "the body is empty"),
    "text": (b"this is cat.jpg", NOT_WHOLE),
    "half a jpeg": (pictures.plain("JPEG", (500, 500))[:-400], NOT_WHOLE),
    "half a png": (pictures.plain("PNG", (500, 500))[:-400], NOT_WHOLE),
    "bmp": (pictures.plain("BMP"), "BMP is not accepted, only gif, jpeg, png"),
    "webp": (pictures.plain("WEBP"), "WEBP is not accepted, only gif, jpeg, png"),
    "tiff": (pictures.plain("TIFF"), "TIFF is not accepted, only gif, jpeg, png"),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture(server: EmulatorServer, kind: str) -> None:
    data, message = NO_PICTURES[kind]
    answer = upload(server, data)
    assert answer.status_code == 400
    assert refusal(answer) == message
    assert list((server.store.directory / ".incoming").iterdir()) == []


def test_an_eps_does_not_run_ghostscript(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **_: ran.append(args))
    answer = upload(server, pictures.plain("EPS"))
    assert refusal(answer) == "EPS is not accepted, only gif, jpeg, png"
    assert ran == []


IGNORED = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.mark.parametrize("factor", [1.5, pytest.param(1.5, marks=IGNORED), 3])
def test_decompression_bombs(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    data = pictures.bomb(int(1_000_000 * factor))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    answer = upload(server, data)
    assert answer.status_code == 400
    assert refusal(answer) == "the image has too many pixels"


def test_other_assumptions() -> None:
    assumptions = Assumptions(
        formats={"WEBP": "webp"}, answer_with_picture_url=False, unauthorized_code=40100
    )
    with EmulatorServer(assumptions=assumptions) as server:
        payload = upload(server, pictures.plain("WEBP")).json()["payload"]
        assert list(payload) == ["url"]
        assert ".webp." in payload["url"]
        answer = requests.post(server.upload_url, b"", timeout=10)
        assert answer.json()["meta"]["code"] == 40100


def test_upload_status_201() -> None:
    with EmulatorServer(assumptions=Assumptions(upload_status=201)) as server:
        answer = upload(server, pictures.plain())
        assert (answer.status_code, answer.reason) == (201, "Created")
        client = GroupMeClient("any", upload_url=server.upload_url, cdn_url=server.cdn_url)
        assert client.upload(pictures.plain()).url.startswith(server.cdn_url)


def test_dimensions_as_stored() -> None:
    with EmulatorServer(assumptions=Assumptions(dimensions_as_displayed=False)) as server:
        assert "/48x32." in upload(server, pictures.turned(6)).json()["payload"]["url"]


def test_a_url_without_dimensions() -> None:
    with EmulatorServer(assumptions=Assumptions(url_with_dimensions=False)) as server:
        url = upload(server, pictures.plain()).json()["payload"]["url"]
        assert len(url.removeprefix(server.cdn_url)) == 32
        assert requests.get(url, timeout=10).content == pictures.plain()


def test_no_limit_of_pixels(server: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert upload(server, pictures.plain()).status_code == 200


def test_a_chunked_body_is_refused(server: EmulatorServer) -> None:
    answer = upload(server, iter([b"x" * 100_000] * 20))
    assert answer.status_code == 411
    assert answer.headers["Connection"] == "close"
    assert refusal(answer) == "an upload needs a Content-Length"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 411),
        ("Content-Length: many\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
    ],
)
def test_a_body_of_unknown_length(server: EmulatorServer, header: str, status: int) -> None:
    request = (
        f"POST /pictures?token=t HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n{header}\r\nxx"
    )
    assert exchange(server, request.encode()).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_that_breaks_off(server: EmulatorServer) -> None:
    head = b"POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head + pictures.plain())
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        assert "shorter than its Content-Length" in answer.read().decode()


def test_a_refusal_does_not_ask_for_the_body(server: EmulatorServer) -> None:
    head = (
        b"POST /pictures HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


def test_an_upload_asks_for_the_body(server: EmulatorServer) -> None:
    data = pictures.plain()
    head = (
        "POST /pictures?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_twenty_threads(server: EmulatorServer) -> None:
    data = [pictures.plain(size=(100 + number, 50)) for number in range(20)]
    barrier = threading.Barrier(20)

    def upload_at_once(picture: bytes) -> bytes:
        barrier.wait()
        url = upload(server, picture).json()["payload"]["url"]
        assert requests.get(f"{url}.preview", timeout=10).status_code == 200
        return requests.get(url, timeout=10).content

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(upload_at_once, data)) == data
