"""
The signals that a ``GroupMeStorage`` sends after it has saved a file.

``picture_uploaded``
    A file has been uploaded. ``sender`` is the storage's class, ``storage`` the storage,
    ``picture`` the ``Picture``, and ``name`` the former name of the file: the argument of
    ``save()``, its name in the fallback storage if it was a pending file, the URL that the service
    fetched, or the old URL of an image that was restored from a mirror. If a form uploads the file,
    the model instance may not be saved yet.

``upload_postponed``
    An upload failed temporarily, and the file was saved to the fallback storage. ``sender`` is the
    storage's class, ``storage`` the storage, ``name`` the file's name in the fallback storage, and
    ``error`` the ``ServiceError``. It is not sent for files that a storage with ``deferred=True``
    saves to the fallback storage.

Receivers run in the thread that uploads. If that is the thread of an event loop, asynchronous
receivers are not called, and an error is logged. Exceptions of receivers are also logged, because
receivers cannot undo the upload.
"""

import logging
from typing import Any

from django.dispatch import Signal

__all__ = ["picture_uploaded", "upload_postponed"]

logger = logging.getLogger(__name__)

picture_uploaded = Signal()

upload_postponed = Signal()


def send(signal: Signal, sender: type, **values: Any) -> None:
    """Send a signal. Log the errors of its receivers, because they cannot undo the upload."""
    try:
        signal.send_robust(sender, **values)
    except RuntimeError:
        # send_robust() catches the errors of receivers, but not those of async_to_sync().
        logger.exception(
            "The asynchronous receivers of a signal of %s cannot be called from the thread of an "
            "event loop: upload in a thread, for example with sync_to_async().",
            sender.__name__,
        )
