"""The move: files of the fallback storage go to the service, and their rows get the URLs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar, cast

from django.core.files.storage import Storage
from django.db import Error, transaction

from .bulk import Bulk
from .columns import PAGE, in_use
from .pictures import Picture
from .report import CHANGED, REPLACED, Result, results, swapped, worded
from .selection import Named
from .storage import GroupMeStorage

__all__ = ["OUTCOMES", "Move"]

#: What can become of a row.
OUTCOMES = ("moved", "skipped", "failed")

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How many bytes a file has, and when it was written, as far as its storage says.
_Version: TypeAlias = tuple[int | None, datetime | None]

# A name with the rows that held it when it was found, and those that did when its turn came.
_Work: TypeAlias = tuple[Named, Named]


class _Uploaded(NamedTuple):
    picture: Picture
    version: _Version
    version_after: _Version


class Move:
    """
    Moves files to the service.

    ``source`` holds them, instead of the fallback of the storage that each goes to. With
    ``delete_source`` a file is deleted there once its rows are changed, and no row of any
    file field holds its name any more; ``deleted`` counts them. A file that was replaced
    meanwhile by another one of its name is neither taken for the old one nor deleted.
    """

    def __init__(
        self, bulk: Bulk, *, source: Storage | None = None, delete_source: bool = False
    ) -> None:
        self.deleted = 0
        self._bulk = bulk
        self._source = source
        self._delete_source = delete_source
        self._moved: dict[tuple[Storage, str], dict[str, _Version]] = defaultdict(dict)

    def run(self, files: Iterable[Named]) -> Generator[Iterator[Result], None, None]:
        """Move the files, and give what becomes of the rows of each, while it does."""
        work = ((file, file.still()) for file in files)
        for (file, still), future in self._bulk.run(work, self._upload):
            yield self._settled(file, still, future)
        for source, database in list(self._moved):
            self._delete_unused(source, database)

    @property
    def stopped(self) -> str:
        """Why not all files were tried; nothing if they were."""
        return self._bulk.stopped

    def source(self, storage: GroupMeStorage) -> Storage | None:
        """Where the files are that are to go to this storage."""
        return self._source or storage.fallback_storage

    def sizes(self, files: Iterable[Named]) -> Iterator[tuple[Named, int | None]]:
        """How many bytes each file has, or ``None`` if it cannot be read, at no request."""
        for file, future in self._bulk.run(files, self._size):
            yield file, None if future.exception() else future.result()

    def _size(self, file: Named) -> int:
        return self._where(file).size(file.name)

    def _where(self, file: Named) -> Storage:
        # Whoever selects files knows where they are.
        return cast("Storage", self.source(file.storage))

    def _upload(self, work: _Work) -> _Uploaded | None:
        _, file = work
        if not any(file.rows.values()):
            return None
        self._bulk.pace.wait()
        source = self._where(file)
        version = _version(source, file.name)
        with source.open(file.name) as content:
            picture = file.storage.upload(content, self._bulk.client(file.storage))
        return _Uploaded(picture, version, _version(source, file.name))

    def _settled(
        self, file: Named, still: Named, future: Future[_Uploaded | None]
    ) -> Iterator[Result]:
        yield from results("skipped", file.without(still), reason=CHANGED)
        if error := future.exception():
            yield from results("failed", still, reason=worded(error))
        elif done := future.result():
            file.storage.announce(done.picture, file.name)
            if done.version != done.version_after:
                yield from results("skipped", still, done.picture.url, REPLACED)
                return
            database = None
            for result in swapped("moved", still, done.picture):
                database = result.column.database if result.outcome == "moved" else database
                yield result
            if database is not None:
                self._note(file, database, done.version)

    def _note(self, file: Named, database: str, version: _Version) -> None:
        """Remember that a file was moved, and look from time to time which have no row left."""
        if not self._delete_source:
            return
        source = self._where(file)
        moved = self._moved[source, database]
        moved[file.name] = version
        if len(moved) >= PAGE:
            self._delete_unused(source, database)

    def _delete_unused(self, source: Storage, database: str) -> None:
        moved = self._moved.pop((source, database))
        # At once, unless whoever calls the command has begun a transaction.
        transaction.on_commit(partial(self._delete, source, moved), using=database)

    def _delete(self, source: Storage, moved: dict[str, _Version]) -> None:
        try:
            unused = moved.keys() - in_use(list(moved))
        except Error:
            logger.exception("It is not known which files are needed still, so none is deleted")
            return
        for name in unused:
            try:
                if any(moved[name]) and _version(source, name) == moved[name]:
                    source.delete(name)
                    self.deleted += 1
            except Exception:
                logger.exception("%r is on the service now, and could not be deleted here", name)


def _version(source: Storage, name: str) -> _Version:
    """What tells that a file is another one by now, under the same name."""
    return _told(source.size, name), _told(source.get_modified_time, name)


def _told(method: Callable[[str], T], name: str) -> T | None:
    with suppress(NotImplementedError, FileNotFoundError):  # not every storage knows
        return method(name)
    return None
