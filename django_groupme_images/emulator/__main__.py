"""``python -m django_groupme_images.emulator``, which needs no Django project."""

from __future__ import annotations

import argparse
import os
import sys

from .command import DESCRIPTION, add_arguments, ignore_signals, run
from .server import CannotStart


def main() -> None:
    """Run the emulator with the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m django_groupme_images.emulator", description=DESCRIPTION
    )
    add_arguments(parser)
    options = vars(parser.parse_args())
    # What run() puts back when it ends: who presses Ctrl-C twice needs no traceback of an
    # interpreter that ends, and there is no moment in between at which a signal could kill it.
    ignore_signals()
    try:
        run(**options, write=_write)
    except CannotStart as error:
        raise SystemExit(str(error)) from None


def _write(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    text = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        # Who waits for the address may read it through a pipe.
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:  # the pipe or the terminal is closed
        _write_nowhere()


def _write_nowhere() -> None:
    """Let no line fail any more, not even what Python still holds and writes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
