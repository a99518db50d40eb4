"""
One target, in a process of its own::

    python -m fuzz.one TARGET [option of libFuzzer]... [folder or file]...

With a file, such as one that a crash has left, it runs that alone.
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
