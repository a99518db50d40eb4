"""``python -m django_groupme_images.emulator``, which needs no Django project."""

from __future__ import annotations

import argparse
import sys

from .command import DESCRIPTION, add_arguments, run
from .server import CannotStart


def main() -> None:
    """Run the emulator with the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m django_groupme_images.emulator", description=DESCRIPTION
    )
    add_arguments(parser)
    try:
        run(**vars(parser.parse_args()), write=_write)
    except CannotStart as error:
        raise SystemExit(str(error)) from None


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    # Who waits for the address may read it through a pipe.
    sys.stdout.flush()


if __name__ == "__main__":
    main()
