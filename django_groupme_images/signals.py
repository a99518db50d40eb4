"""
The signals that a ``GroupMeStorage`` sends about the results of uploads.

``picture_uploaded``
    A file has been uploaded. ``sender`` is the storage's class, ``storage`` the storage,
    ``picture`` the ``Picture``, and ``name`` the former name of the file: the argument of
    ``save()``, its name in the fallback storage if it was a pending file, the URL that the service
    fetched, or the old URL of an image that was restored from a mirror. If a form uploads the file,
    the model instance may not be saved yet.

    ``duration`` is the time of the upload in seconds, as a ``float``: from the first connection
    attempt to the end of the response, including retries and the waits between them. It does not
    include the time to convert, shrink, or strip the image, or to determine the access token.
    ``size`` is the number of bytes that were uploaded, after any conversion. It is ``None`` if the
    service fetched the image from a URL.

``upload_postponed``
    An upload failed temporarily, and the file was saved to the fallback storage. ``sender`` is the
    storage's class, ``storage`` the storage, ``name`` the file's name in the fallback storage, and
    ``error`` the ``ServiceError``. It is not sent for files that a storage with ``deferred=True``
    saves to the fallback storage.

``upload_failed``
    An upload failed, and was not postponed. ``sender`` is the storage's class, ``storage`` the
    storage, ``name`` the name of the file as for ``picture_uploaded``, and ``error`` a copy of the
    ``ServiceError`` without its traceback. ``save()`` and ``save_from_url()`` send the signal
    before they raise the exception. The commands, the tasks, and the action of the admin send it
    when they report that the upload of a file failed. This includes ``FallbackFailed``, and
    ``ImageRejected`` for a file that is rejected before anything is sent. The signal is not sent
    for other exceptions, or for files that do not pass the validation of a form or serializer.

Receivers run in the thread that calls the storage, or that runs the command, task, or action. If
that is the thread of an event loop, asynchronous receivers are not called, and an error is logged.
Exceptions of receivers are also logged, because receivers cannot change the result of the upload.
"""

import logging
from typing import Any

from django.dispatch import Signal

__all__ = ["picture_uploaded", "upload_failed", "upload_postponed"]

logger = logging.getLogger(__name__)

picture_uploaded = Signal()

upload_postponed = Signal()

upload_failed = Signal()


def send(signal: Signal, sender: type, **values: Any) -> None:
    """Send a signal. Log the errors of its receivers, because they cannot change the result."""
    try:
        signal.send_robust(sender, **values)
    except RuntimeError:
        # send_robust() catches the errors of receivers, but not those of async_to_sync().
        logger.exception(
            "The asynchronous receivers of a signal of %s cannot be called from the thread of an "
            "event loop: upload in a thread, for example with sync_to_async().",
            sender.__name__,
        )
