"""Tests of the hosts and origins that the emulator accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.testing import InProcessService
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.emulator_requests import exchange

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = ["Emulator", "image_service.", "192.0.2.7", "2001:DB8::7"]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(allowed_hosts=ALLOWED) as server:
        yield server


def send_raw(server: EmulatorServer, head: str) -> str:
    """Send a head with "\\n" as line end, and return the response."""
    return exchange(server, head.replace("\n", "\r\n").encode() + b"\r\n\r\n").decode()


def status(response: str) -> int:
    return int(response.split()[1])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8001",
        "localhost.",
        "site.localhost",
        "a.b.LocalHost.:80",
        "127.0.0.1",
        "127.8.8.8",
        "192.168.1.10:8001",
        "8.8.8.8",
        "[::1]",
        "[::1]:8001",
        "[2001:db8::1]",
        "[::ffff:127.0.0.1]",
        "emulator",
        "EMULATOR.:8001",
        "image_service",
        " localhost ",
    ],
)
def test_allowed_host_is_accepted(server: EmulatorServer, host: str) -> None:
    head = f"GET /_emulator/requests HTTP/1.1\nConnection: close\nHost: {host}"
    assert status(send_raw(server, head)) == 200


BAD_HOSTS = [
    "evil.example",
    "evil.example:8001",
    "localhost.evil.example",
    "evil-localhost",
    "evillocalhost",
    "localhost..",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "2130706433",
    "0x7f.1",
    "127.1",
    "[::1",
    "::1",
    "[::1]evil",
    "[evil]",
    "localhost@evil.example",
    "evil.example#localhost",
    "localhost:80:80",
    "localhost:port",
    "localhost, evil.example",
    "localhost evil.example",
    "localhost/evil",
    "emulator.evil.example",
    "http://localhost",
    "lo\u212aalhost",
    "",
    "*",
    ".",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_other_host_is_rejected_on_every_path(server: EmulatorServer, host: str) -> None:
    for line in (
        "POST /_emulator/reset",
        "DELETE /_emulator/faults",
        "GET /_emulator/requests",
        "POST /pictures?token=t",
        "OPTIONS /pictures",
        "GET /1x1.png.123456789",
    ):
        response = send_raw(server, f"{line} HTTP/1.1\nConnection: close\nHost: {host}")
        assert status(response) == 421
        assert "--allowed-host NAME" in response
        assert "Access-Control" not in response


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("GET {path} HTTP/1.1\nHost: localhost\nHost: evil.example", 400),
        ("GET {path} HTTP/1.1\nHost: evil.example\nHost: localhost", 400),
        ("GET {path} HTTP/1.1\nHost: localhost\nHost: localhost", 400),
        ("GET {path} HTTP/1.1\nHost: localhost\nBroken\nOrigin: http://evil.example", 400),
        ("GET {path} HTTP/1.1\nHost : localhost", 400),
        ("GET {path} HTTP/1.1\n Host: localhost", 400),
        ("GET {path} HTTP/1.1\nHost: localhost\n evil.example", 421),
        ("GET {path} HTTP/1.1\nHost: evil.example\nX-Forwarded-Host: localhost", 421),
        ("GET {path} HTTP/1.0\nHost: evil.example", 421),
        ("GET http://evil.example{path} HTTP/1.1\nHost: localhost", 400),
        ("GET http://evil.example{path} HTTP/1.1\nHost: evil.example", 421),
        ("GET http://evil.example{path} HTTP/1.1", 421),
        ("GET http://evil.example{path} HTTP/1.0", 421),
        ("GET http://localhost{path} HTTP/1.1\nHost: evil.example", 400),
        ("GET http://localhost@evil.example{path} HTTP/1.1", 421),
        ("GET http://{path} HTTP/1.1\nHost: evil.example", 400),
        ("GET http://{path} HTTP/1.1", 421),
        ("GET HTTP://LocalHost{path} HTTP/1.1\nHost: localhost", 200),
        ("GET http://127.0.0.1:80{path} HTTP/1.1", 200),
        # Browsers always send the header, so web pages cannot make this request.
        ("GET {path} HTTP/1.0", 200),
        ("GET {path} HTTP/1.1", 200),
        ("GET {path} HTTP/1.0\nOrigin: http://evil.example", 403),
    ],
)
def test_unusual_host_header_or_target_gets_expected_status(
    server: EmulatorServer, head: str, expected: int
) -> None:
    head = head.format(path="/_emulator/requests")
    assert status(send_raw(server, f"{head}\nConnection: close")) == expected


def test_absolute_target_without_path_is_root(server: EmulatorServer) -> None:
    head = "GET http://localhost?token=t HTTP/1.1\nHost: localhost\nConnection: close"
    assert status(send_raw(server, head)) == 403
    assert server.app.record.as_list()[-1]["path"] == "/"


def test_upload_with_allowed_host_returns_url_with_host(server: EmulatorServer) -> None:
    for host in ("emulator:8001", "site.localhost", "[::1]:99"):
        headers = {"Host": host, "X-Access-Token": "t"}
        response = requests.post(
            server.upload_url, pictures.plain(), headers=headers, timeout=DEADLINE
        )
        assert response.json()["payload"]["url"].startswith(f"http://{host}/48x32.jpeg.")


ORIGINS = [
    "http://localhost",
    "http://localhost:8000",
    "https://localhost:8443",
    "HTTP://LOCALHOST:3000",
    "http://site.localhost",
    "http://127.0.0.1:5173",
    "http://127.1.2.3",
    "https://[::1]:8000",
    "http://[::ffff:7f00:1]",
    "http://emulator:8000",
    "https://192.0.2.7",
    "http://[2001:db8::7]:8000",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_request_of_allowed_origin_gets_cors_headers(server: EmulatorServer, origin: str) -> None:
    headers = {"Origin": origin, "X-Access-Token": "t"}
    uploaded = requests.post(server.upload_url, pictures.plain(), headers=headers, timeout=DEADLINE)
    url = uploaded.json()["payload"]["url"]
    responses = [uploaded]
    for method, path in [
        ("GET", url),
        ("HEAD", f"{url}.avatar"),
        ("GET", f"{server.url}missing"),
        ("PUT", server.upload_url),
        ("GET", f"{server.url}_emulator/requests"),
        ("DELETE", f"{server.url}_emulator/faults"),
        ("GET", f"{server.url}_emulator/nothing"),
    ]:
        responses.append(requests.request(method, path, headers=headers, timeout=DEADLINE))
    assert [response.status_code for response in responses] == [
        200,
        200,
        200,
        403,
        405,
        200,
        200,
        404,
    ]
    for response in responses:
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert response.headers["Vary"] == "Origin"


def test_response_to_fault_has_cors_headers(server: EmulatorServer) -> None:
    fault = {"kind": "status", "status": 429}
    requests.post(f"{server.url}_emulator/faults", json=fault, timeout=DEADLINE).raise_for_status()
    headers = {"Origin": "http://localhost:8000"}
    response = requests.post(server.upload_url, headers=headers, timeout=DEADLINE)
    assert response.status_code == 429
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"


BAD_ORIGINS = [
    "http://evil.example",
    "https://evil.example:8001",
    "http://localhost.evil.example",
    "http://evil.example#localhost",
    "http://localhost@evil.example",
    "http://localhost/",
    "http://localhost:8000, http://evil.example",
    "http://127.0.0.1.nip.io",
    "http://192.168.1.10",
    "http://8.8.8.8",
    "http://[2001:db8::1]",
    "http://emulator.evil.example",
    "ftp://localhost",
    "file://",
    "localhost",
    "null",
    "*",
    "",
]


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_request_of_other_origin_is_rejected_before_body_is_read(origin: str) -> None:
    lines: list[str] = []
    with EmulatorServer(allowed_hosts=["*", "emulator"], log=lines.append) as server:
        requests.post(f"{server.url}_emulator/faults", json={"kind": "drop"}, timeout=DEADLINE)
        for line in (
            "POST /_emulator/reset",
            "POST /_emulator/faults",
            "GET /_emulator/requests",
            "POST /pictures?token=secret",
            "POST /pictures?token=secret&url=http://127.0.0.1:1/",
            "GET /1x1.png.123456789",
            "OPTIONS /pictures",
        ):
            head = (
                f"{line} HTTP/1.1\nHost: localhost:{server.port}\nConnection: close\n"
                f"Origin: {origin}\nContent-Length: 9\nExpect: 100-continue"
            )
            response = send_raw(server, head)
            assert status(response) == 403, "without 100 Continue"
            assert "--allowed-host NAME" in response
            assert "Access-Control" not in response
        assert server.app.record.as_list() == []
        assert [path for path in server.store.directory.rglob("*") if path.is_file()] == []
        with pytest.raises(requests.ConnectionError):  # The fault is still there.
            requests.get(server.url, timeout=DEADLINE)
    assert lines[3] == "POST /pictures?token=[redacted] 403"
    assert len(lines) == 8


def test_several_origin_headers_are_rejected(server: EmulatorServer) -> None:
    head = (
        "GET / HTTP/1.1\nHost: localhost\nConnection: close\n"
        "Origin: http://localhost\nOrigin: http://evil.example"
    )
    response = send_raw(server, head)
    assert "--allowed-host" in response
    assert status(response) == 403


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("pictures", "POST, OPTIONS"),
        ("1x1.png.123456789", "GET, HEAD, OPTIONS"),
        ("_emulator/requests", "GET, OPTIONS"),
        ("_emulator/reset", "POST, OPTIONS"),
        ("_emulator/faults", "POST, DELETE, OPTIONS"),
    ],
)
def test_options_request_returns_allowed_methods_and_cors_headers(
    server: EmulatorServer, path: str, methods: str
) -> None:
    response = requests.options(server.url + path, timeout=DEADLINE)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Allow"] == methods
    assert response.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in response.headers
    preflight = {
        "Origin": "http://localhost:8000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-access-token,content-type",
    }
    response = requests.options(server.url + path, headers=preflight, timeout=DEADLINE)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:8000"
    assert response.headers["Access-Control-Allow-Methods"] == methods
    assert response.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Access-Token"


def test_preflight_with_requested_headers_allows_them(server: EmulatorServer) -> None:
    preflight = {
        "Origin": "http://localhost:8000",
        "Access-Control-Request-Headers": "x-requested-with, content-type, cache-control, a:b",
    }
    response = requests.options(server.upload_url, headers=preflight, timeout=DEADLINE)
    allowed = "Content-Type, X-Access-Token, x-requested-with, cache-control"
    assert response.headers["Access-Control-Allow-Headers"] == allowed


def test_host_with_empty_port_is_accepted(server: EmulatorServer) -> None:
    response = requests.get(f"{server.url}gone", headers={"Host": "localhost:"}, timeout=DEADLINE)
    assert response.status_code == 403  # The image is missing.


def test_own_host_name_is_in_allowed_hosts() -> None:
    with EmulatorServer(host="localhost") as server:
        assert server.app._origins._allowed == {"localhost"}
    for host in ("127.0.0.1", "", "ab\u00e9"):
        assert EmulatorServer(host=host)._own_host() == set()


def test_allowed_hosts_with_star_accepts_every_host_but_no_origin() -> None:
    with EmulatorServer(allowed_hosts=["*"]) as server:
        headers = {"Host": "anything.example"}
        assert requests.get(server.url, headers=headers, timeout=DEADLINE).status_code == 403
        headers["Origin"] = "http://anything.example"
        response = requests.get(server.url, headers=headers, timeout=DEADLINE)
        assert "--allowed-host" in response.text


@pytest.mark.parametrize("names", ["emulator", ["http://emulator"], ["emulator:8001"], [""]])
def test_allowed_hosts_with_invalid_names_raises(names: Any) -> None:
    with pytest.raises(ValueError, match="host name"):
        EmulatorServer(allowed_hosts=names)


@pytest.mark.parametrize(
    "cdn_url",
    ["https://i.groupme.com/", "http://cdn.example:8080/x/", "https://b\u00fccher.example/"],
)
def test_in_process_service_accepts_every_cdn_url(cdn_url: str) -> None:
    from django_groupme_images.client import GroupMeClient

    with InProcessService():
        client = GroupMeClient("t", cdn_url=cdn_url)
        assert client.upload(pictures.plain()).url.startswith(cdn_url)
