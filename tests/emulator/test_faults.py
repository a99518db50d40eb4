"""Tests of faults, the request log, and the emulator's own API."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest
import requests

from django_groupme_images.emulator import EmulatorApp, EmulatorServer, PictureStore
from django_groupme_images.emulator.http import ConnectionDropped
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE, wait_until

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from pathlib import Path
    from wsgiref.types import WSGIEnvironment


@pytest.fixture
def server(shared_server: EmulatorServer) -> EmulatorServer:
    """The emulator of this module, after a reset."""
    requests.post(f"{shared_server.url}_emulator/reset", timeout=DEADLINE).raise_for_status()
    return shared_server


def add_fault(server: EmulatorServer, **fault: Any) -> requests.Response:
    return requests.post(f"{server.url}_emulator/faults", json=fault, timeout=DEADLINE)


def upload(server: EmulatorServer, **options: Any) -> requests.Response:
    headers = {"X-Access-Token": "secret"}
    return requests.post(
        server.upload_url, pictures.plain(), headers=headers, timeout=DEADLINE, **options
    )


def request_log(server: EmulatorServer) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = requests.get(
        f"{server.url}_emulator/requests", timeout=DEADLINE
    ).json()
    return entries


def test_status_fault_with_times_applies_to_that_many_requests(server: EmulatorServer) -> None:
    assert add_fault(server, kind="status", times=2, status=429).json() == {}
    assert [upload(server).status_code for _ in range(3)] == [429, 429, 200]


def test_status_fault_with_all_options_is_sent(server: EmulatorServer) -> None:
    add_fault(server, kind="status", status=420, headers={"Retry-After": "1"}, body="calm")
    response = upload(server)
    assert (response.status_code, response.reason) == (420, "Enhance Your Calm")
    assert (response.headers["Retry-After"], response.text) == ("1", "calm")
    assert response.headers["Content-Type"] == "text/plain"


def test_status_fault_without_options_is_503(server: EmulatorServer) -> None:
    add_fault(server, kind="status")
    response = upload(server)
    assert response.status_code == 503
    assert response.json()["meta"]["code"] == 503


@pytest.mark.parametrize("status", [204, 304, 599])
def test_status_fault_without_body_or_phrase_is_sent(server: EmulatorServer, status: int) -> None:
    add_fault(server, kind="status", status=status, body="" if status == 599 else "ignored")
    with requests.Session() as session:
        response = session.get(server.cdn_url, timeout=DEADLINE)
        assert (response.status_code, response.content) == (status, b"")
        assert session.get(server.cdn_url, timeout=DEADLINE).status_code == 403


def test_delay_fault_delays_response(server: EmulatorServer) -> None:
    add_fault(server, kind="delay", seconds=0.2)
    start = time.monotonic()
    assert upload(server).status_code == 200
    assert time.monotonic() - start >= 0.2


def test_delay_fault_when_server_stops_is_interrupted() -> None:
    threads = threading.active_count()
    with EmulatorServer() as server:
        add_fault(server, kind="delay", seconds=3600)
        with pytest.raises(requests.Timeout):
            requests.get(server.cdn_url, timeout=0.1)
    wait_until(lambda: threading.active_count() <= threads)


@pytest.mark.parametrize(("before_body", "body_bytes"), [(False, True), (True, False)])
def test_drop_fault_closes_connection_without_response(
    server: EmulatorServer, before_body: bool, body_bytes: bool
) -> None:
    add_fault(server, kind="drop", before_body=before_body)
    with pytest.raises(requests.ConnectionError):
        upload(server)
    entry = request_log(server)[0]
    assert entry["status"] is None
    assert entry["body_bytes"] == (len(pictures.plain()) if body_bytes else 0)
    assert upload(server).status_code == 200


def test_half_fault_on_upload_truncates_response(server: EmulatorServer) -> None:
    add_fault(server, kind="half")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        upload(server)
    assert request_log(server)[0]["status"] == 200


def test_half_fault_on_download_truncates_image(server: EmulatorServer) -> None:
    url = upload(server).json()["payload"]["url"]
    add_fault(server, kind="half", method="GET")
    with requests.get(url, stream=True, timeout=DEADLINE) as response:
        length = int(response.headers["Content-Length"])
        assert len(response.raw.read(length // 2)) == length // 2
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(response.iter_content())
    add_fault(server, kind="half", method="HEAD")
    assert requests.head(url, timeout=DEADLINE).status_code == 200


def test_garbage_fault_sends_invalid_json(server: EmulatorServer) -> None:
    add_fault(server, kind="garbage")
    response = upload(server)
    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()


def test_redirect_fault_sends_location(server: EmulatorServer) -> None:
    add_fault(server, kind="redirect", location="http://127.0.0.1:1/elsewhere")
    response = upload(server, allow_redirects=False)
    assert response.status_code == 302
    assert response.headers["Location"] == "http://127.0.0.1:1/elsewhere"


def test_fault_with_method_or_path_applies_to_matching_requests(server: EmulatorServer) -> None:
    add_fault(server, kind="status", status=500, method="post")
    add_fault(server, kind="status", status=501, path="/cat")
    assert requests.get(f"{server.url}dog", timeout=DEADLINE).status_code == 403
    assert requests.get(f"{server.url}cat", timeout=DEADLINE).status_code == 501
    assert upload(server).status_code == 500
    assert upload(server).status_code == 200


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({}, "kind must be one of status, delay, drop, half, garbage, redirect"),
        ({"kind": "explode"}, "kind must be one of status, delay, drop, half, garbage, redirect"),
        ({"kind": ["status"]}, "kind must be one of status, delay, drop, half, garbage, redirect"),
        (
            {"kind": "half", "status": 500},
            "unknown option 'status'; valid options: kind, method, path, times",
        ),
        (
            {"kind": "half", "self": 1},
            "unknown option 'self'; valid options: kind, method, path, times",
        ),
        ({"kind": "half", "times": 0}, "times must be an integer of 1 or more"),
        ({"kind": "half", "times": True}, "times must be an integer of 1 or more"),
        ({"kind": "half", "method": 1}, "method must be a string"),
        ({"kind": "half", "path": "pictures"}, "path must be a string that starts with /"),
        ({"kind": "half", "path": None}, "path must be a string that starts with /"),
        ({"kind": "status", "status": 100}, "status must be an integer from 200 to 599"),
        ({"kind": "status", "body": {}}, "body must be a string"),
        ({"kind": "delay", "seconds": -1}, "seconds must be a number from 0 to 3600"),
        ({"kind": "delay"}, "the kind delay requires seconds"),
        ({"kind": "redirect"}, "the kind redirect requires location"),
        ({"kind": "redirect", "location": "a\nb"}, "location must be a one-line ASCII string"),
        ({"kind": "drop", "before_body": 1}, "before_body must be true or false"),
    ],
)
def test_fault_with_invalid_options_is_rejected(
    server: EmulatorServer, fault: dict[str, Any], message: str
) -> None:
    response = add_fault(server, **fault)
    assert response.status_code == 400
    assert response.json()["meta"]["errors"] == [message]
    assert upload(server).status_code == 200


@pytest.mark.parametrize(
    "headers", [[], {"A": 1}, {"A": "b\r\nc: d"}, {"A:": "b"}, {"Content-Length": "1"}]
)
def test_fault_with_invalid_headers_is_rejected(server: EmulatorServer, headers: Any) -> None:
    response = add_fault(server, kind="status", headers=headers)
    message = (
        "headers must be an object of one-line ASCII strings, "
        "without content-length and transfer-encoding"
    )
    assert response.json()["meta"]["errors"] == [message]


def test_fault_that_is_too_long_is_rejected(server: EmulatorServer) -> None:
    response = add_fault(server, kind="status", body="x" * 2_000_000)
    assert response.status_code == 413
    assert upload(server).status_code == 200


@pytest.mark.parametrize("text", ["", "{", "[]", b"\xff", "[" * 100_000])
def test_fault_with_invalid_json_is_rejected(server: EmulatorServer, text: str | bytes) -> None:
    response = requests.post(f"{server.url}_emulator/faults", text, timeout=DEADLINE)
    assert response.status_code == 400
    assert response.json()["meta"]["errors"][0].startswith(
        "the body is not a JSON object; kind must be one of"
    )


def test_request_log_contains_request_without_tokens(server: EmulatorServer) -> None:
    url = f"{server.upload_url}?access_token=secret&token=secret&caption=x"
    add_fault(server, kind="status", status=500)
    response = requests.post(
        url, pictures.plain(), headers={"Content-Type": "a/b"}, timeout=DEADLINE
    )
    assert response.status_code == 500
    (entry,) = request_log(server)
    assert entry["headers"].pop("Host") == f"127.0.0.1:{server.port}"
    assert entry["headers"].pop("User-Agent").startswith("python-requests/")
    assert entry.pop("connection") > 1
    assert entry == {
        "method": "POST",
        "path": "/pictures",
        "query": {"access_token": "[redacted]", "token": "[redacted]", "caption": "x"},
        "headers": {
            "Accept": "*/*",
            "Accept-Encoding": entry["headers"]["Accept-Encoding"],
            "Connection": "keep-alive",
            "Content-Length": str(len(pictures.plain())),
            "Content-Type": "a/b",
        },
        "body_bytes": len(pictures.plain()),
        "status": 500,
    }


def test_token_is_redacted_in_request_log_and_output() -> None:
    lines: list[str] = []
    with EmulatorServer(log=lines.append, token="secret") as server:
        upload(server)
        headers = {
            "X-Access-Token": "secret",
            "Authorization": "Bearer secret",
            "Cookie": "secret",
            "Referer": "http://127.0.0.1/?token=secret",
        }
        params = {"%61ccess_token": "secret", "Token": "secret", "url": "http://[?token=secret"}
        for path in ("pictures", "pictures;token=secret", "x%3Ftoken=secret", "cat"):
            url = f"{server.url}{path}?%74oken=secret"
            requests.post(url, b"x", headers=headers, params=params, timeout=DEADLINE)
        requests.post(
            server.upload_url, b"x", headers={"X-Access-Token": "wrong"}, timeout=DEADLINE
        )
        text = str(request_log(server))
    assert len(lines) == 6
    assert lines[0] == "POST /pictures 200"
    for secret in ("secret", "wrong"):
        assert secret not in text
        assert secret not in "".join(lines)


def test_password_is_redacted_in_request_log_and_output() -> None:
    lines: list[str] = []
    urls = ("http://me:secret@[/", "HTTPS://secret@[/", "ftp://me:s%20ecret@h/", "a//b/c@d")
    with EmulatorServer(log=lines.append) as server:
        for url in urls:
            referer = {"Referer": f"http://h/?u=http%3A%2F%2Fme:secret%40h%2F {url}"}
            params = {"url": url, "token": "t"}
            requests.post(server.upload_url, headers=referer, params=params, timeout=DEADLINE)
        entries = request_log(server)
    assert [entry["query"]["url"] for entry in entries] == [
        "http://[redacted]@[/",
        "HTTPS://[redacted]@[/",
        "ftp://[redacted]@h/",
        "a//b/c@d",
    ]
    assert "http%3A%2F%2F[redacted]%40h%2F" in entries[0]["headers"]["Referer"]
    assert "ecret" not in str(entries) + "".join(lines)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a%0aPOST%20/pictures%20200%0a%1b[31mred", "a%0APOST%20/pictures%20200%0A%1B[31mred"),
        ("caf%C3%A9-1.png", "caf%C3%A9-1.png"),
        ("x" * 300, f"{'x' * 199}..."),
        (f"x?y={'z' * 300}", f"x?y={'z' * 197}..."),
    ],
)
def test_output_line_with_special_characters_is_escaped(path: str, line: str) -> None:
    lines: list[str] = []
    with EmulatorServer(log=lines.append) as server:
        requests.get(server.cdn_url + path, timeout=DEADLINE)
    assert lines == [f"GET /{line} 403"]


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError])
def test_log_function_that_raises_does_not_fail_request(error: type[Exception]) -> None:
    def log(_: str) -> None:
        raise error

    with EmulatorServer(log=log) as server:
        assert upload(server).status_code == 200


def test_request_log_numbers_connections(server: EmulatorServer) -> None:
    with requests.Session() as session:
        for _ in range(3):
            session.post(server.upload_url, pictures.plain(), timeout=DEADLINE)
    requests.get(server.cdn_url, timeout=DEADLINE)
    first, second, third, fourth = [entry["connection"] for entry in request_log(server)]
    assert first == second == third != fourth


def test_emulator_api_call_is_neither_logged_nor_faulty(server: EmulatorServer) -> None:
    add_fault(server, kind="status", times=1)
    assert request_log(server) == []
    requests.post(f"{server.url}_emulator/reset", timeout=DEADLINE).raise_for_status()
    assert upload(server).status_code == 200


def test_reset_deletes_images_requests_and_faults(server: EmulatorServer) -> None:
    url = upload(server).json()["payload"]["url"]
    assert requests.get(f"{url}.avatar", timeout=DEADLINE).status_code == 200
    add_fault(server, kind="status")
    requests.post(f"{server.url}_emulator/reset", timeout=DEADLINE).raise_for_status()
    assert request_log(server) == []
    assert requests.get(url, timeout=DEADLINE).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "requests", 405), ("GET", "reset", 405), ("GET", "faults", 405), ("POST", "x", 404)],
)
def test_emulator_api_with_wrong_method_or_path_is_rejected(
    server: EmulatorServer, method: str, path: str, status: int
) -> None:
    response = requests.request(method, f"{server.url}_emulator/{path}", timeout=DEADLINE)
    assert response.status_code == status


def test_delete_faults_keeps_images_and_requests(server: EmulatorServer) -> None:
    url = upload(server).json()["payload"]["url"]
    add_fault(server, kind="status", times=9)
    add_fault(server, kind="drop")
    response = requests.delete(f"{server.url}_emulator/faults", timeout=DEADLINE)
    assert (response.status_code, response.json()) == (200, {})
    assert requests.get(url, timeout=DEADLINE).content == pictures.plain()
    first, second = request_log(server)
    assert (first["method"], second["method"]) == ("POST", "GET")


def test_options_request_uses_no_fault_of_another_method(server: EmulatorServer) -> None:
    add_fault(server, kind="status", status=500)
    assert requests.options(server.upload_url, timeout=DEADLINE).status_code == 204
    assert upload(server).status_code == 500
    add_fault(server, kind="status", status=501, method="OPTIONS")
    assert upload(server).status_code == 200
    assert requests.options(server.upload_url, timeout=DEADLINE).status_code == 501


class Caller:
    """A WSGI server without sockets."""

    def __init__(self, app: EmulatorApp) -> None:
        self.app = app
        self.status = ""

    def __call__(self, method: str, path: str, body: bytes = b"", **more: Any) -> bytes:
        environ: WSGIEnvironment = {"REQUEST_METHOD": method, "PATH_INFO": path}
        environ |= {"HTTP_X_ACCESS_TOKEN": "t", "CONTENT_LENGTH": str(len(body))} | more
        setup_testing_defaults(environ)
        environ["wsgi.input"].write(body + b"the next request")
        environ["wsgi.input"].seek(0)
        blocks = self.app(environ, self._start_response)
        try:
            return b"".join(blocks)
        finally:
            if close := getattr(blocks, "close", None):
                close()

    def _start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.status = status


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(EmulatorApp(PictureStore(tmp_path)))


def test_app_in_another_wsgi_server_stores_and_serves_images(call: Caller) -> None:
    response = call("POST", "/pictures", pictures.plain(), SCRIPT_NAME="/groupme")
    assert b'"http://127.0.0.1/groupme/48x32.jpeg.' in response
    picture_id = response.rpartition(b".")[2][:32].decode()
    assert call("GET", f"/{picture_id}") == pictures.plain()
    assert call.app.record.as_list()[0]["connection"] is None


def test_connection_faults_in_another_wsgi_server_raise(call: Caller) -> None:
    call("POST", "/_emulator/faults", b'{"kind": "drop"}')
    call("POST", "/_emulator/faults", b'{"kind": "half"}')
    for _ in range(2):
        with pytest.raises(ConnectionDropped):
            call("GET", "/cat")


def test_exception_in_emulator_returns_500_without_token(
    call: Caller, tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / ".incoming").rmdir()
    response = call("POST", "/pictures", pictures.plain(), QUERY_STRING="token=secret")
    assert call.status == "500 Internal Server Error"
    assert b"internal error of the emulator" in response
    assert "FileNotFoundError" in caplog.text
    assert "secret" not in caplog.text
