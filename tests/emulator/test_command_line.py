"""Tests of the emulator's command line and management command."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import requests
from django.core.management import CommandError, call_command

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.__main__ import main
from django_groupme_images.management.commands.groupme_emulator import Command
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE, wait_until
from tests.support.emulator_requests import MEGABYTE, peak_memory

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "django_groupme_images.emulator"

# Windows has no SIGHUP.
SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def start_process(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-m", MODULE, "--port=0", *arguments],
        cwd=ROOT,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def startup_output(output: IO[str] | None) -> dict[str, str]:
    """Return the URLs and the directory that the command shows when it starts."""
    assert output is not None
    text = ""
    while "Press Ctrl+C to stop." not in text:
        line = output.readline()
        assert line, text
        text += line
    return dict(re.findall(r'^(GROUPME_\w+) = "(.*)"$', text, re.MULTILINE)) | {"output": text}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("number", SIGNALS)
def test_command_line_stopped_by_signal_exits_cleanly(number: int, tmp_path: Path) -> None:
    with start_process("--token=secret", f"--directory={tmp_path}") as process:
        startup = startup_output(process.stdout)
        assert f"Images are stored in {tmp_path}\n" in startup["output"]
        assert startup["GROUPME_ACCESS_TOKEN"] == "<value of --token>"
        headers = {"X-Access-Token": "secret"}
        response = requests.post(
            startup["GROUPME_UPLOAD_URL"], pictures.plain(), headers=headers, timeout=DEADLINE
        )
        url = response.json()["payload"]["url"]
        assert url.startswith(startup["GROUPME_CDN_URL"])
        assert requests.post(startup["GROUPME_UPLOAD_URL"], timeout=DEADLINE).status_code == 401
        process.send_signal(number)
        output, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (0, "")
    assert output == "POST /pictures 200\nPOST /pictures 401\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_command_line_under_nohup_ignores_hangup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start_process()
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        url = startup_output(process.stdout)["GROUPME_UPLOAD_URL"]
        process.send_signal(signal.SIGHUP)
        assert (
            requests.post(f"{url}?token=t", pictures.plain(), timeout=DEADLINE).status_code == 200
        )
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_command_line_with_hosts_and_private_urls_allows_them(tmp_path: Path) -> None:
    arguments = ("--allowed-host=emulator", "--allowed-host=Other.test", "--allow-private-urls")
    with start_process(*arguments) as process, EmulatorServer() as web:
        url = startup_output(process.stdout)["GROUPME_UPLOAD_URL"]
        for host in ("emulator:8001", "other.test"):
            response = requests.post(
                f"{url}?token=t", pictures.plain(), headers={"Host": host}, timeout=DEADLINE
            )
            assert response.json()["payload"]["url"].startswith(f"http://{host}/")
        assert (
            requests.get(url, headers={"Host": "evil.example"}, timeout=DEADLINE).status_code == 421
        )
        params = {"token": "t", "url": f"{web.url}moved"}
        fault = {"kind": "redirect", "location": f"{web.url}gone", "path": "/moved"}
        requests.post(f"{web.url}_emulator/faults", json=fault, timeout=DEADLINE).raise_for_status()
        response = requests.post(url, params=params, timeout=DEADLINE)
        # The status is that of /gone, so the redirect was followed.
        assert "HTTP status 403" in response.text
        process.terminate()
        output, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (0, "")
    assert "GET /pictures 421\n" in output


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_command_line_with_thumbnail_delay_serves_original_only() -> None:
    with start_process("--thumbnail-delay=3600.5") as process:
        upload_url = startup_output(process.stdout)["GROUPME_UPLOAD_URL"]
        response = requests.post(f"{upload_url}?token=t", pictures.plain(), timeout=DEADLINE)
        url = response.json()["payload"]["url"]
        assert requests.get(url, timeout=DEADLINE).status_code == 200
        assert requests.get(f"{url}.preview", timeout=DEADLINE).status_code == 403
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
def test_command_line_with_repeated_signals_exits_cleanly(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        start_process(TMPDIR=str(tmp_path)) as process,
    ):
        url = startup_output(process.stdout)["GROUPME_UPLOAD_URL"]
        assert len(list(tmp_path.iterdir())) == 1
        # The emulator is fetching from a server that does not respond.
        connection = socket.create_connection(url.split("/")[2].split(":"), timeout=DEADLINE)
        remote_url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        connection.sendall(f"POST /pictures?token=t&url={remote_url} HTTP/1.1\r\n\r\n".encode())
        with connection, silent.accept()[0]:

            def send_signals() -> bool:
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGTERM)
                return process.poll() is not None

            wait_until(send_signals)
            output, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("POST /pictures?token=[redacted]&url=http://127.0.0.1:")
    assert output.endswith(" dropped\n")
    assert list(tmp_path.iterdir()) == []


def test_command_line_with_closed_output_keeps_serving() -> None:
    with start_process() as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        process.stdout.close()
        for _ in range(3):
            response = requests.post(f"{url}pictures?token=t", pictures.plain(), timeout=DEADLINE)
            assert response.status_code == 200
        process.terminate()
        _, errors = process.communicate(timeout=DEADLINE)
    assert errors == ""


def test_command_line_with_ascii_output_escapes_text(tmp_path: Path) -> None:
    directory = tmp_path / "caf\u00e9"
    with start_process(f"--directory={directory}", PYTHONIOENCODING="ascii") as process:
        startup = startup_output(process.stdout)
        assert "caf\\xe9\n" in startup["output"]
        assert (
            requests.get(f"{startup['GROUPME_CDN_URL']}caf\u00e9", timeout=DEADLINE).status_code
            == 403
        )
        process.terminate()
        output, errors = process.communicate(timeout=DEADLINE)
    assert (output, errors) == ("GET /caf%C3%A9 403\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="requires /proc")
@pytest.mark.parametrize("as_form", [False, True])
def test_large_upload_is_not_loaded_into_memory(as_form: bool, tmp_path: Path) -> None:
    # The file continues after the end marker of the JPEG.
    large = tmp_path / "large.jpg"
    large.write_bytes(pictures.plain())
    os.truncate(large, 200 * MEGABYTE)
    with start_process(f"--directory={tmp_path / 'pictures'}") as process:
        startup = startup_output(process.stdout)
        first = requests.post(
            f"{startup['GROUPME_UPLOAD_URL']}?token=t", pictures.plain(), timeout=DEADLINE
        )
        assert requests.get(f"{first.json()['payload']['url']}.large", timeout=DEADLINE).ok
        before = peak_memory(process.pid)
        with large.open("rb") as file:
            url = post_large(startup["GROUPME_UPLOAD_URL"], file, as_form)
        with requests.get(url, stream=True, timeout=DEADLINE) as response:
            received = sum(len(block) for block in response.iter_content(MEGABYTE))
        assert received == 200 * MEGABYTE
        assert peak_memory(process.pid) - before < 20 * MEGABYTE
        process.terminate()
        process.communicate(timeout=DEADLINE)


def post_large(upload_url: str, file: IO[bytes], as_form: bool) -> str:
    """Upload a streamed file, as the body or in a form."""
    body: Any = file
    headers = {"X-Access-Token": "t"}
    if as_form:
        body = Form(file)
        headers["Content-Type"] = "multipart/form-data; boundary=b"
    response = requests.post(upload_url, body, headers=headers, timeout=DEADLINE)
    return str(response.json()["payload"]["url"])


class Form:
    """A form with one part, ``file``, that is read like a file."""

    HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    FOOT = b"\r\n--b--\r\n"

    def __init__(self, file: IO[bytes]) -> None:
        self._parts: list[IO[bytes]] = [io.BytesIO(self.HEAD), file, io.BytesIO(self.FOOT)]
        self.len = os.fstat(file.fileno()).st_size + len(self.HEAD + self.FOOT)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(MEGABYTE), b"")

    def read(self, size: int) -> bytes:
        return next((block for part in self._parts if (block := part.read(size))), b"")


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["emulator", *arguments])
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        main()
    finally:
        # main() ends by ignoring the signals, which processes started later would inherit.
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_command_line_help_lists_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, "--help")
    assert info.value.code == 0
    output = capsys.readouterr().out
    assert f"python -m {MODULE}" in output
    for option in (
        "--host",
        "--port",
        "--directory",
        "--token",
        "--allowed-host",
        "--allow-private-urls",
        "--thumbnail-delay",
    ):
        assert option in output


@pytest.mark.parametrize("option", ["--token", "--directory", "--host"])
def test_command_line_with_empty_value_fails(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, option, "")
    assert info.value.code == 2
    assert f"argument {option}: value must not be empty" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http", ""])
def test_command_line_with_invalid_port_fails(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, f"--port={port}")
    assert info.value.code == 2
    message = f"argument --port: {port!r} is not a number from 0 to 65535"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon", ""])
def test_command_line_with_invalid_thumbnail_delay_fails(
    seconds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, f"--thumbnail-delay={seconds}")
    assert info.value.code == 2
    message = f"argument --thumbnail-delay: {seconds!r} is not a number of seconds (0 or more)"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "http://emulator", "emulator:8001", "a b", "*.example"])
def test_command_line_with_invalid_allowed_host_fails(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as info:
        run_main(monkeypatch, "--allowed-host", name)
    assert info.value.code == 2
    message = f"argument --allowed-host: {name!r} is not a host name or IP address"
    assert message in capsys.readouterr().err


def test_command_line_on_busy_port_fails(
    server: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1 port {server.port}: "):
        run_main(monkeypatch, f"--port={server.port}")


def test_management_command_on_busy_port_raises(server: EmulatorServer) -> None:
    with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1 port {server.port}: "):
        call_command(Command(), port=server.port)


STARTUP_OUTPUT = """\
Emulating GroupMe's image service at {url}
Images are stored in a temporary directory, which is deleted at exit

Add these lines to the settings of your project:

GROUPME_UPLOAD_URL = "{url}pictures"
GROUPME_CDN_URL = "{url}"
GROUPME_ACCESS_TOKEN = "placeholder-token"

Press Ctrl+C to stop.
"""


class Interrupting(io.StringIO):
    """An output that raises SIGINT after the last line that the command shows when it starts."""

    def flush(self) -> None:
        if "Ctrl+C" in self.getvalue():
            signal.raise_signal(signal.SIGINT)


def test_management_command_interrupted_restores_signal_handlers() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    output = Interrupting()
    call_command(Command(), port=0, stdout=output)
    url = output.getvalue().split()[5]
    assert output.getvalue() == STARTUP_OUTPUT.format(url=url)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_management_command_with_allowed_host_accepts_it() -> None:
    statuses: list[int] = []

    class Requesting(Interrupting):
        def flush(self) -> None:
            if "Ctrl+C" not in self.getvalue() or statuses:
                return  # Each request also writes a line.
            statuses.append(0)
            url = self.getvalue().split()[5]
            responses = [
                requests.get(url, headers={"Host": host}, timeout=DEADLINE)
                for host in ("emulator", "evil.example")
            ]
            statuses.extend(response.status_code for response in responses)
            super().flush()

    options = {"allowed_hosts": ["emulator"], "allow_private_urls": True}
    call_command(Command(), port=0, stdout=Requesting(), **options)
    assert statuses == [0, 403, 421]


def test_management_command_on_all_interfaces_shows_warning() -> None:
    output = Interrupting()
    call_command(Command(), host="0.0.0.0", port=0, stdout=output)
    assert "Warning: the emulator is reachable from the network. " in output.getvalue()


def test_import_needs_neither_settings_nor_client() -> None:
    code = (
        "import sys; import django_groupme_images.emulator.__main__; "
        "from django.conf import settings; assert not settings.configured; "
        "print(*sorted(name for name in sys.modules if name.startswith('django_groupme_images.')))"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    modules = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    inside = (MODULE, "django_groupme_images.images")
    outside = {name for name in modules.split() if not name.startswith(inside)}
    assert outside == {"django_groupme_images.pictures", "django_groupme_images.exceptions"}
