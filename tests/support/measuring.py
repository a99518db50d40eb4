"""
Measurement of the CPU time and the memory that an action on an image takes.

``python -m tests.support.measuring`` reads lines of the form ``ACTION PATH``. For each, it writes a
line of JSON: the result, the CPU time in seconds, and the added memory in megabytes.
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

from tests import ROOT

FORMATS = ("jpeg", "png", "gif", "webp", "bmp", "tiff", "ico")
_SLOW_VARIABLES = ("COVERAGE", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Measured(NamedTuple):
    result: str
    seconds: float
    megabytes: float


class Measurer:
    """A process for measurements, without the tracing and debugging of the test process."""

    def __init__(self) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_SLOW_VARIABLES)
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.measuring"],
            cwd=ROOT,
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

    from django_groupme_images.forms.validation import check_image
    from django_groupme_images.images.options import ImageOptions

    try:
        check_image(File(file, "cat"), ImageOptions(allowed_formats=FORMATS))
    except ValidationError as error:
        return str(error.code)
    return "accepted"


def strip(file: IO[bytes]) -> str:
    from django_groupme_images.exceptions import ImageRejected
    from django_groupme_images.images.metadata import without_metadata

    try:
        stripped = without_metadata(file)
    except ImageRejected as error:
        return error.code
    while stripped.read(512 * 1024):
        pass
    return "unchanged" if stripped is file else "stripped"


def loop(file: IO[bytes]) -> str:
    """Take about 0.1 seconds of CPU time on an idle machine, without reading the file."""
    total = 0
    for number in range(2_000_000):
        total += number & 255
    return str(total)


ACTIONS = {"check": check, "strip": strip}
_ALL_ACTIONS = ACTIONS | {"loop": loop}


def measure(action: str, file: IO[bytes]) -> Measured:
    if _RESET.exists():
        _RESET.write_text("5")
    memory, start = _memory("VmRSS"), time.process_time()
    result = _ALL_ACTIONS[action](file)
    seconds = time.process_time() - start
    return Measured(result, seconds, _memory("VmHWM") - memory)


def _memory(key: str) -> float:
    """
    Return the current (``"VmRSS"``) or the peak (``"VmHWM"``) memory in megabytes.

    On systems other than Linux, both are the peak.
    """
    if _STATUS.exists():
        values = dict(
            line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines()
        )
        return int(values[key].split()[0]) / 1000
    try:
        import resource
    except ImportError:  # On Windows, only the time is measured.
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
    # The first action on each format imports modules, which must not count.
    for image_format in FORMATS:
        measure("check", io.BytesIO(plain(image_format.upper())))
    for line in sys.stdin:
        action, path = line.rstrip("\n").split(" ", 1)
        with Path(path).open("rb") as file:
            sys.stdout.write(json.dumps(measure(action, file)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
