from __future__ import annotations

import errno
import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import requests
from django.core.management import CommandError, call_command

from django_groupme_images.emulator import CannotStart, EmulatorServer
from django_groupme_images.emulator.__main__ import main
from django_groupme_images.management.commands.groupme_emulator import Command

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
MODULE = "django_groupme_images.emulator"
MEGABYTE = 1024 * 1024


# Windows has no SIGHUP.
SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


def connected(server: EmulatorServer) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10))


def test_connections_are_kept(server: EmulatorServer) -> None:
    own_ports = set()
    with connected(server) as connection:
        for method, path in [
            ("POST", "/pictures?token=t"),
            ("POST", "/pictures"),
            ("HEAD", "/cat"),
            ("GET", "/cat"),
        ]:
            connection.request(method, path, pictures.plain())
            own_ports.add(connection.sock.getsockname())
            answer = connection.getresponse()
            answer.read()
            assert not answer.will_close
    assert len(own_ports) == 1


def test_a_client_that_keeps_no_connection(server: EmulatorServer) -> None:
    with connected(server) as connection:
        connection.request("POST", "/pictures", pictures.plain(), {"Connection": "close"})
        with connection.getresponse() as answer:
            assert answer.status == 401
            assert answer.headers["Connection"] == "close"


def test_http_1_0(server: EmulatorServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /cat HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("request_line", [b"BREW /cat HTTP/1.1", b"token=secret", b"\x16\x03\x01"])
def test_what_is_not_http(
    server: EmulatorServer, request_line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 (400|501) ", connection.recv(65536))
    assert capfd.readouterr() == ("", "")


def test_a_client_that_goes_away(server: EmulatorServer, capfd: Any, caplog: Any) -> None:
    for request in (
        b"",
        b"GET / HT",
        b"POST /pictures?token=t HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
    ):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(request)
        # Closed in this way, the connection is reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    assert requests.get(server.cdn_url, timeout=10).status_code == 403
    server._listener.handle_error()
    assert "The emulator failed" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_a_large_refused_body_is_read_to_its_end(server: EmulatorServer) -> None:
    with connected(server) as connection:
        connection.request("POST", "/pictures", bytes(5 * MEGABYTE))
        assert connection.getresponse().read()
        connection.request("GET", "/cat")
        with connection.getresponse() as answer:
            assert answer.status == 403


def test_a_client_that_sends_without_end_is_cut(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}.gateway._LINGER", 0.05)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /pictures HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert connection.recv(65536) == b""


def test_stopping_closes_kept_connections(recwarn: pytest.WarningsRecorder) -> None:
    threads = threading.active_count()
    with requests.Session() as session:
        with EmulatorServer() as server:
            session.get(server.cdn_url, timeout=10)
            idle = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            # One that was not accepted yet would be reset, not closed.
            while len(server._listener._connections) < 2:
                time.sleep(0.01)
            session.get(server.cdn_url, timeout=10)
        with idle:
            assert idle.recv(1) == b""
        with pytest.raises(requests.ConnectionError):
            session.get(server.cdn_url, timeout=10)
    assert threading.active_count() == threads
    assert list(recwarn) == []


def test_a_server_may_be_started_again() -> None:
    server = EmulatorServer()
    for _ in range(2):
        with server:
            assert requests.get(server.cdn_url, timeout=10).status_code == 403


def test_starting_twice(server: EmulatorServer) -> None:
    store = server.store
    with pytest.raises(RuntimeError, match="started already"):
        server.start()
    assert server.store is store
    assert requests.get(server.cdn_url, timeout=10).status_code == 403


def test_stopping_what_is_not_started() -> None:
    server = EmulatorServer()
    server.stop()
    with server:
        pass
    server.stop()


@pytest.mark.parametrize("option", ["token", "directory"])
def test_an_option_that_is_empty(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is empty"):
        EmulatorServer(**{option: ""})


def test_stopping_waits_for_no_thread_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.server._STOP", 0.05)
    threads = threading.active_count()
    logging, logged = threading.Event(), threading.Event()

    def log(_: str) -> None:
        logging.set()
        logged.wait(20)

    start = time.monotonic()
    with EmulatorServer(log=log) as server, connected(server) as connection:
        connection.request("GET", "/cat")
        assert logging.wait(10)
        server.stop()
        assert threading.active_count() == threads + 1
    assert time.monotonic() - start < 5
    logged.set()
    while threading.active_count() > threads:
        time.sleep(0.01)


def test_a_busy_port(server: EmulatorServer, tmp_path: Path) -> None:
    message = f"cannot listen on 127.0.0.1 port {server.port}: {os.strerror(errno.EADDRINUSE)}"
    busy = EmulatorServer(port=server.port, directory=tmp_path / "pictures")
    with pytest.raises(CannotStart, match=re.escape(message)):
        busy.start()
    assert list(tmp_path.iterdir()) == []
    assert not hasattr(busy, "store")


def test_a_host_that_there_is_not() -> None:
    with pytest.raises(CannotStart, match=r"cannot listen on host\.invalid port 0: "):
        EmulatorServer(host="host.invalid").start()


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"cannot use .*file: "):
        EmulatorServer(directory=tmp_path / "file").start()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:"),
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        ("::1", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
def test_hosts(host: str, url: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 here")
    with EmulatorServer(host=host) as server:
        assert server.url.startswith(url)
        answer = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=10)
        assert answer.json()["payload"]["url"].startswith(server.cdn_url)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def launched(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-m", MODULE, "--port=0", *arguments],
        cwd=ROOT,
        env=kept | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def announced(output: IO[str] | None) -> dict[str, str]:
    """The addresses that the command shows when it starts."""
    assert output is not None
    lines = [output.readline() for _ in range(5)]
    assert lines[-1] == "Stop it with Ctrl-C.\n"
    return dict(line.split(maxsplit=1) for line in "".join(lines[1:4]).splitlines())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("number", SIGNALS)
def test_the_command_line_and_its_end(number: int, tmp_path: Path) -> None:
    with launched("--token=secret", f"--directory={tmp_path}") as process:
        shown = announced(process.stdout)
        assert shown["pictures"] == str(tmp_path)
        headers = {"X-Access-Token": "secret"}
        answer = requests.post(shown["upload_url"], pictures.plain(), headers=headers, timeout=10)
        url = answer.json()["payload"]["url"]
        assert url.startswith(shown["cdn_url"])
        assert requests.post(shown["upload_url"], timeout=10).status_code == 401
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert output == "POST /pictures 200\nPOST /pictures 401\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_the_command_line_under_nohup_ignores_hangup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = launched()
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        url = announced(process.stdout)["upload_url"]
        process.send_signal(signal.SIGHUP)
        assert requests.post(f"{url}?token=t", pictures.plain(), timeout=10).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_command_line_with_allowed_hosts_and_private_urls(tmp_path: Path) -> None:
    arguments = ("--allowed-host=emulator", "--allowed-host=Other.test", "--allow-private-urls")
    with launched(*arguments) as process, EmulatorServer() as web:
        url = announced(process.stdout)["upload_url"]
        for host in ("emulator:8001", "other.test"):
            answer = requests.post(
                f"{url}?token=t", pictures.plain(), headers={"Host": host}, timeout=10
            )
            assert answer.json()["payload"]["url"].startswith(f"http://{host}/")
        assert requests.get(url, headers={"Host": "evil.example"}, timeout=10).status_code == 421
        params = {"token": "t", "url": f"{web.url}moved"}
        fault = {"kind": "redirect", "location": f"{web.url}gone", "path": "/moved"}
        requests.post(f"{web.url}_emulator/faults", json=fault, timeout=10).raise_for_status()
        answer = requests.post(url, params=params, timeout=10)
        assert "HTTP status 403" in answer.text  # of /gone, so the redirect was followed
        process.terminate()
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "GET /pictures 421\n" in output


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_an_impatient_end(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        launched(TMPDIR=str(tmp_path)) as process,
    ):
        url = announced(process.stdout)["upload_url"]
        assert len(list(tmp_path.iterdir())) == 1
        # A fetch is under way, from a remote that says nothing.
        connection = socket.create_connection(url.split("/")[2].split(":"), timeout=10)
        remote_url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        connection.sendall(f"POST /pictures?token=t&url={remote_url} HTTP/1.1\r\n\r\n".encode())
        with connection, silent.accept()[0]:
            start = time.monotonic()
            while process.poll() is None and time.monotonic() - start < 10:
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.02)
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("POST /pictures?token=[redacted]&url=http://127.0.0.1:")
    assert output.endswith(" dropped\n")
    assert list(tmp_path.iterdir()) == []


def test_nobody_reads_the_log() -> None:
    with launched() as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        process.stdout.close()
        for _ in range(3):
            answer = requests.post(f"{url}pictures?token=t", pictures.plain(), timeout=10)
            assert answer.status_code == 200
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert errors == ""


def test_a_log_without_unicode(tmp_path: Path) -> None:
    directory = tmp_path / "caf\u00e9"
    with launched(f"--directory={directory}", PYTHONIOENCODING="ascii") as process:
        shown = announced(process.stdout)
        assert shown["pictures"].endswith("caf\\xe9")
        assert requests.get(f"{shown['cdn_url']}caf\u00e9", timeout=10).status_code == 403
        process.terminate()
        output, errors = process.communicate(timeout=20)
    assert (output, errors) == ("GET /caf%C3%A9 403\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("as_form", [False, True])
def test_a_large_upload_is_never_in_memory(as_form: bool, tmp_path: Path) -> None:
    # A JPEG ends where it says; what follows is still part of the file.
    large = tmp_path / "large.jpg"
    large.write_bytes(pictures.plain())
    os.truncate(large, 200 * MEGABYTE)
    with launched(f"--directory={tmp_path / 'pictures'}") as process:
        shown = announced(process.stdout)
        first = requests.post(f"{shown['upload_url']}?token=t", pictures.plain(), timeout=10)
        assert requests.get(f"{first.json()['payload']['url']}.large", timeout=10).ok
        before = peak_memory(process.pid)
        with large.open("rb") as file:
            url = post_large(shown["upload_url"], file, as_form)
        with requests.get(url, stream=True, timeout=60) as answer:
            received = sum(len(block) for block in answer.iter_content(MEGABYTE))
        assert received == 200 * MEGABYTE
        assert peak_memory(process.pid) - before < 20 * MEGABYTE
        process.terminate()
        process.communicate(timeout=20)


def post_large(upload_url: str, file: IO[bytes], as_form: bool) -> str:
    """Upload a file that requests streams, with a form's head and foot around it if so asked."""
    body: Any = file
    headers = {"X-Access-Token": "t"}
    if as_form:
        body = Form(file)
        headers["Content-Type"] = "multipart/form-data; boundary=b"
    answer = requests.post(upload_url, body, headers=headers, timeout=60)
    return str(answer.json()["payload"]["url"])


class Form:
    """A form of one part, ``file``, that is read as a file is."""

    HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    FOOT = b"\r\n--b--\r\n"

    def __init__(self, file: IO[bytes]) -> None:
        self._parts: list[IO[bytes]] = [io.BytesIO(self.HEAD), file, io.BytesIO(self.FOOT)]
        self.len = os.fstat(file.fileno()).st_size + len(self.HEAD + self.FOOT)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(MEGABYTE), b"")

    def read(self, size: int) -> bytes:
        return next((block for part in self._parts if (block := part.read(size))), b"")


def peak_memory(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match
    return int(match[1]) * 1024


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["emulator", *arguments])
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        main()
    finally:  # it ignores them at the end, and so would every process that is started here
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, "--help")
    assert info.value.code == 0
    shown = capsys.readouterr().out
    assert f"python -m {MODULE}" in shown
    for option in (
        "--host",
        "--port",
        "--directory",
        "--token",
        "--allowed-host",
        "--allow-private-urls",
    ):
        assert option in shown


@pytest.mark.parametrize("option", ["--token", "--directory", "--host"])
def test_a_value_that_is_empty(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, option, "")
    assert info.value.code == 2
    assert f"argument {option}: the value is empty" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http", ""])
def test_a_port_that_is_none(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, f"--port={port}")
    assert info.value.code == 2
    message = f"argument --port: {port!r} is not a number from 0 to 65535"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "http://emulator", "emulator:8001", "a b", "*.example"])
def test_allowed_host_that_is_not_a_name_is_rejected(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, "--allowed-host", name)
    assert info.value.code == 2
    message = f"argument --allowed-host: {name!r} is not a host name or IP address"
    assert message in capsys.readouterr().err


def test_the_command_line_on_a_busy_port(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1 port {server.port}: "):
        run_main(monkeypatch, f"--port={server.port}")


def test_the_management_command_on_a_busy_port(server: EmulatorServer) -> None:
    with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1 port {server.port}: "):
        call_command(Command(), port=server.port)


class Interrupting(io.StringIO):
    """Presses Ctrl-C once the command has said all that it says at its start."""

    def flush(self) -> None:
        if "Ctrl-C" in self.getvalue():
            signal.raise_signal(signal.SIGINT)


def test_the_management_command() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    output = Interrupting()
    call_command(Command(), port=0, stdout=output)
    assert "upload_url  http://127.0.0.1:" in output.getvalue()
    assert "pictures    in a temporary directory" in output.getvalue()
    assert "Others on the network" not in output.getvalue()
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_management_command_with_allowed_host() -> None:
    seen: list[int] = []

    class Requesting(Interrupting):
        def flush(self) -> None:
            if "Ctrl-C" not in self.getvalue() or seen:
                return  # Each request writes a line, too.
            seen.append(0)
            url = self.getvalue().split()[6]
            answers = [
                requests.get(url, headers={"Host": host}, timeout=10)
                for host in ("emulator", "evil.example")
            ]
            seen.extend(answer.status_code for answer in answers)
            super().flush()

    options = {"allowed_hosts": ["emulator"], "allow_private_urls": True}
    call_command(Command(), port=0, stdout=Requesting(), **options)
    assert seen == [0, 403, 421]


def test_the_management_command_for_the_whole_network() -> None:
    output = Interrupting()
    call_command(Command(), host="0.0.0.0", port=0, stdout=output)
    assert "Others on the network can use it now" in output.getvalue()


def test_no_settings_and_nothing_of_the_client_is_needed() -> None:
    code = (
        "import sys; import django_groupme_images.emulator.__main__; "
        "from django.conf import settings; assert not settings.configured; "
        "print(*sorted(name for name in sys.modules if name.startswith('django_groupme_images.')))"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    modules = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    outside = {name for name in modules.split() if not name.startswith(MODULE)}
    assert outside == {"django_groupme_images.pictures", "django_groupme_images.exceptions"}
