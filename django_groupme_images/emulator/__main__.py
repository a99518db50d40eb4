"""Entry point of ``python -m django_groupme_images.emulator``, without a Django project."""

from __future__ import annotations

import argparse
import os
import sys

from .cli import DESCRIPTION, add_arguments, ignore_signals, run
from .server import CannotStart


def main() -> None:
    """Run the emulator with the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m django_groupme_images.emulator", description=DESCRIPTION
    )
    add_arguments(parser)
    options = vars(parser.parse_args())
    # run() replaces these handlers and restores them at its end, so that a second Ctrl+C neither
    # kills the process during the cleanup nor shows a traceback.
    ignore_signals()
    try:
        run(**options, write=_write)
    except CannotStart as error:
        raise SystemExit(str(error)) from None


def _write(line: str) -> None:
    """Write a line to standard output, and escape characters that its encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        # Flush, because a program may read the URL through a pipe.
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:  # The pipe or the terminal is closed.
        _discard_output()


def _discard_output() -> None:
    """Redirect standard output to the null device, so that Python's flush at exit does not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


if __name__ == "__main__":
    main()
