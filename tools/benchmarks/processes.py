"""Run topics and servers in separate processes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from .measure import Result

T = TypeVar("T")

TOPICS = (
    *("tags", "thumbnails", "parsing", "loading", "uploading"),
    *("preparing", "submitting", "bulk_upload", "change_list", "importing", "emulating"),
)


def measure_topic(topic: str, quick: bool) -> list[Result]:
    return list(import_module(f"tools.benchmarks.{topic}").results(quick))


def run_in_process(function: Callable[..., T], *args: object) -> T:
    """Return the result of a function that runs in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def peak_memory() -> int:
    """Return the highest number of bytes that this process has occupied, on Linux."""
    # getrusage() would include the memory of the parent process.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(":", 1) for line in lines)["VmHWM"].removesuffix("kB")) * 1024


@contextmanager
def run_server(module: str, *args: str) -> Iterator[str]:
    """Run ``python -m module --port PORT``, and yield its URL, which ends with a slash."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    command = [sys.executable, "-m", module, *args, "--port", str(address[1])]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(address).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, f"{module} has failed"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{address[1]}/"
    finally:
        process.terminate()
        process.wait()
