"""
The time and the memory that an image takes, in a process that does nothing else.

``python -m tests.measuring`` reads lines ``ACTION PATH``, and writes a line of JSON for each:
the result, seconds of CPU time, and megabytes of memory added.
"""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import IO, NamedTuple

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico")
_SLOW = ("COVERAGE", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Measured(NamedTuple):
    result: str
    seconds: float
    megabytes: float


class Measurer:
    """A process that measures, without the tracer and the debugging aids of the tests."""

    def __init__(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_SLOW)
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.measuring"],
            cwd=Path(__file__).parent.parent,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, action: str, path: Path) -> Measured:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{action} {path}\n")
        self._process.stdin.flush()
        return Measured(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def check(file: IO[bytes]) -> str:
    from django.core.exceptions import ValidationError
    from django.core.files import File

    from django_groupme_images.validation import check_image

    try:
        check_image(File(file, "cat"), allowed_formats=FORMATS, max_size=None)
    except ValidationError as error:
        return str(error.code)
    return "accepted"


def strip(file: IO[bytes]) -> str:
    from django_groupme_images.metadata import without_metadata

    stripped = without_metadata(file)
    while stripped.read(512 * 1024):
        pass
    return "whole" if stripped is file else "stripped"


ACTIONS = {"check": check, "strip": strip}


def measured(action: str, file: IO[bytes]) -> Measured:
    if _RESET.exists():
        _RESET.write_text("5")
    memory, start = _memory("VmRSS"), time.process_time()
    result = ACTIONS[action](file)
    seconds = time.process_time() - start
    return Measured(result, seconds, _memory("VmHWM") - memory)


def _memory(key: str) -> float:
    """Return the megabytes in use now, or at most; on other systems than Linux, at most so far."""
    if _STATUS.exists():
        values = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(values[key].split()[0]) / 1000
    try:
        import resource
    except ImportError:  # on Windows, where only the time is measured
        return 0
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    import django
    from django.conf import settings

    from .emulator_pictures import plain

    settings.configure()
    django.setup()
    warnings.simplefilter("ignore")
    logging.disable()
    for image_format in FORMATS:  # so that everything is imported
        measured("check", io.BytesIO(plain(image_format.upper())))
    for line in sys.stdin:
        action, path = line.rstrip("\n").split(" ", 1)
        with Path(path).open("rb") as file:
            sys.stdout.write(json.dumps(measured(action, file)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
