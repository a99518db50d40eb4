"""Run Django's tests in each state. Exits with 1 if a result is not the expected one."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

from .field import STATES, VALUES
from .source import unpack_tests


def main() -> int:
    tests = unpack_tests(Path("build", "django-suite"))
    return max([_run(tests, state, value) for state, value in product(STATES, VALUES)])


def _run(tests: Path, state: str, value: str) -> int:
    print(f"\n== {STATES[state]}; values are {VALUES[value].__name__}", flush=True)
    command = [
        *(sys.executable, "-m", "pytest", "--quiet"),
        *("-p", "tests.django_suite.plugin"),
        "--ds=tests.django_suite.settings",
        "--override-ini=python_classes=",  # Django has a model field TestImageField.
        *sys.argv[1:],
        str(tests / "model_fields" / "test_imagefield.py"),
    ]
    environment = {
        "DJANGO_SUITE_STATE": state,
        "DJANGO_SUITE_VALUE": value,
        "PYTHONPATH": str(tests.resolve()),
    }
    return subprocess.run(command, env=os.environ | environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
