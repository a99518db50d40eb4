"""
Find the names in columns, and the rows that contain them, page by page.

This is keyset pagination: one page of names is in memory at a time, and the next one is read
after all names of this one have been processed.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import Error

from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import GroupMeStorage
from django_groupme_images.storage.names import is_file_name

from .columns import MAX_ROWS, Column, find_columns_of_model

__all__ = ["StoredName", "iter_pages", "stored_names", "stored_names_in_row"]


@dataclass
class StoredName:
    """
    A stored name (a URL, or the name of a file) with the rows that contain it.

    ``rows`` contains primary keys by column. All columns have the same storage, so the name is
    processed once for all rows.
    """

    name: str
    rows: dict[Column, list[Any]]
    #: The columns in which further rows may contain the name, beyond ``MAX_ROWS``.
    truncated: frozenset[Column] = frozenset()

    @property
    def storage(self) -> GroupMeStorage:
        """The storage that all columns share."""
        storage: GroupMeStorage = next(iter(self.rows)).storage
        return storage

    def count_rows(self, column: Column) -> int:
        """Return the number of rows that contain the name, without a query if it is known."""
        if column in self.truncated:
            return column.count_rows(self.name)
        return len(self.rows[column])

    def current(self) -> StoredName:
        """Return a copy with only the rows that still contain the name."""
        rows = {column: column.filter_current(self.name, pks) for column, pks in self.rows.items()}
        return StoredName(self.name, rows, self.truncated)

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
            batches = column.pk_batches(self.name) if column in self.truncated else ()
            others = ([pk for pk in pks if pk not in loaded] for pks in batches)
            for pks in filter(None, chain([loaded], others)):
                for pk, result in self._update_rows(column, picture, pks):
                    yield column, pk, result

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


def iter_pages(columns: Iterable[Column], *, urls: bool) -> Iterator[list[StoredName]]:
    """
    Yield the URLs in the columns, or else the names of files, with their rows, in pages.

    A name in several columns with the same storage is yielded once, with the rows of all these
    columns. Each page is shuffled, so that concurrent runs rarely process the same name.
    """
    by_storage: dict[Any, list[Column]] = defaultdict(list)
    for column in columns:
        by_storage[column.storage].append(column)
    for group in by_storage.values():
        for number, column in enumerate(group):
            for names in column.name_pages(urls=urls):
                page = stored_names(names, group, processed=group[:number])
                random.shuffle(page)
                yield page


def stored_names(
    names: Sequence[str], columns: Iterable[Column], processed: Sequence[Column] = ()
) -> list[StoredName]:
    """Return the names with their rows, except names that a ``processed`` column contains."""
    rows: dict[str, dict[Column, list[Any]]] = defaultdict(dict)
    for column in columns:
        for name, pks in column.pks_by_name(names).items():
            rows[name][column] = pks
    return [
        StoredName(
            name,
            by_column,
            frozenset(column for column, pks in by_column.items() if len(pks) == MAX_ROWS),
        )
        for name, by_column in rows.items()
        if by_column.keys().isdisjoint(processed)
    ]


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
