"""What is installed from a distribution, in an environment that has nothing else, works."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .running import fault

_PROJECT = Path(__file__).with_name("project.py")


def faults(distribution: Path) -> list[str]:
    name = distribution.name
    with tempfile.TemporaryDirectory() as environment:
        python = Path(environment, "bin", "python")
        # -I, or what is imported could come from the folder that this runs in.
        strict = (python, "-I", "-X", "dev", "-W", "error")
        emulator = ("-m", "django_groupme_images.emulator", "--help")
        return (
            fault("There is no venv for it:", sys.executable, "-m", "venv", environment)
            or fault(f"{name} cannot be installed:", python, "-m", "pip", "install", distribution)
            or [
                *fault(f"{name} lacks a dependency:", python, "-m", "pip", "check"),
                *fault(f"The emulator of {name} does not run:", *strict, *emulator),
                *fault(f"{name} does not work in a project:", *strict, _PROJECT),
            ]
        )
