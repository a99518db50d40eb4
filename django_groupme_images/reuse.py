"""Reuse uploads: a form's file is not uploaded again when it is saved to a model field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from django.core.files.storage import Storage

from .bodies import PIECE
from .files import RemoteImage
from .names import is_file_name, known_picture

__all__ = [
    "copy_record",
    "recorded_name",
    "remote_image",
    "reused_name",
    "save_once",
    "uploaded_name",
]


@dataclass
class Upload:
    """The result of saving a file, kept on the file itself."""

    name: str  # the URL of a picture, or the name of a pending file
    fallback: str | None  # the alias of the storage that holds the pending file
    digest: bytes | None  # of the content that was saved
    is_used: bool = False  # whether a row has the pending file


def save_once(file: IO[bytes], storage: Storage, save: Callable[[], str]) -> str:
    """Return the stored name of the file, from ``save()`` unless it has been saved unchanged."""
    name = uploaded_name(file, storage)
    if name is None:
        digest = _digest(file)  # first, because some storages close the file
        name = save()
        file._groupme_upload = Upload(name, _fallback(storage), digest)  # type: ignore[attr-defined]
        with suppress(ValueError):  # a closed file
            file.seek(0)
    return name


def uploaded_name(content: IO[bytes], storage: Storage) -> str | None:
    """Return the stored name of content that a form has uploaded and nobody has changed since."""
    upload = _upload_of(content)
    if upload is None or not _belongs_to(upload, storage):
        return None
    # A closed file cannot have been saved with another content.
    return upload.name if _digest(content) in (None, upload.digest) else None


def reused_name(content: IO[bytes], storage: Storage) -> str | None:
    """
    Return :func:`uploaded_name` for a row.

    Any number of rows can have the same picture. A pending file belongs to the first row, because
    it may be deleted together with that row.
    """
    upload, name = _upload_of(content), uploaded_name(content, storage)
    if upload is None or upload.is_used:
        return None
    upload.is_used = name is not None and is_file_name(name)
    return name


def recorded_name(content: IO[bytes] | None) -> str | None:
    """Return the stored name of content that a form has uploaded, even if it has changed since."""
    return getattr(_upload_of(content), "name", None)


def copy_record(content: IO[bytes], copy: IO[bytes]) -> None:
    """Let a copy of content that a form has uploaded reuse the picture."""
    upload = _upload_of(content)
    # Not a pending file, because that belongs to a single row.
    if upload is not None and not is_file_name(upload.name):
        copy._groupme_upload = upload  # type: ignore[attr-defined]


def remote_image(content: IO[bytes]) -> RemoteImage | None:
    """Return the image that the service is to fetch, if the content is one or wraps one."""
    return next((layer for layer in _layers(content) if isinstance(layer, RemoteImage)), None)


def _upload_of(content: Any) -> Upload | None:
    found = (getattr(layer, "_groupme_upload", None) for layer in _layers(content))
    return next(filter(None, found), None)


def _layers(content: Any) -> Iterator[Any]:
    """Yield the content, and the files that it wraps."""
    while content is not None:
        yield content
        # Not the attribute "file", with which a FieldFile opens its storage.
        attributes = getattr(content, "__dict__", {})
        content = attributes.get("file", attributes.get("_file"))


def _belongs_to(upload: Upload, storage: Storage) -> bool:
    if is_file_name(upload.name):
        return upload.fallback == _fallback(storage)
    return known_picture(upload.name, storage) is not None


def _fallback(storage: Storage) -> str | None:
    return getattr(storage, "fallback", None)


def _digest(content: IO[bytes]) -> bytes | None:
    """Hash the content, and go back to its beginning. ``None`` for a closed file."""
    digest = hashlib.sha256()
    try:
        content.seek(0)
        while chunk := content.read(PIECE):
            digest.update(chunk)
        content.seek(0)
    except ValueError:
        return None
    return digest.digest()
