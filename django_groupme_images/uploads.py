"""Bulk upload of existing files: the image service gets each file, and its rows get the URL."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from threading import Lock
from typing import Any, NamedTuple, TypeAlias, cast

from django.apps import apps
from django.core.files.storage import Storage
from django.db import Error

from .bulk import Bulk
from .columns import PAGE, Column
from .exceptions import InvalidPicture
from .fallback import overlaid
from .pictures import Picture
from .project import file_fields, is_on_groupme
from .records import Ledger, Upload
from .references import ReferencesUnknown, default_names
from .report import CHANGED, DEFAULT, REPLACED, Result, results, swapped, worded
from .selection import Named
from .sources import DELETED, Version, after_commit, delete_unused
from .storage import GroupMeStorage

__all__ = ["OUTCOMES", "Move"]

#: What can become of a row.
OUTCOMES = ("moved", "skipped", "failed")

logger = logging.getLogger(__name__)

# A name with the rows that held it when it was found, and those that did when its turn came.
_Work: TypeAlias = tuple[Named, Named]


class _Done(NamedTuple):
    """An upload, or an earlier one that is used again; or a reason to leave the rows alone."""

    version: Version
    picture: Picture | None = None
    reason: str = ""
    upload: Upload | None = None
    recorded: tuple[Column, Any] | None = None


class Move:
    """
    Uploads files of a storage to the image service.

    ``source`` is the alias of that storage, instead of the fallback of the storage that each
    file is uploaded to. With ``delete_source``, a file is deleted after its rows are changed,
    if nothing references it anymore; ``deleted`` counts these files. A file that was replaced
    in the meantime by another one of the same name is not deleted.

    With a ``ledger``, a file that it contains is not uploaded again. Without one, the default
    files of fields are skipped, because each later row would upload them again.
    """

    def __init__(
        self,
        bulk: Bulk,
        *,
        source: str | None = None,
        delete_source: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        self.deleted = 0
        self._bulk = bulk
        self._source = source
        self._delete_source = delete_source
        self._ledger = ledger
        self._one_default = Lock()
        self._moved: dict[str, dict[str, Version]] = defaultdict(dict)

    def run(self, files: Iterable[Named]) -> Generator[Iterator[Result], None, None]:
        """Upload the files, and return the results of the rows of each."""
        _ = self._defaults  # A callable default may query the database, which workers do not.
        work = ((file, file.still()) for file in files)
        for (file, still), future in self._bulk.run(work, self._upload):
            yield self._settled(file, still, future)
        for alias in list(self._moved):
            self._delete_unused(alias)

    @property
    def stopped(self) -> str:
        """Why not all files were tried; empty if they were."""
        return self._bulk.stopped

    def is_default(self, name: str) -> bool:
        """Return whether this is the name of the default file of a field that uploads."""
        return name in self._defaults

    def source(self, storage: GroupMeStorage) -> Storage | None:
        """Return the storage of the files that are uploaded to this one, if that is known."""
        return overlaid(self._source) if self._source else storage.fallback_storage

    def sizes(self, files: Iterable[Named]) -> Iterator[tuple[Named, int | None]]:
        """Return the size of each file in bytes, or ``None`` if it cannot be read."""
        for file, future in self._bulk.run(files, self._size):
            yield file, None if future.exception() else future.result()

    @cached_property
    def _defaults(self) -> frozenset[str]:
        return _default_files()

    def _size(self, file: Named) -> int:
        return self._where(file).size(file.name)

    def _where(self, file: Named) -> Storage:
        # The command selects only files whose storage is known.
        return cast("Storage", self.source(file.storage))

    def _alias(self, file: Named) -> str:
        return self._source or cast("str", file.storage.fallback)

    def _upload(self, work: _Work) -> _Done | None:
        _, file = work
        if not any(file.rows.values()):
            return None
        is_default = self.is_default(file.name)
        # Several storages may have the same default file, which is uploaded once.
        with self._one_default if is_default else nullcontext():
            source = self._where(file)
            version = Version.of(source, file.name)
            if picture := self._known(file, source, version):
                return _Done(version, picture)
            if is_default and not (self._ledger and version.is_complete):
                return _Done(version, reason=DEFAULT)
            self._bulk.pace.wait()
            with source.open(file.name) as content:
                picture = file.storage.upload(content, self._bulk.client(file.storage))
            if Version.of(source, file.name) != version:
                return _Done(version, picture, REPLACED)
            upload = Upload(self._alias(file), file.name, version, datetime.now(UTC), picture.url)
            return _Done(version, picture, "", upload, self._recorded(file, upload))

    def _known(self, file: Named, source: Storage, version: Version) -> Picture | None:
        """Return the image of an earlier upload of the file, if the ledger has one."""
        if self._ledger is not None:
            for url in self._ledger.urls(self._alias(file), source, file.name, version):
                with suppress(InvalidPicture):  # The line may have been edited.
                    return file.storage.picture(url)
        return None

    def _recorded(self, file: Named, upload: Upload) -> tuple[Column, Any] | None:
        """
        Append the result of one row before any row is changed, and return that row.

        If the process is killed in between, the next run finds the upload there.
        """
        if self._ledger is None:
            return None
        column, pk = next((column, pks[0]) for column, pks in file.rows.items() if pks)
        result = Result("moved", column, pk, file.name, upload.url, upload=upload)
        try:
            self._ledger.write(result.line())
        except OSError as error:  # The rows can be changed nevertheless.
            self._bulk.stop(f"the report cannot be written: {error}")
            return None
        return column, pk

    def _settled(self, file: Named, still: Named, future: Future[_Done | None]) -> Iterator[Result]:
        yield from results("skipped", file.without(still), reason=CHANGED)
        if error := future.exception():
            yield from results("failed", still, reason=worded(error))
        elif done := future.result():
            if done.picture and (done.upload or done.reason):
                file.storage.announce(done.picture, file.name)
            if done.reason:
                url = done.picture.url if done.picture else ""
                yield from results("skipped", still, url, done.reason)
            else:
                yield from self._changed(still, done)

    def _changed(self, file: Named, done: _Done) -> Iterator[Result]:
        is_moved = False
        for result in swapped("moved", file, cast("Picture", done.picture), done.upload):
            is_moved |= result.outcome == "moved"
            is_recorded = (result.outcome, (result.column, result.pk)) == ("moved", done.recorded)
            yield replace(result, recorded=is_recorded)
        if is_moved:
            self._note(file, done.version)

    def _note(self, file: Named, version: Version) -> None:
        """Remember an uploaded file, and delete unused ones when there are many."""
        if not self._delete_source:
            return
        moved = self._moved[self._alias(file)]
        moved[file.name] = version
        if len(moved) >= PAGE:
            self._delete_unused(self._alias(file))

    def _delete_unused(self, alias: str) -> None:
        moved = self._moved.pop(alias)
        try:
            after_commit(partial(self._delete, overlaid(alias), moved))
        except Error:
            logger.exception("No source file is deleted, because a database is not available")

    def _delete(self, source: Storage, moved: dict[str, Version]) -> None:
        try:
            for removal in delete_unused(source, moved):
                self.deleted += removal.outcome == DELETED
        except ReferencesUnknown:
            logger.exception("It is not known which files are referenced, so none is deleted")


def _default_files() -> frozenset[str]:
    """Return the default files of all fields that upload."""
    names: set[str] = set()
    for field in (field for model in apps.get_models() for field in file_fields(model)):
        if is_on_groupme(field):
            try:
                names.update(default_names(field))
            except Exception:  # The project's own callable may raise anything.
                logger.exception("The default of %s is not known", field)
    return frozenset(names)
