"""
Fuzz one target in this process::

    python -m tools.fuzz.run_target TARGET [OPTION_OF_LIBFUZZER ...] [FOLDER_OR_FILE ...]

With a file, such as one that libFuzzer has saved after a failure, it runs only that input.
"""

from __future__ import annotations

import logging
import os
import sys

import atheris

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

with atheris.instrument_imports(
    include=["django_groupme_images", "tests.properties", "http", "urllib3"]
):
    import django

    django.setup()

    from .targets import TARGETS


def main() -> None:
    logging.disable(logging.WARNING)
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


main()
