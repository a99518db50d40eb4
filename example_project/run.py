"""
Run the example: ``make example``, or ``python example_project/run.py``.

One process creates the database, starts the emulator of the image service, adds data, and serves
the site and its admin until Ctrl+C.

With ``GROUPME=live`` and a token in ``GM_TOKEN``, images are uploaded to the real image service,
and there is no emulator.
"""

import os
import signal
from types import FrameType


def main() -> None:
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Importing Django takes some time, during which the signal handlers are already needed.
    from config.server import run

    run()


def leave(number: int, frame: FrameType | None) -> None:
    # Before the site is served, no cleanup is necessary, and the next run continues. An import or a
    # destructor could suppress an exception such as SystemExit.
    os.write(1, b"Stopped.\n")
    os._exit(0)


if __name__ == "__main__":
    main()
