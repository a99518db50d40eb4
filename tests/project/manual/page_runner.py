"""Run the code blocks of a documentation page in a new project."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import requests
from packaging.utils import canonicalize_name

from tests.support import ports
from tests.support.deadlines import DEADLINE, wait_until

from .pages import ROOT, Block
from .shell_commands import normalize_urls

# Commands that run until they are stopped, with the default port that they listen on.
_SERVERS = {"runserver": "8000", "emulator": "8001", "groupme_emulator": "8001", "db_worker": ""}

# Options that replace the prompts of interactive commands.
_NONINTERACTIVE_OPTIONS = {
    "createsuperuser": " --noinput --username admin --email admin@example.com"
}

# Commands that run in a clone of the repository, and are therefore not run in the project.
_CLONE_COMMANDS = re.compile(
    r"make |python -m pip install --editable |python example_project/|python -m pytest -n "
)

# Commands that prepare the machine of a reader. The tests run in a prepared environment.
_SKIPPED_COMMANDS = re.compile(r"python -m venv |\. |source |cd |mkdir ")


class PageRunner:
    """
    Runner of the blocks of a page, according to their language.

    A block whose first line is a comment with a path is written to that file, or appended to it
    if the file is ``settings.py``, or if the paragraph before it contains "the end of" and the
    path. Other Python code runs in the Django shell of the project, and
    templates are rendered with the first member. In a ``console`` block, the lines below a command
    are its expected output; in an ``sh`` block, each line is a command. HTML is expected in the
    last rendered template, or in the start page of the site.

    The ports of the page are replaced by free ones, and IDs of images are not compared.
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
            # Each command is a new process, and starts faster with compiled modules.
            "PYTHONDONTWRITEBYTECODE": "",
            "DJANGO_SUPERUSER_PASSWORD": "admin",
        }

    def follow(self, blocks: Iterable[Block]) -> None:
        """Run each block. Raises ``AssertionError`` if an output differs from the expected one."""
        try:
            for block in blocks:
                try:
                    self._run_block(block)
                except AssertionError as error:
                    raise AssertionError(f"{block.location}: {error}") from None
        finally:
            self.stop()

    def write(self, blocks: Iterable[Block]) -> None:
        """Write the files of a page, without running its other blocks."""
        for block in blocks:
            if block.path:
                self._write(block)

    def copy(self, project: Path) -> None:
        """Copy the files of a project, and replace the ports in its settings."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project, self.folder, ignore=ignored, dirs_exist_ok=True)
        settings = self.folder / "mysite/settings.py"
        settings.write_text(self.replace_ports(settings.read_text(encoding="utf-8")))

    def run(self, command: str, text: str = "") -> str:
        """Return the output of a command. Raises ``AssertionError`` if it fails."""
        result = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            input=text,
            text=True,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert result.returncode == 0, f"{command!r} printed {result.stdout}{result.stderr}"
        return result.stdout

    @property
    def site_url(self) -> str:
        """The URL of the running site, without a path."""
        return f"http://127.0.0.1:{self._ports['8000']}"

    def get(self, path: str = "/") -> str:
        """Request a page of the running site, and return its content."""
        response = requests.get(f"{self.site_url}{path}", timeout=DEADLINE)
        response.raise_for_status()
        return response.text

    def replace_ports(self, text: str) -> str:
        """Replace the ports in ``text`` by those of this runner."""
        for port, free_port in self._ports.items():
            text = re.sub(rf"\b{port}\b", str(free_port), text)
        return text

    def stop(self) -> None:
        """Stop the servers that the page started."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(DEADLINE)
        self._servers.clear()

    def _run_block(self, block: Block) -> None:
        if block.path:
            self._write(block)
        elif block.language not in ("text", "mermaid"):
            getattr(self, f"_{block.language}")(block)

    def _write(self, block: Block) -> None:
        path = self.folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if block.is_appended else "w") as file:
            file.write(f"\n{self.replace_ports(block.text)}")

    def _python(self, block: Block) -> None:
        self.run("python manage.py shell --verbosity 0", self.replace_ports(block.text))

    def _pycon(self, block: Block) -> None:
        self._shell("run_doctest(globals())", self.replace_ports(block.text))

    def _django(self, block: Block) -> None:
        self._page = self._shell("render_template('django')", block.text)

    def _jinja(self, block: Block) -> None:
        self._page = self._shell("render_template('jinja2')", block.text)

    def _html(self, block: Block) -> None:
        expected, actual = (
            _normalize_html(text)
            for text in (self.replace_ports(block.text), self._page or self.get())
        )
        assert expected in actual, f"{expected!r} is not in {actual!r}"

    def _shell(self, code: str, text: str) -> str:
        code = f"from tests.project.manual.shell_commands import *; {code}"
        return self.run(shlex.join(["python", "manage.py", "shell", "-v0", "-c", code]), text)

    def _console(self, block: Block) -> None:
        for part in re.split(r"^\$ ", self.replace_ports(block.text), flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            self._run_command(command.partition("  #")[0].strip(), expected)

    def _sh(self, block: Block) -> None:
        for command in self.replace_ports(block.text).splitlines():
            self._run_command(command, "")

    def _run_command(self, command: str, expected: str) -> None:
        arguments = shlex.split(command)
        if arguments[0] == "export":
            name, _, value = arguments[1].partition("=")
            self.environment[name] = value
        elif _CLONE_COMMANDS.match(command):
            _check_clone_command(arguments)
        elif server := next(
            (argument for argument in arguments if argument.rpartition(".")[2] in _SERVERS), ""
        ):
            self._start_server(command, _SERVERS[server.rpartition(".")[2]])
        elif arguments[:4] == ["python", "-m", "pip", "install"]:
            _check_installed(name for name in arguments[4:] if not name.startswith("-"))
        elif not _SKIPPED_COMMANDS.match(command):
            output = self.run(command + _NONINTERACTIVE_OPTIONS.get(arguments[-1], ""))
            matches = doctest.OutputChecker().check_output
            assert not expected or matches(expected.strip(), output.strip(), doctest.ELLIPSIS), (
                f"{command!r} printed {output}"
            )

    def _start_server(self, command: str, port: str) -> None:
        if port and port not in command:
            command += {"8000": " {}", "8001": " --port {}"}[port].format(self._ports[port])
        server = subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL
        )
        self._servers.append(server)
        if port:
            wait_until(lambda: _is_listening(self._ports[port]) or server.poll() is not None)
            assert server.poll() is None, f"{command!r} ended"


def _check_clone_command(arguments: list[str]) -> None:
    """Check that the target of make, the dependency group, or the script exists."""
    if arguments[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert f"\n{arguments[1]}:" in makefile
    elif "--group" in arguments:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert arguments[arguments.index("--group") + 1] in project["dependency-groups"]
    elif arguments[1].endswith(".py"):
        assert (ROOT / arguments[1]).exists()


def _check_installed(requirements: Iterable[str]) -> None:
    """Fail the test if a package is not installed."""
    names = [text.partition("[")[0] for text in requirements if not text.startswith("-")]
    for name in map(canonicalize_name, names):
        metadata.version(name)


def _is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _normalize_html(html: str) -> str:
    """Collapse whitespace, and replace the hosts and IDs in URLs of images."""
    return re.sub(r"\s+", " ", normalize_urls(html)).strip()
