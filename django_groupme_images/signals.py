"""
Signals: what became of a file that was handed to a ``GroupMeStorage``.

Their receivers cannot undo it: what one raises is logged, and changes nothing.

``picture_uploaded``
    A file is on the service now. ``sender`` is the storage's class, ``storage`` the storage,
    ``picture`` the ``Picture``, and ``name`` the file's name before: the one that ``save()`` was
    given, its name in the fallback storage if it was moved from there, the address that the
    service fetched, or the old URL of a picture that was restored from a mirror. In a form, its
    row may not be saved yet.

``upload_postponed``
    An upload failed in a way that may pass, and the file is in the fallback storage.
    ``sender`` is the storage's class, ``storage`` the storage, ``name`` the file's name in the
    fallback storage, and ``error`` the ``ServiceError``. A storage with ``deferred=True`` sends
    none for the files that it puts there as it should.
"""

from django.dispatch import Signal

__all__ = ["picture_uploaded", "upload_postponed"]

picture_uploaded = Signal()

upload_postponed = Signal()
