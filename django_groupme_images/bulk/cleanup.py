"""Cleanup: delete the source files of recorded uploads, and the files of abandoned forms."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from django.core.files.storage import Storage

from django_groupme_images.discovery import groupme_storages
from django_groupme_images.exceptions import describe_exception
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.fallback import get_fallback_storage
from django_groupme_images.storage.names import FORM_FOLDER

from .references import FILES_PER_SEARCH
from .source_files import FAILED, SKIPPED, Deletion, Version, delete_unused
from .upload_log import RecordedUpload, UploadIndex

__all__ = ["Cleanup", "fallback_aliases"]


class _File(NamedTuple):
    name: str
    version: Version


class Cleanup:
    """
    Deletion of old files that nothing references.

    These are the source files of the ``uploads`` in reports, and the files in the form folder of
    each fallback storage, if they were uploaded or written before the time ``before``. With
    ``dry_run``, nothing is deleted. The generators raise ``ReferencesUnknown`` if a table cannot be
    read, and delete nothing after that. ``recent_count`` is the number of files that they have
    skipped, because these were uploaded or written later.
    """

    def __init__(self, uploads: UploadIndex, *, before: datetime, dry_run: bool = False) -> None:
        self.recent_count = 0
        self._uploads = uploads
        self._before = before
        self._dry_run = dry_run

    def delete_uploaded(self) -> Iterator[Deletion]:
        """Delete the source files of old uploads, if they have not been replaced since."""
        self.recent_count += self._uploads.count_files_uploaded_after(self._before)
        cdn_urls = {storage.cdn_url for storage in groupme_storages(evaluate=True)}
        uploads = (
            upload
            for upload in self._uploads.last_uploads_before(self._before)
            if any(Picture.parse_or_none(upload.url, cdn_url) for cdn_url in cdn_urls)
        )
        for alias, group in groupby(uploads, attrgetter("source_alias")):
            source = get_fallback_storage(alias)
            yield from self._delete(source, _unchanged_files(source, group))

    def delete_abandoned(self, alias: str) -> Iterator[Deletion]:
        """
        Delete old files in the form folder of the storage with this alias.

        Files in a report are left to :meth:`delete_uploaded`, because they may have been uploaded
        recently.
        """
        source = get_fallback_storage(alias)
        files = (
            _current_version(source, file) if isinstance(file, str) else file
            for file in _form_files(source)
            if isinstance(file, Deletion) or not self._uploads.find(alias, file)
        )
        yield from self._delete(source, self._without_recent(files))

    def _without_recent(self, files: Iterable[_File | Deletion]) -> Iterator[_File | Deletion]:
        """Return the files that are old enough, and failures. Count the others."""
        for file in files:
            if isinstance(file, Deletion):
                yield file
            elif modified := file.version.modified:  # It may be unknown.
                if modified <= self._before:
                    yield file
                else:
                    self.recent_count += 1

    def _delete(self, source: Storage, files: Iterator[_File | Deletion]) -> Iterator[Deletion]:
        """Delete files in batches. References are searched just before each batch is deleted."""
        while page := list(islice(files, FILES_PER_SEARCH)):
            yield from (file for file in page if isinstance(file, Deletion))
            versions = {file.name: file.version for file in page if isinstance(file, _File)}
            yield from delete_unused(source, versions, dry_run=self._dry_run)


def fallback_aliases() -> list[str]:
    """Return the alias of each fallback storage."""
    aliases = {storage.fallback for storage in groupme_storages(evaluate=True)}
    return sorted(filter(None, aliases))


def _unchanged_files(
    source: Storage, uploads: Iterable[RecordedUpload]
) -> Iterator[_File | Deletion]:
    """Yield the files that still have the version that was uploaded, and failed deletions."""
    for upload in uploads:
        file = _current_version(source, upload.file)
        if isinstance(file, Deletion) or (
            file.version.is_complete and file.version == upload.version
        ):
            yield file


def _current_version(source: Storage, name: str) -> _File | Deletion:
    """Return a file with its current version, or a failed deletion if the storage raises."""
    try:
        return _File(name, Version.of(source, name))
    except Exception as error:  # noqa: BLE001  # A storage may raise anything.
        return Deletion(FAILED, name, describe_exception(error))


def _form_files(source: Storage) -> Iterator[str | Deletion]:
    """
    Yield the names of all files in the form folder and its subfolders.

    Symbolic links are not followed. Folders that cannot be listed are yielded as deletions.
    """
    folders = [FORM_FOLDER]
    while folders:
        folder = folders.pop()
        if _is_link(source, folder):
            continue
        try:
            subfolders, files = _list_folder(source, folder)
        except NotImplementedError:
            yield Deletion(SKIPPED, folder, "the storage cannot list its files")
        except Exception as error:  # noqa: BLE001  # A storage may raise anything.
            yield Deletion(FAILED, folder, describe_exception(error))
        else:
            folders += _join(folder, subfolders)
            yield from (file for file in _join(folder, files) if not _is_link(source, file))


def _list_folder(source: Storage, folder: str) -> tuple[Iterable[str], Iterable[str]]:
    try:
        return source.listdir(folder)
    except NotImplementedError:
        raise
    except Exception:
        # The folder does not exist before a form saves a file. Storages then raise different
        # exceptions.
        if source.exists(folder):
            raise
        return (), ()


def _join(folder: str, entries: Iterable[str]) -> list[str]:
    # Some storages return complete names, possibly with a prefix, and the folder itself.
    names = {posixpath.basename(entry.rstrip("/")) for entry in entries}
    return [f"{folder}/{name}" for name in names - {"", ".", ".."} if "\\" not in name]


def _is_link(source: Storage, name: str) -> bool:
    """Return whether a part of the name is a symbolic link, which may lead out of the folder."""
    with suppress(NotImplementedError):  # Only storages on this machine have paths.
        root = os.path.realpath(Path(source.path(FORM_FOLDER)).parent)
        path = Path(source.path(name))
        return path.is_symlink() or os.path.realpath(path) != str(Path(root, name))
    return False
