"""
Run the example: ``make example``, or ``python example_project/run.py``.

Makes the database, starts the emulator of the image service, fills the club through it, and
serves the site and its admin until Ctrl-C. All in one process, so that nothing is left behind.

With ``GROUPME=live`` and a token in ``GM_TOKEN`` there is no emulator, and the pictures are
uploaded to the real image service.
"""

import os
import signal
from types import FrameType


def main() -> None:
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # Not before the signals are caught: importing Django takes a moment.
    from config.server import run

    run()


def leave(number: int, frame: FrameType | None) -> None:
    # Until the site is served there is nothing to clear up: what is done is kept, and the next
    # run does the rest. An exception could get lost here, in an import or in a destructor.
    os.write(1, b"Stopped.\n")
    os._exit(0)


if __name__ == "__main__":
    main()
