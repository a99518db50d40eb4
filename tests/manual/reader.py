"""Somebody who reads a page of the manual, and does what it says, in a project of his own."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest
import requests
from packaging.utils import canonicalize_name

from .. import ports
from .pages import ROOT, Block
from .typed import as_any_id

# Commands that run until they are stopped, and the port that they listen on, if any.
_SERVERS = {"runserver": "8000", "emulator": "8001", "groupme_emulator": "8001", "db_worker": ""}

# What a person would be asked for.
_UNASKED = {"createsuperuser": " --noinput --username admin --email admin@example.com"}

# What is there already, or is a matter of the reader's own machine.
_DONE = re.compile(r"python -m venv |\. |source |cd |mkdir ")


class Reader:
    """
    Types in what is in the blocks of a page.

    A block that begins with a comment that is a path is a file, and belongs at the end of it if
    that is the settings. What else is Python is typed into the project's shell, and a template
    is rendered for the first member. HTML, and lines below a command, are what comes out.

    Every port is a free one, and every id of a picture is as good as another.
    """

    def __init__(self, folder: Path, emulator_port: int | None = None) -> None:
        self.folder = folder
        self._ports = {"8000": ports.free_port(), "8001": emulator_port or ports.free_port()}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._page = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "PYTHONDONTWRITEBYTECODE": "",  # each command is a new process
            "DJANGO_SUPERUSER_PASSWORD": "admin",
        }

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do what every block says. Raises ``AssertionError`` where something else comes out."""
        try:
            for block in blocks:
                try:
                    self._do(block)
                except AssertionError as error:
                    raise AssertionError(f"{block.place}: {error}") from None
        finally:
            self.stop()

    def write(self, blocks: Iterable[Block]) -> None:
        """Write the files of a page, and do nothing else."""
        for block in blocks:
            if block.path:
                self._write(block)

    def run(self, command: str, text: str = "") -> str:
        """What a command that succeeds writes."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            input=text,
            text=True,
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{command!r} says {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, path: str = "/") -> str:
        """A page of the site that runs."""
        answer = requests.get(f"http://127.0.0.1:{self._ports['8000']}{path}", timeout=10)
        answer.raise_for_status()
        return answer.text

    def here(self, text: str) -> str:
        """The text with the ports of this reader."""
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text

    def stop(self) -> None:
        """End what runs until it is stopped."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(20)
        self._servers.clear()

    def _do(self, block: Block) -> None:
        if block.path:
            self._write(block)
        elif block.language != "text":
            getattr(self, f"_{block.language}")(block)

    def _write(self, block: Block) -> None:
        path = self.folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if path.name == "settings.py" else "w") as file:
            file.write(f"\n{self.here(block.text)}")

    def _python(self, block: Block) -> None:
        self.run("python manage.py shell --verbosity 0", self.here(block.text))

    def _pycon(self, block: Block) -> None:
        self._shell("examples(globals())", self.here(block.text))

    def _django(self, block: Block) -> None:
        self._page = self._shell("template('django')", block.text)

    def _jinja(self, block: Block) -> None:
        self._page = self._shell("template('jinja2')", block.text)

    def _html(self, block: Block) -> None:
        expected, found = (
            _flat(text) for text in (self.here(block.text), self._page or self.get())
        )
        assert expected in found, f"{expected!r} is not in {found!r}"

    def _shell(self, code: str, text: str) -> str:
        code = f"from tests.manual.typed import *; {code}"
        return self.run(shlex.join(["python", "manage.py", "shell", "-v0", "-c", code]), text)

    def _console(self, block: Block) -> None:
        for part in re.split(r"^\$ ", self.here(block.text), flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            self._type(command.partition("  #")[0].strip(), expected)

    def _type(self, command: str, expected: str) -> None:
        words = shlex.split(command)
        if words[0] == "make":
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), command
        elif server := next((word for word in words if word.rpartition(".")[2] in _SERVERS), ""):
            self._serve(command, _SERVERS[server.rpartition(".")[2]])
        elif words[:4] == ["python", "-m", "pip", "install"]:
            _check_installed(words[4:])
        elif not _DONE.match(command):
            found = self.run(command + _UNASKED.get(words[-1], ""))
            is_expected = doctest.OutputChecker().check_output
            assert not expected or is_expected(expected.strip(), found.strip(), doctest.ELLIPSIS), (
                f"{command!r} says {found}"
            )

    def _serve(self, command: str, port: str) -> None:
        if port and port not in command:
            command += {"8000": " {}", "8001": " --port {}"}[port].format(self._ports[port])
        server = subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL
        )
        self._servers.append(server)
        while port and not _listens(self._ports[port]):
            assert server.poll() is None, f"{command!r} ended"
            time.sleep(0.05)


def _check_installed(requirements: list[str]) -> None:
    """Skip the rest of the page where a package is not there, unless this is CI."""
    for name in [canonicalize_name(text.partition("[")[0]) for text in requirements]:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            assert os.environ.get("WORKER_TESTS") != "required", f"{name} is not installed"
            pytest.skip(f"needs {name}")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _flat(html: str) -> str:
    """HTML without what makes no difference."""
    return re.sub(r"\s+", " ", as_any_id(html)).strip()
