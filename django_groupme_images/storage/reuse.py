"""Records of uploads on files, so that a form's file is not uploaded again when it is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from django.core.files.storage import Storage

from .concurrent_uploads import content_digest, digest_before_upload
from .file import RemoteImage
from .names import is_file_name, picture_from_name

__all__ = [
    "copy_record",
    "earlier_upload_name",
    "iter_layers",
    "new_contents",
    "remote_image",
    "reuse_upload",
    "save_once",
    "unchanged_upload_name",
]


@dataclass
class UploadRecord:
    """
    The result of saving a file, as an attribute of the file.

    ``name`` is the stored name: the URL of an image, or the name of a pending file, which is in
    the storage with the alias ``fallback``. ``digest`` is a hash of the saved content. ``is_used``
    is true if a row references the pending file.
    """

    name: str
    fallback: str | None
    digest: bytes | None
    is_used: bool = False


def save_once(file: IO[bytes], storage: Storage, save: Callable[[], str]) -> str:
    """Return the stored name of the file. Call ``save()`` unless it is already saved unchanged."""
    name = unchanged_upload_name(file, storage)
    if name is None:
        digest = digest_before_upload(file)  # Some storages close the file when they save it.
        name = save()
        record = UploadRecord(name, _fallback_alias(storage), digest)
        for layer in iter_layers(file):  # because the project may pass on any of them
            layer._groupme_upload = record
        with suppress(ValueError):  # The file is closed.
            file.seek(0)
    return name


def unchanged_upload_name(content: IO[bytes], storage: Storage) -> str | None:
    """Return the stored name of content that a form has uploaded, if it is unchanged since."""
    record = _find_record(content)
    if record is None or not _is_in_storage(record, storage):
        return None
    # A closed file cannot have been changed.
    return record.name if content_digest(content) in (None, record.digest) else None


def reuse_upload(content: IO[bytes], storage: Storage) -> str | None:
    """
    Return the stored name of an unchanged upload, and mark a pending file as used.

    Return ``None`` if there is no such upload, or if another row uses the pending file. Several
    rows can have the same uploaded image. A pending file belongs to the first row, because it may
    be deleted together with that row.
    """
    record, name = _find_record(content), unchanged_upload_name(content, storage)
    if record is None or record.is_used:
        return None
    record.is_used = name is not None and is_file_name(name)
    return name


def earlier_upload_name(content: IO[bytes] | None) -> str | None:
    """Return the stored name of content that a form has uploaded, even if it has changed since."""
    return getattr(_find_record(content), "name", None)


def copy_record(content: IO[bytes], copy: IO[bytes]) -> None:
    """Copy the record of an uploaded image to a copy of its content."""
    record = _find_record(content)
    # The record of a pending file is not copied, because the file belongs to a single row.
    if record is not None and not is_file_name(record.name):
        copy._groupme_upload = record  # type: ignore[attr-defined]


def remote_image(content: IO[bytes]) -> RemoteImage | None:
    """Return the ``RemoteImage`` that the content is or wraps, or ``None``."""
    return next((layer for layer in iter_layers(content) if isinstance(layer, RemoteImage)), None)


def _find_record(content: Any) -> UploadRecord | None:
    records = (getattr(layer, "_groupme_upload", None) for layer in iter_layers(content))
    return next(filter(None, records), None)


def iter_layers(content: Any) -> Iterator[Any]:
    """Yield the content, and the files that it wraps."""
    while content is not None:
        yield content
        # The property FieldFile.file would open the file in its storage.
        attributes = getattr(content, "__dict__", {})
        content = attributes.get("file", attributes.get("_file"))


def new_contents(contents: Iterable[IO[bytes]]) -> list[IO[bytes]]:
    """
    Return the contents that have to be uploaded, because no form has uploaded them before.

    If several contents wrap the same file, return only the first of them, so that no two threads
    read a file.
    """
    new: dict[int, IO[bytes]] = {}
    for content in contents:
        if not (earlier_upload_name(content) or remote_image(content)):
            *_, file = iter_layers(content)
            new.setdefault(id(file), content)
    return list(new.values())


def _is_in_storage(record: UploadRecord, storage: Storage) -> bool:
    if is_file_name(record.name):
        return record.fallback == _fallback_alias(storage)
    return picture_from_name(record.name, storage) is not None


def _fallback_alias(storage: Storage) -> str | None:
    return getattr(storage, "fallback", None)
