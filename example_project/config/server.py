"""Run the site and the emulator of the image service in one process."""

import contextlib
import signal
import sys
from threading import Thread

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError

from django_groupme_images.emulator.server import CannotStart, EmulatorServer

HOST = "127.0.0.1"


def run() -> None:
    """Serve until a signal arrives; report errors of the environment as one line on stderr."""
    try:
        django.setup()
        serve()
        say("Stopped.")
    except CannotStart as error:
        sys.exit(f"{error}{hint(error)}")
    except DatabaseError as error:
        sys.exit(f"cannot use the database {settings.DATABASES['default']['NAME']}: {error}")
    except (ImproperlyConfigured, CommandError, OSError) as error:
        sys.exit(str(error))


def hint(error: CannotStart) -> str:
    # CannotStart is also raised for an unusable folder.
    if "cannot listen" in str(error):
        return " (set PORT or EMULATOR_PORT to another port)"
    return ""


def serve() -> None:
    with contextlib.ExitStack() as running:
        # A port that is in use is reported before the database is created.
        site = running.enter_context(site_server())
        if not settings.LIVE:
            running.enter_context(emulator())
        prepare()
        stop_on_signals(site)
        announce()
        site.serve_forever(poll_interval=0.1)


def stop_on_signals(site: ThreadedWSGIServer) -> None:
    def stop(*_: object) -> None:
        # A second Ctrl+C would interrupt the cleanup.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # shutdown() waits until serve_forever(), which runs in this thread, returns.
        Thread(target=site.shutdown).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


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
        say("GROUPME=live: missing images are uploaded to GroupMe's image service.")
    call_command("seed_club")
    users = get_user_model().objects
    if not users.filter(username="admin").exists():
        users.create_superuser("admin", password="admin")


def announce() -> None:
    site = f"http://{HOST}:{settings.PORT}/"
    say(f"Site:    {site}")
    say(f"Admin:   {site}admin/ (username: admin, password: admin)")
    service = "GroupMe's image service" if settings.LIVE else f"{settings.EMULATOR_URL} (emulator)"
    say(f"Images:  {service}")
    say("Press Ctrl+C to stop.")


def say(line: str) -> None:
    print(line, flush=True)  # A pipe is buffered.
