"""
Find the names in columns, and the rows that contain them.

All rows are read once, into an index on disk, so the time is proportional to the number of rows,
and the memory is independent of it. Later changes of rows are noticed, because the rows of each
name are read again before it is processed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Self

from django.db import Error

from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import GroupMeStorage
from django_groupme_images.storage.names import is_file_name

from .columns import Column, Rows, find_columns_of_model
from .name_index import IndexedName, NameIndex
from .runner import BulkRunner

__all__ = ["PAGE_SIZE", "StoredName", "StoredNames", "stored_names_in_row"]

#: The number of rows whose names are compared with the database, and shuffled, at a time.
PAGE_SIZE = 500
#: Only the first names are read for a limit that is not greater. Looking up more names at a time
#: is slower than reading all rows.
MAX_LIMIT = 5_000


@dataclass
class StoredName:
    """
    A stored name (a URL, or the name of a file) with the rows that contain it.

    ``rows`` contains primary keys by column. All columns have the same storage, so the name is
    processed once for all rows.
    """

    name: str
    rows: dict[Column, list[Any]]
    #: The columns in which further rows may contain the name, beyond those in ``rows``.
    truncated: frozenset[Column] = frozenset()
    #: The index that contains these further rows.
    index: NameIndex | None = None

    @property
    def storage(self) -> GroupMeStorage:
        """The storage that all columns share."""
        storage: GroupMeStorage = next(iter(self.rows)).storage
        return storage

    def count_rows(self, column: Column) -> int:
        """Return the number of rows that contain the name."""
        if self.index is not None and column in self.truncated:
            return self.index.count_rows(self.name, column)
        return len(self.rows[column])

    def current(self) -> StoredName:
        """Return a copy with only the rows that still contain the name."""
        rows = {column: column.filter_current(self.name, pks) for column, pks in self.rows.items()}
        return StoredName(self.name, rows, self.truncated, self.index)

    def minus(self, other: StoredName) -> StoredName:
        """Return a copy without the rows of ``other``, which has the same columns."""
        rows = {
            column: [pk for pk in pks if pk not in other.rows[column]]
            for column, pks in self.rows.items()
        }
        return StoredName(self.name, rows)

    def update_rows(self, picture: Picture) -> Iterator[tuple[Column, Any, bool | Error]]:
        """
        Replace the name with the URL of a ``Picture`` in each row.

        Yield the column and the primary key of each row, with ``True`` if the row was changed,
        ``False`` if it now contains another name (for example because a user edited it), or the
        database's exception.
        """
        for column, loaded in self.rows.items():
            for pks in filter(None, chain([loaded], self._further_rows(column))):
                for pk, result in self._update_rows(column, picture, pks):
                    yield column, pk, result

    def _further_rows(self, column: Column) -> Iterator[list[Any]]:
        if self.index is not None and column in self.truncated:
            loaded = frozenset(self.rows[column])
            for pks in self.index.further_rows(self.name, column):
                yield [pk for pk in pks if pk not in loaded]

    def _update_rows(
        self, column: Column, picture: Picture, pks: list[Any]
    ) -> Iterator[tuple[Any, bool | Error]]:
        try:
            changed = set(column.update_rows(self.name, picture, pks))
        except Error as error:  # A constraint or a trigger of the project may reject the change.
            if len(pks) == 1:
                yield pks[0], error
                return
            for pk in pks:  # The other rows can be changed nevertheless.
                yield from self._update_rows(column, picture, [pk])
            return
        yield from ((pk, pk in changed) for pk in pks)


class StoredNames:
    """
    The stored names in columns, with their rows.

    A name in several columns with the same storage is yielded once, with the rows of all these
    columns. Names that no row contains anymore are not yielded. The names are shuffled in pages, so
    that concurrent runs rarely process the same name at the same time.

    ``runner`` is stopped if rows cannot be read, and no rows are read after it has been stopped.
    """

    def __init__(self, runner: BulkRunner) -> None:
        self._runner = runner
        self._index = NameIndex()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary database."""
        self._index.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[StoredName]:
        # A page contains names of one storage, because each task is for one storage.
        for _, indexed_names in groupby(self._index, attrgetter("storage")):
            for indexed_page in _pages_of_names(indexed_names):
                page = self._current(indexed_page)
                random.shuffle(page)
                yield from page

    def read(self, columns: Iterable[Column], *, urls: bool, limit: int | None = None) -> None:
        """
        Read the URLs in the columns, or else the names of files, with all their rows.

        If there are more names than ``limit``, and it is sufficient to process this many of them,
        only the first names are read, but enough to choose different ones in each run.
        """
        for group in _group_by_storage(columns):
            if limit is None or limit > MAX_LIMIT:
                for column in group:
                    self._add(column, column.name_pages(urls=urls))
            elif limit > 0:
                names = self._first_names(group, urls, max(limit, PAGE_SIZE))
                self._add_rows_with(names, group)
                limit -= len(names)
        self._count_names()

    def read_rows_with(self, names: Collection[str], columns: Iterable[Column]) -> None:
        """Read the rows that contain one of the names."""
        self._add_rows_with(names, columns)
        self._count_names()

    def _first_names(self, columns: Iterable[Column], urls: bool, count: int) -> set[str]:
        """Return the names in the first rows of the columns, at most ``count``."""
        names: set[str] = set()
        for column in columns:
            pages = column.name_pages(urls=urls, size=count)
            rows = chain.from_iterable(self._runner.until_stopped(pages))
            while len(names) < count and (row := next(rows, None)):
                names.add(row[1])
        return names

    def _add_rows_with(self, names: Collection[str], columns: Iterable[Column]) -> None:
        for column in columns:
            self._add(column, column.pages_with(names))

    def _add(self, column: Column, pages: Iterator[Rows]) -> None:
        with self._runner.stopped_on_read_error():
            for page in self._runner.until_stopped(pages):
                self._index.add(column, page)

    def _count_names(self) -> None:
        if not self._runner.stop_reason:  # Counting sorts the names.
            with self._runner.stopped_on_read_error():
                self._count = self._index.count_names()

    def _current(self, names: Iterable[IndexedName]) -> list[StoredName]:
        """Return the names that rows still contain, each with these rows."""
        pks: dict[Column, list[Any]] = defaultdict(list)
        for _, rows, _ in names:
            for column, found in rows.items():
                pks[column] += found
        current_names = {column: column.current_names(found) for column, found in pks.items()}
        current = []
        for name, rows, truncated in names:
            current_rows = {
                column: [pk for pk in found if current_names[column].get(pk) == name]
                for column, found in rows.items()
            }
            if not any(current_rows.values()):
                current_rows |= {each: self._next_rows(name, each) for each in truncated}
            if any(current_rows.values()):
                current.append(StoredName(name, current_rows, truncated, self._index))
        return current

    def _next_rows(self, name: str, column: Column) -> list[Any]:
        """Return the next rows that still contain a name, if none of the first rows does."""
        batches = self._index.further_rows(name, column)
        current = (column.filter_current(name, pks) for pks in batches)
        return next(filter(None, current), [])


def _pages_of_names(names: Iterable[IndexedName]) -> Iterator[list[IndexedName]]:
    """Yield the names in pages that have about ``PAGE_SIZE`` rows."""
    page: list[IndexedName] = []
    size = 0
    for name in names:
        page.append(name)
        size += sum(map(len, name.rows.values()))
        if size >= PAGE_SIZE:
            yield page
            page, size = [], 0
    yield page


def _group_by_storage(columns: Iterable[Column]) -> Iterable[list[Column]]:
    groups: dict[Any, list[Column]] = defaultdict(list)
    for column in columns:
        groups[column.storage].append(column)
    return groups.values()


def stored_names_in_row(label: str, pk: str, database: str) -> list[StoredName]:
    """
    Return the names of files in one row, without URLs.

    Only columns that the model ``label`` itself declares are included. ``pk`` is a string.
    """
    found = []
    for column in find_columns_of_model(label, database):
        row = column.rows().filter(pk=column.model._meta.pk.to_python(pk))
        for name, key in row.values_list(column.field.attname, "pk"):
            if is_file_name(name):
                found.append(StoredName(name, {column: [key]}))
    return found
