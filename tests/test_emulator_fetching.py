"""Uploads by URL: what the emulator fetches, and what it does not."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
import requests
import trustme

from django_groupme_images.emulator import EmulatorServer, addresses, fetching
from django_groupme_images.emulator.messages import ConnectionDropped

from . import emulator_pictures as pictures
from .test_emulator_uploads import TOKEN, exchange, refusal

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = "to allow it, start the emulator with --allow-private-urls"


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def private() -> Iterator[EmulatorServer]:
    with EmulatorServer(allow_private_urls=True) as server:
        yield server


class Elsewhere(BaseHTTPRequestHandler):
    """Another site, whose paths are below; it remembers the headers of each request."""

    requests: list[dict[str, str]] = []

    def do_GET(self) -> None:
        self.requests.append({"path": self.path, **self.headers})
        action, _, argument = self.path[1:].partition("?")[0].partition("/")
        getattr(self, f"do_{action}", self.do_missing)(argument)

    def do_cat(self, _: str) -> None:
        self.answer(200, pictures.plain(), Connection="close")

    def do_gzip(self, _: str) -> None:
        self.answer(200, gzip.compress(pictures.plain()), Content_Encoding="gzip")

    def do_to(self, location: str) -> None:
        self.answer(302, b"elsewhere", Location=unquote(location))

    def do_loop(self, number: str) -> None:
        self.answer(307, Location=f"/loop/{int(number) + 1}")

    def do_status(self, status: str) -> None:
        self.answer(int(status), b"no image")

    def do_missing(self, _: str) -> None:
        self.answer(404)

    def do_trickle(self, _: str) -> None:
        """Send a byte now and then, for as long as a client listens."""
        self.answer(200)
        self.wfile.flush()
        self.drip()

    def do_head(self, _: str) -> None:
        """As ``trickle``, before the headers have ended."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Header: ")
        self.drip()

    def do_short(self, _: str) -> None:
        self.answer(200, pictures.plain()[:-9], Content_Length=str(len(pictures.plain())))

    def drip(self) -> None:
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(certificate: trustme.LeafCert | None = None) -> Iterator[int]:
    """Serve ``Elsewhere`` on a port of this machine."""
    Elsewhere.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # A client may reject the certificate.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with site() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """
    The addresses of host names. Public addresses are routed to this machine.

    The fake stands below everything that looks up a name or connects to an address.
    """
    known: dict[str, list[str]] = {}
    lookup = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in known:
            return [entry for ip in known[host] for entry in lookup(ip, port, *args, **kwargs)]
        return lookup("127.0.0.1" if host == "93.184.215.14" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture(autouse=True)
def _fetches_end() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "groupme-emulator-fetch":
            thread.join(10)
            assert not thread.is_alive()


def upload_from(server: EmulatorServer, url: str) -> requests.Response:
    return requests.post(server.upload_url, params={"url": url}, headers=TOKEN, timeout=60)


def content(answer: requests.Response) -> bytes:
    return requests.get(answer.json()["payload"]["url"], timeout=10).content


@pytest.mark.parametrize("path", ["cat", "gzip", "cat?a=b#c", "cat/\u00e9 x"])
def test_url_on_this_machine_is_fetched(server: EmulatorServer, elsewhere: str, path: str) -> None:
    assert content(upload_from(server, f"{elsewhere}/{path}")) == pictures.plain()


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "0.0.0.0", "2130706433", "0177.1"])
def test_host_of_this_machine_is_fetched(server: EmulatorServer, elsewhere: str, host: str) -> None:
    # The name may have another address that nothing listens on, such as ::1.
    assert content(upload_from(server, f"{elsewhere.replace('127.0.0.1', host)}/cat")) == (
        pictures.plain()
    )
    assert Elsewhere.requests[0]["Host"].startswith(f"{host.lower()}:")


def test_a_remote_image_without_a_content_length(server: EmulatorServer, elsewhere: str) -> None:
    request = f"POST /pictures?token=t&url={elsewhere}/cat HTTP/1.0\r\n\r\n"
    answer = exchange(server, request.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    # Without a Host header the emulator gives the address that it listens on.
    assert server.cdn_url in json.loads(answer.partition(b"\r\n\r\n")[2])["payload"]["url"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{}/dog.jpg", "the URL cannot be fetched: HTTP status 404"),
        ("{}/status/304", "the URL cannot be fetched: HTTP status 304"),
        ("{}/status/302", "the URL cannot be fetched: HTTP status 302"),
        ("{}/short", "the URL cannot be fetched: ProtocolError"),
        ("{}/to/file:///etc/passwd", "the URL does not start with http:// or https://"),
        ("{}/to/http://[", "the URL cannot be fetched: ValueError"),
        ("http://127.0.0.1:1/", "the URL cannot be fetched: NewConnectionError"),
        ("http://[", "the URL cannot be fetched: LocationParseError"),
        ("http://a..b/", "the URL cannot be fetched: UnicodeError"),
        ("http://no-such-host.invalid/", "the URL cannot be fetched: gaierror"),
        ("file:///etc/passwd", "the URL does not start with http:// or https://"),
        ("//127.0.0.1/", "the URL does not start with http:// or https://"),
        ("", "the URL does not start with http:// or https://"),
    ],
)
def test_url_that_cannot_be_fetched_is_rejected(
    server: EmulatorServer, elsewhere: str, url: str, message: str
) -> None:
    answer = upload_from(server, url.format(elsewhere))
    assert answer.status_code == 400
    # Python 3.13 raises a subclass for a name that cannot be encoded.
    assert refusal(answer).replace("UnicodeEncodeError", "UnicodeError") == message


def test_environment_is_not_used(
    server: EmulatorServer, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        answer = session.post(server.upload_url, params={"url": f"{elsewhere}/cat"}, headers=TOKEN)
    assert answer.status_code == 200
    assert set(Elsewhere.requests[0]) == {"path", "Host", "User-Agent", "accept-encoding"}
    assert Elsewhere.requests[0]["User-Agent"] == "groupme-emulator"


def test_login_in_url_is_sent_to_its_host_only(private: EmulatorServer, elsewhere: str) -> None:
    url = elsewhere.replace("http://", "http://me:a%40b@")
    assert upload_from(private, f"{url}/to/{elsewhere}/cat").status_code == 200
    first, second = Elsewhere.requests
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
    server: EmulatorServer, elsewhere: str, names: Any, first: str, target: str
) -> None:
    names["public.example"] = ["93.184.215.14"]
    port = elsewhere.rpartition(":")[2]
    if target.startswith("/") and "public" in first:
        pytest.skip("leads to the same host")
    url = f"{first}/to/{target}".replace("{port}", port).replace("{}", elsewhere)
    answer = upload_from(server, url)
    assert answer.status_code == 400
    assert refusal(answer).startswith("the URL leads to a private address, that of ")
    assert PRIVATE in refusal(answer)
    assert len(Elsewhere.requests) == 1


def test_redirects_of_public_host_are_followed(
    server: EmulatorServer, elsewhere: str, names: Any
) -> None:
    names["public.example"] = ["93.184.215.14"]
    port = elsewhere.rpartition(":")[2]
    public = f"http://public.example:{port}"
    url = f"{elsewhere}/to/{quote(f'{public}/to//cat')}"
    assert content(upload_from(server, url)) == pictures.plain()
    assert [entry["path"] for entry in Elsewhere.requests][1:] == ["/to//cat", "/cat"]
    assert Elsewhere.requests[1]["Host"] == f"public.example:{port}"


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
def test_name_with_private_address_is_rejected(
    server: EmulatorServer, names: Any, ips: list[str]
) -> None:
    names["rebound.example"] = ips
    answer = upload_from(server, "http://rebound.example/cat")
    assert refusal(answer) == (
        f"the URL leads to a private address, that of rebound.example; {PRIVATE}"
    )


def test_redirect_to_name_of_this_machine_is_rejected(
    server: EmulatorServer, elsewhere: str, names: Any
) -> None:
    names["public.example"], names["rebound.example"] = ["93.184.215.14"], ["127.0.0.1"]
    port = elsewhere.rpartition(":")[2]
    url = f"http://public.example:{port}/to/http://rebound.example:{port}/cat"
    assert "that of rebound.example" in refusal(upload_from(server, url))
    assert len(Elsewhere.requests) == 1


def test_name_is_looked_up_once(
    server: EmulatorServer, elsewhere: str, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebinding.example"] = ["93.184.215.14"]
    lookup, asked = socket.getaddrinfo, []

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        found = lookup(host, *args, **kwargs)
        if host in names:
            names[host] = ["10.0.0.1"]
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"http://rebinding.example:{elsewhere.rpartition(':')[2]}/cat"
    assert upload_from(server, url).status_code == 200
    assert asked.count("rebinding.example") == 1


def test_private_urls_are_fetched_if_allowed(private: EmulatorServer, elsewhere: str) -> None:
    assert content(upload_from(private, f"{elsewhere}/to//cat")) == pictures.plain()


def test_too_many_redirects_are_rejected(private: EmulatorServer, elsewhere: str) -> None:
    answer = upload_from(private, f"{elsewhere}/loop/0")
    assert refusal(answer) == "the URL redirects more than 5 times"
    assert len(Elsewhere.requests) == 6


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
def test_kinds_of_addresses(address: str, is_local: bool, is_public: bool) -> None:
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


def test_certificate_is_verified_without_the_environment(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, bundle: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, bundle)
    with site(authority.issue_cert("localhost", "public.example")) as port:
        answer = upload_from(server, f"https://localhost:{port}/cat")
        assert refusal(answer) == "the URL cannot be fetched: SSLCertVerificationError"
        monkeypatch.setattr(fetching, "DEFAULT_CA_BUNDLE_PATH", bundle)
        assert content(upload_from(server, f"https://localhost:{port}/cat")) == pictures.plain()
        answer = upload_from(server, f"https://127.0.0.1:{port}/cat")
        assert refusal(answer) == "the URL cannot be fetched: SSLCertVerificationError"


def test_name_is_verified_although_its_address_is_connected_to(
    server: EmulatorServer,
    names: Any,
    monkeypatch: pytest.MonkeyPatch,
    authority: trustme.CA,
    bundle: str,
) -> None:
    names |= {name: ["93.184.215.14"] for name in ("public.example", "other.example")}
    monkeypatch.setattr(fetching, "DEFAULT_CA_BUNDLE_PATH", bundle)
    with site(authority.issue_cert("localhost", "public.example")) as port:
        assert upload_from(server, f"https://public.example:{port}/cat").status_code == 200
        answer = upload_from(server, f"https://other.example:{port}/cat")
        assert refusal(answer) == "the URL cannot be fetched: SSLCertVerificationError"


@pytest.mark.parametrize("path", ["trickle", "head"])
def test_slow_remote_is_given_up(
    server: EmulatorServer, elsewhere: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(fetching, "_DEADLINE", 0.3)
    answer = upload_from(server, f"{elsewhere}/{path}")
    assert refusal(answer) == "the URL's image is too slow"
    # Its thread ends: see the fixture.


def test_fetch_that_was_given_up_sends_no_request(elsewhere: str) -> None:
    fetch = fetching._Fetch(f"{elsewhere}/cat", allow_private_urls=False)
    fetch.give_up()
    fetch.run()
    assert isinstance(fetch._found.get(), ConnectionDropped)
    assert Elsewhere.requests == []


def test_host_without_addresses_is_rejected(
    server: EmulatorServer, names: dict[str, list[str]]
) -> None:
    names["nothing.example"] = []
    assert refusal(upload_from(server, "http://nothing.example/")) == (
        "the URL cannot be fetched: OSError"
    )


def test_stopping_ends_a_fetch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        with EmulatorServer() as server:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            answer = pool.submit(upload_from, server, url)
            remote, _ = silent.accept()
            assert remote.recv(65536).startswith(b"GET / HTTP/1.1\r\n")
            start = time.monotonic()
        assert time.monotonic() - start < 5
        assert remote.recv(65536) == b""  # The connection is closed, although nothing was sent.
        remote.close()
        with pytest.raises(requests.ConnectionError):
            answer.result()


@pytest.mark.parametrize("limit", ["_LIMIT", "_DEADLINE"])
def test_image_over_a_limit_is_rejected(
    server: EmulatorServer, elsewhere: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(fetching, limit, -1)
    answer = upload_from(server, f"{elsewhere}/cat")
    assert refusal(answer) in {"the URL's image is too large", "the URL's image is too slow"}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
def test_fetches_leave_no_descriptor_open(server: EmulatorServer, elsewhere: str) -> None:
    paths = ["cat", "to//cat", "loop/1", "dog", "short", "to/http://[", "status/302"]

    def fetch_all() -> None:
        for path in paths:
            upload_from(server, f"{elsewhere}/{path}")

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.disable()
    try:
        fetch_all()
        before = descriptors()
        for _ in range(5):
            fetch_all()
        deadline = time.monotonic() + 10
        while descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert descriptors() <= before
    finally:
        gc.enable()
