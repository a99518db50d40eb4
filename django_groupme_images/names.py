"""What a stored name stands for: a picture of the service, or a file of the fallback storage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .pictures import CDN_URL, Picture, find_picture

if TYPE_CHECKING:
    from django.core.files import File
    from django.core.files.storage import Storage
    from django.db.models.fields.files import FieldFile

__all__ = ["FORM_FOLDER", "is_file_name", "is_saved", "known_picture", "picture_of"]

#: The folder in the fallback storage for files that forms and serializers save before there is a
#: row. Only files in it may be deleted because no row references them.
FORM_FOLDER = "groupme-forms"

# One slash is what is left of a URL after Django has normalised it as a path.
_LIKE_AN_ADDRESS = re.compile("https?:/", re.IGNORECASE)


def is_file_name(name: str | None) -> bool:
    """
    Whether this is the name of a file, and so of one in the fallback storage.

    An address never is, of whatever host: none may be taken for a file, nor a file for one.
    """
    return bool(name) and not _LIKE_AN_ADDRESS.match(str(name))


def known_picture(name: str | None, storage: Storage) -> Picture | None:
    """
    The picture on the storage's CDN, or on the service's, of this name, or ``None``.

    Data of production may be looked at with the settings of development. Any storage will
    do, so that a project's tests can put another one in the place of ``STORAGES["groupme"]``.
    """
    # The service's first: what the storage's is costs more than all the rest.
    return find_picture(name) or find_picture(name, getattr(storage, "cdn_url", CDN_URL))


def is_saved(file: File[Any]) -> bool:
    """Whether this is a model field's file that is in its storage, and not only in memory."""
    return bool(getattr(file, "_committed", False))


def picture_of(file: FieldFile) -> Picture | None:
    """The picture that a model field's file is, or ``None``, at no I/O."""
    return known_picture(file.name, file.storage) if is_saved(file) else None
