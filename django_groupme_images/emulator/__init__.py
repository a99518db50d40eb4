"""
GroupMe's image service on this machine.

Good enough that a client written for the real service works against it unchanged::

    python -m django_groupme_images.emulator --port 8001

or, in a test::

    with EmulatorServer() as server:
        storage = GroupMeStorage(
            upload_url=server.upload_url, cdn_url=server.cdn_url, access_token="any"
        )

The rooms: ``store`` keeps pictures (``images`` is what it needs of Pillow), ``app`` is
the service as a WSGI application, ``server`` puts it on a socket and ``command`` on a
command line. What nobody knows about the real service is in ``assumptions``.
"""

from .app import EmulatorApp
from .assumptions import Assumptions
from .server import CannotStart, EmulatorServer
from .store import PictureStore

__all__ = ["Assumptions", "CannotStart", "EmulatorApp", "EmulatorServer", "PictureStore"]
