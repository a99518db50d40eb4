"""
Run the example: ``make example``, or ``python example_project/run.py``.

Makes the database, starts the emulator of the image service, fills the club through it, and
serves the site and its admin until Ctrl-C. All in one process, so that nothing is left behind.

With ``GROUPME=live`` and a token in ``GM_TOKEN`` there is no emulator, and the pictures are
uploaded to the real image service.
"""

import contextlib
import os
import signal
import sys
from types import FrameType

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from django_groupme_images.emulator.server import CannotStart, EmulatorServer

HOST = "127.0.0.1"


def main() -> None:
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        run()
    except KeyboardInterrupt:
        say("Stopped.")
    except CannotStart as error:
        sys.exit(f"{error} (PORT and EMULATOR_PORT choose other ports)")
    except (ImproperlyConfigured, CommandError) as error:
        sys.exit(str(error))


def stop(number: int, frame: FrameType | None) -> None:
    # Once is enough: an impatient second Ctrl-C would only interrupt the clearing up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    with contextlib.ExitStack() as running:
        # Both ports are taken first: a busy one ends the run before anything is made.
        site = running.enter_context(site_server())
        if not settings.LIVE:
            running.enter_context(emulator())
        prepare()
        announce()
        site.serve_forever()


def site_server() -> ThreadedWSGIServer:
    try:
        server = ThreadedWSGIServer((HOST, settings.PORT), WSGIRequestHandler)
    except OSError as error:
        problem = f"cannot listen on {HOST} port {settings.PORT}: {error.strerror}"
        raise CannotStart(problem) from error
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    return server


def emulator() -> EmulatorServer:
    return EmulatorServer(
        host=HOST,
        port=settings.EMULATOR_PORT,
        directory=settings.PICTURES_DIR,
        token=settings.EMULATOR_TOKEN,
    )


def prepare() -> None:
    call_command("migrate", verbosity=0)
    if settings.LIVE:
        say("GROUPME=live: the club's pictures are uploaded to the real image service, once.")
    call_command("seed_club")
    users = get_user_model().objects
    if not users.filter(username="admin").exists():
        users.create_superuser("admin", password="admin")


def announce() -> None:
    site = f"http://{HOST}:{settings.PORT}/"
    say(f"Site      {site}")
    say(f"Admin     {site}admin/  (user admin, password admin)")
    say("Pictures  " + ("the real image service" if settings.LIVE else settings.EMULATOR_URL))
    say("Stop with Ctrl-C.")


def say(line: str) -> None:
    print(line, flush=True)  # at once, into a pipe too


if __name__ == "__main__":
    main()
