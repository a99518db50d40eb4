"""Tests of uploads by URL: which URLs the emulator fetches and which it rejects."""

from __future__ import annotations

import base64
import gc
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
import trustme

from django_groupme_images.emulator import EmulatorServer, addresses, sources
from django_groupme_images.emulator.http import ConnectionDropped
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE, wait_until
from tests.support.descriptors import CAN_COUNT, open_descriptors
from tests.support.emulator_requests import TOKEN, error_message, exchange
from tests.support.remote_site import RemoteSite, site

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = "to allow it, start the emulator with --allow-private-urls"


@pytest.fixture
def private() -> Iterator[EmulatorServer]:
    with EmulatorServer(allow_private_urls=True) as server:
        yield server


@pytest.fixture
def remote_url() -> Iterator[str]:
    with site() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """
    The addresses of host names. Connections to the public address lead to this machine.

    The fake replaces ``socket.getaddrinfo``, which every lookup and connection uses.
    """
    addresses_by_name: dict[str, list[str]] = {}
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in addresses_by_name:
            results = [original(ip, port, *args, **kwargs) for ip in addresses_by_name[host]]
            return [entry for result in results for entry in result]
        return original("127.0.0.1" if host == "93.184.215.14" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return addresses_by_name


@pytest.fixture(autouse=True)
def _wait_for_fetches() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "groupme-emulator-fetch":
            thread.join(DEADLINE)
            assert not thread.is_alive()


def upload_from(server: EmulatorServer, url: str) -> requests.Response:
    return requests.post(server.upload_url, params={"url": url}, headers=TOKEN, timeout=DEADLINE)


def content(response: requests.Response) -> bytes:
    return requests.get(response.json()["payload"]["url"], timeout=DEADLINE).content


@pytest.mark.parametrize("path", ["cat", "gzip", "cat?a=b#c", "cat/\u00e9 x"])
def test_url_on_this_machine_is_fetched(server: EmulatorServer, remote_url: str, path: str) -> None:
    assert content(upload_from(server, f"{remote_url}/{path}")) == pictures.plain()


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "0.0.0.0", "2130706433", "0177.1"])
def test_host_of_this_machine_is_fetched(
    server: EmulatorServer, remote_url: str, host: str
) -> None:
    # The name may also have an address without a listener, such as ::1.
    assert content(upload_from(server, f"{remote_url.replace('127.0.0.1', host)}/cat")) == (
        pictures.plain()
    )
    assert RemoteSite.requests[0]["Host"].startswith(f"{host.lower()}:")


def test_url_upload_without_content_length_is_accepted(
    server: EmulatorServer, remote_url: str
) -> None:
    request = f"POST /pictures?token=t&url={remote_url}/cat HTTP/1.0\r\n\r\n"
    response = exchange(server, request.encode())
    assert response.startswith(b"HTTP/1.1 200 OK")
    # Without a Host header, the URL contains the address that the emulator listens on.
    assert server.cdn_url in json.loads(response.partition(b"\r\n\r\n")[2])["payload"]["url"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{}/dog.jpg", "the URL could not be fetched: HTTP status 404"),
        ("{}/status/304", "the URL could not be fetched: HTTP status 304"),
        ("{}/status/302", "the URL could not be fetched: HTTP status 302"),
        ("{}/short", "the URL could not be fetched: ProtocolError"),
        ("{}/to/file:///etc/passwd", "the URL does not start with http:// or https://"),
        ("{}/to/http://[", "the URL could not be fetched: ValueError"),
        ("http://127.0.0.1:1/", "the URL could not be fetched: NewConnectionError"),
        ("http://[", "the URL could not be fetched: LocationParseError"),
        ("http://a..b/", "the URL could not be fetched: UnicodeError"),
        ("http://no-such-host.invalid/", "the URL could not be fetched: gaierror"),
        ("file:///etc/passwd", "the URL does not start with http:// or https://"),
        ("//127.0.0.1/", "the URL does not start with http:// or https://"),
        ("", "the URL does not start with http:// or https://"),
    ],
)
def test_url_that_cannot_be_fetched_is_rejected(
    server: EmulatorServer, remote_url: str, url: str, message: str
) -> None:
    response = upload_from(server, url.format(remote_url))
    assert response.status_code == 400
    # Python 3.13 raises a subclass for a name that cannot be encoded.
    assert error_message(response).replace("UnicodeEncodeError", "UnicodeError") == message


def test_fetch_with_proxy_and_netrc_in_environment_ignores_them(
    server: EmulatorServer, remote_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\ndefault login x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(
            server.upload_url, params={"url": f"{remote_url}/cat"}, headers=TOKEN
        )
    assert response.status_code == 200
    assert set(RemoteSite.requests[0]) == {"path", "Host", "User-Agent", "accept-encoding"}
    assert RemoteSite.requests[0]["User-Agent"] == "groupme-emulator"


def test_credentials_in_url_are_sent_to_its_host_only(
    private: EmulatorServer, remote_url: str
) -> None:
    url = remote_url.replace("http://", "http://me:a%40b@")
    assert upload_from(private, f"{url}/to/{remote_url}/cat").status_code == 200
    first, second = RemoteSite.requests
    assert first["authorization"] == f"Basic {base64.b64encode(b'me:a@b').decode()}"
    assert "authorization" not in second


@pytest.mark.parametrize(
    "target",
    [
        "{}/cat",
        "/cat",
        "http://localhost:{port}/cat",
        "http://2130706433:{port}/cat",
        "http://0177.0.0.1:{port}/cat",
        "http://0x7f.1:{port}/cat",
        "http://[::ffff:127.0.0.1]:{port}/cat",
        "http://0.0.0.0:{port}/cat",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://[::1]:{port}/cat",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
    ],
)
@pytest.mark.parametrize("first", ["{}", "http://public.example:{port}"])
def test_redirect_to_private_address_is_rejected(
    server: EmulatorServer, remote_url: str, names: Any, first: str, target: str
) -> None:
    names["public.example"] = ["93.184.215.14"]
    port = remote_url.rpartition(":")[2]
    if target.startswith("/") and "public" in first:
        pytest.skip("the redirect leads to the same host")
    url = f"{first}/to/{target}".replace("{port}", port).replace("{}", remote_url)
    response = upload_from(server, url)
    assert response.status_code == 400
    assert "has a private IP address" in error_message(response)
    assert PRIVATE in error_message(response)
    assert len(RemoteSite.requests) == 1


def test_redirects_of_public_host_are_followed(
    server: EmulatorServer, remote_url: str, names: Any
) -> None:
    names["public.example"] = ["93.184.215.14"]
    port = remote_url.rpartition(":")[2]
    public = f"http://public.example:{port}"
    url = f"{remote_url}/to/{quote(f'{public}/to//cat')}"
    assert content(upload_from(server, url)) == pictures.plain()
    assert [entry["path"] for entry in RemoteSite.requests][1:] == ["/to//cat", "/cat"]
    assert RemoteSite.requests[1]["Host"] == f"public.example:{port}"


@pytest.mark.parametrize(
    "ips",
    [
        ["10.0.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["93.184.215.14", "10.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["fe80::1%1"],
    ],
)
def test_host_name_with_private_address_is_rejected(
    server: EmulatorServer, names: Any, ips: list[str]
) -> None:
    names["rebound.example"] = ips
    response = upload_from(server, "http://rebound.example/cat")
    assert error_message(response) == (
        f"the host rebound.example has a private IP address; {PRIVATE}"
    )


def test_redirect_to_host_name_of_this_machine_is_rejected(
    server: EmulatorServer, remote_url: str, names: Any
) -> None:
    names["public.example"], names["rebound.example"] = ["93.184.215.14"], ["127.0.0.1"]
    port = remote_url.rpartition(":")[2]
    url = f"http://public.example:{port}/to/http://rebound.example:{port}/cat"
    assert "the host rebound.example has a private IP address" in error_message(
        upload_from(server, url)
    )
    assert len(RemoteSite.requests) == 1


def test_host_name_is_resolved_once(
    server: EmulatorServer, remote_url: str, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebinding.example"] = ["93.184.215.14"]
    original, resolved = socket.getaddrinfo, []

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        resolved.append(host)
        results = original(host, *args, **kwargs)
        if host in names:
            names[host] = ["10.0.0.1"]
        return results

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"http://rebinding.example:{remote_url.rpartition(':')[2]}/cat"
    assert upload_from(server, url).status_code == 200
    assert resolved.count("rebinding.example") == 1


def test_private_url_is_fetched_if_allowed(private: EmulatorServer, remote_url: str) -> None:
    assert content(upload_from(private, f"{remote_url}/to//cat")) == pictures.plain()


def test_too_many_redirects_are_rejected(private: EmulatorServer, remote_url: str) -> None:
    response = upload_from(private, f"{remote_url}/loop/0")
    assert error_message(response) == "the URL redirects more than 5 times"
    assert len(RemoteSite.requests) == 6


@pytest.mark.parametrize(
    ("address", "is_local", "is_public"),
    [
        ("8.8.8.8", False, True),
        ("2606:4700::1111", False, True),
        ("::ffff:8.8.8.8", False, True),
        ("64:ff9b::808:808", False, True),
        ("2002:808:808::1", False, True),
        ("127.0.0.1", True, False),
        ("127.255.0.1", True, False),
        ("0.0.0.0", True, False),
        ("::1", True, False),
        ("::", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("64:ff9b::7f00:1", True, False),
        ("2002:7f00:1::", True, False),
        ("10.0.0.1", False, False),
        ("172.31.255.1", False, False),
        ("192.168.0.1", False, False),
        ("169.254.169.254", False, False),
        ("100.64.0.1", False, False),
        ("192.0.2.1", False, False),
        ("198.18.0.1", False, False),
        ("224.0.0.1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("::ffff:10.0.0.1", False, False),
        ("::10.0.0.1", False, False),
        ("64:ff9b::a00:1", False, False),
        ("64:ff9b:1::a00:1", False, False),
        ("2002:a00:1::", False, False),
        ("2001:db8::1", False, False),
        ("fc00::1", False, False),
        ("fe80::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fec0::1", False, False),
        ("ff02::1", False, False),
    ],
)
def test_address_is_classified_as_local_public_or_private(
    address: str, is_local: bool, is_public: bool
) -> None:
    assert addresses.is_public(address) == is_public
    assert addresses.is_local_or_public(address) == (is_local or is_public)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The path of the authority's certificate."""
    path = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(path)
    return path


def test_certificate_is_verified_with_default_bundle_only(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, bundle: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, bundle)
    with site(authority.issue_cert("localhost", "public.example")) as port:
        response = upload_from(server, f"https://localhost:{port}/cat")
        assert error_message(response) == "the URL could not be fetched: SSLCertVerificationError"
        monkeypatch.setattr(sources, "DEFAULT_CA_BUNDLE_PATH", bundle)
        assert content(upload_from(server, f"https://localhost:{port}/cat")) == pictures.plain()
        response = upload_from(server, f"https://127.0.0.1:{port}/cat")
        assert error_message(response) == "the URL could not be fetched: SSLCertVerificationError"


def test_certificate_is_verified_against_host_name_not_address(
    server: EmulatorServer,
    names: Any,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    bundle: str,
) -> None:
    names |= {name: ["93.184.215.14"] for name in ("public.example", "other.example")}
    monkeypatch.setattr(sources, "DEFAULT_CA_BUNDLE_PATH", bundle)
    with site(authority.issue_cert("localhost", "public.example")) as port:
        assert upload_from(server, f"https://public.example:{port}/cat").status_code == 200
        response = upload_from(server, f"https://other.example:{port}/cat")
        assert error_message(response) == "the URL could not be fetched: SSLCertVerificationError"


@pytest.mark.parametrize("path", ["trickle", "head"])
def test_slow_remote_server_is_rejected_after_timeout(
    server: EmulatorServer, remote_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(sources, "_TOTAL_TIMEOUT", 0.3)
    response = upload_from(server, f"{remote_url}/{path}")
    assert error_message(response) == "fetching the URL took too long"
    # The fixture _wait_for_fetches checks that the thread has ended.


def test_canceled_fetch_sends_no_request(remote_url: str) -> None:
    fetch = sources._Fetch(f"{remote_url}/cat", allow_private_urls=False)
    fetch.cancel()
    fetch.run()
    assert isinstance(fetch._queue.get(), ConnectionDropped)
    assert RemoteSite.requests == []


def test_host_without_addresses_is_rejected(
    server: EmulatorServer, names: dict[str, list[str]]
) -> None:
    names["nothing.example"] = []
    assert error_message(upload_from(server, "http://nothing.example/")) == (
        "the URL could not be fetched: OSError"
    )


def test_fetch_when_server_stops_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        with EmulatorServer() as server:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            response = pool.submit(upload_from, server, url)
            remote, _ = silent.accept()
            assert remote.recv(65536).startswith(b"GET / HTTP/1.1\r\n")
        assert remote.recv(65536) == b""  # The emulator has closed the connection.
        remote.close()
        with pytest.raises(requests.ConnectionError):
            response.result()


@pytest.mark.parametrize("limit", ["_MAX_BYTES", "_TOTAL_TIMEOUT"])
def test_image_over_a_limit_is_rejected(
    server: EmulatorServer, remote_url: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(sources, limit, -1)
    response = upload_from(server, f"{remote_url}/cat")
    assert error_message(response) in {
        "the file at the URL is too large",
        "fetching the URL took too long",
    }


@pytest.mark.skipif(not CAN_COUNT, reason="requires /proc")
def test_fetches_leave_no_descriptor_open(server: EmulatorServer, remote_url: str) -> None:
    paths = ["cat", "to//cat", "loop/1", "dog", "short", "to/http://[", "status/302"]

    def fetch_all() -> None:
        for path in paths:
            upload_from(server, f"{remote_url}/{path}")

    gc.disable()
    try:
        fetch_all()
        before = open_descriptors()
        for _ in range(5):
            fetch_all()
        wait_until(lambda: open_descriptors() <= before)
    finally:
        gc.enable()
