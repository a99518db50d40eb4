"""Cleanup: delete the sources of recorded uploads, and files that abandoned forms left behind."""

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

from .columns import PAGE
from .fallback import overlaid
from .names import FORM_FOLDER
from .pictures import find_picture
from .project import groupme_storages
from .records import Records, Upload
from .report import worded
from .sources import FAILED, SKIPPED, Removal, Version, delete_unused

__all__ = ["Cleanup", "fallback_aliases"]


class _File(NamedTuple):
    name: str
    version: Version


class Cleanup:
    """
    Deletes files that nothing references, and that are older than a moment.

    These are the sources of the uploads in ``records``, and the files in the form folder of each
    fallback storage. With ``dry_run``, nothing is deleted. The generators raise
    ``ReferencesUnknown`` if a table cannot be read, and delete nothing from then on.
    """

    def __init__(self, records: Records, *, before: datetime, dry_run: bool = False) -> None:
        self._records = records
        self._before = before
        self._dry_run = dry_run

    def uploaded(self) -> Iterator[Removal]:
        """Delete the sources of uploads that were made before the moment."""
        cdn_urls = {storage.cdn_url for storage in groupme_storages()}
        uploads = (
            upload
            for upload in self._records.before(self._before)
            if any(find_picture(upload.url, cdn_url) for cdn_url in cdn_urls)
        )
        for alias, of_source in groupby(uploads, attrgetter("source")):
            source = overlaid(alias)
            yield from self._delete(source, _unchanged(source, of_source))

    def abandoned(self, alias: str) -> Iterator[Removal]:
        """
        Delete the files in the form folder of a storage that were written before the moment.

        Files in ``records`` are left to :meth:`uploaded`, because their upload may be later.
        """
        source = overlaid(alias)
        files = (
            _current(source, file) if isinstance(file, str) else file
            for file in _form_files(source)
            if isinstance(file, Removal) or not self._records.find(alias, file)
        )
        yield from self._delete(source, filter(self._is_old, files))

    def _is_old(self, file: _File | Removal) -> bool:
        if isinstance(file, Removal):
            return True
        modified = file.version.modified
        return modified is not None and modified <= self._before

    def _delete(self, source: Storage, files: Iterator[_File | Removal]) -> Iterator[Removal]:
        """Delete files in batches. Their references are looked for just before each."""
        while page := list(islice(files, PAGE)):
            yield from (file for file in page if isinstance(file, Removal))
            versions = {file.name: file.version for file in page if isinstance(file, _File)}
            yield from delete_unused(source, versions, dry_run=self._dry_run)


def fallback_aliases() -> list[str]:
    """Return the alias of each fallback storage."""
    return sorted({storage.fallback for storage in groupme_storages() if storage.fallback})


def _unchanged(source: Storage, uploads: Iterable[Upload]) -> Iterator[_File | Removal]:
    """Return the files that are still as they were uploaded."""
    for upload in uploads:
        file = _current(source, upload.file)
        if isinstance(file, Removal) or (
            file.version.is_complete and file.version == upload.version
        ):
            yield file


def _current(source: Storage, name: str) -> _File | Removal:
    try:
        return _File(name, Version.of(source, name))
    except Exception as error:  # noqa: BLE001  # A storage may raise anything.
        return Removal(FAILED, name, worded(error))


def _form_files(source: Storage) -> Iterator[str | Removal]:
    """Return the names of all files below the form folder, without following symbolic links."""
    folders = [FORM_FOLDER]
    while folders:
        folder = folders.pop()
        if _is_link(source, folder):
            continue
        try:
            below, files = _listed(source, folder)
        except NotImplementedError:
            yield Removal(SKIPPED, folder, "the storage cannot list its files")
        except Exception as error:  # noqa: BLE001  # A storage may raise anything.
            yield Removal(FAILED, folder, worded(error))
        else:
            folders += _joined(folder, below)
            yield from (file for file in _joined(folder, files) if not _is_link(source, file))


def _listed(source: Storage, folder: str) -> tuple[Iterable[str], Iterable[str]]:
    try:
        return source.listdir(folder)
    except NotImplementedError:
        raise
    except Exception:
        # Before the first form, there is no folder. Each storage reports that in its own way.
        if source.exists(folder):
            raise
        return (), ()


def _joined(folder: str, entries: Iterable[str]) -> list[str]:
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
