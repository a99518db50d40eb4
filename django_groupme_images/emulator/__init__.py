"""
Local emulator of GroupMe's image service.

A client that is written for the real service works with the emulator unchanged. Start it from
the command line::

    python -m django_groupme_images.emulator --port 8001

or in a test::

    with EmulatorServer() as server:
        storage = GroupMeStorage(
            upload_url=server.upload_url, cdn_url=server.cdn_url, access_token="any"
        )

The module ``store`` keeps the images, and ``thumbnails`` reads and resizes them with Pillow.
``app`` is the service as a WSGI application, ``server`` runs it on a TCP port, and ``cli`` is the
command line. ``assumptions`` contains a choice for each unknown behavior of the real service.
"""

from .app import EmulatorApp
from .assumptions import Assumptions
from .server import CannotStart, EmulatorServer
from .store import PictureStore

__all__ = ["Assumptions", "CannotStart", "EmulatorApp", "EmulatorServer", "PictureStore"]
