"""
Which rows hold what: the names in columns, each with its rows, page by page.

The rows are their own queue: a page is read when the one before is done with, and no more is
held than that, however many rows there are.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import Error

from .columns import MOST_ROWS, Column, own_columns
from .names import is_file_name
from .pictures import Picture
from .storage import GroupMeStorage

__all__ = ["Named", "in_row", "named", "pages"]


@dataclass
class Named:
    """A name, and the rows that hold it, by column. They share what becomes of it."""

    name: str
    rows: dict[Column, list[Any]]
    #: The columns in which further rows may hold the name.
    more: frozenset[Column] = frozenset()

    @property
    def storage(self) -> GroupMeStorage:
        """The storage of every one of its columns."""
        storage: GroupMeStorage = next(iter(self.rows)).storage
        return storage

    def still(self) -> Named:
        """The same with the rows that hold the name now."""
        rows = {column: column.still(self.name, pks) for column, pks in self.rows.items()}
        return Named(self.name, rows, self.more)

    def without(self, other: Named) -> Named:
        """The same without the rows that the other has."""
        rows = {
            column: [pk for pk in pks if pk not in other.rows[column]]
            for column, pks in self.rows.items()
        }
        return Named(self.name, rows)

    def swap(self, picture: Picture) -> Iterator[tuple[Column, Any, bool | Error]]:
        """
        Put a picture in the place of the name: each row, and whether it was changed.

        A row that holds another name by now, because somebody edited it, is left alone; one
        that the database refuses to change is given with its error.
        """
        for column, known in self.rows.items():
            batches = column.batches(self.name) if column in self.more else ()
            others = ([pk for pk in pks if pk not in known] for pks in batches)
            for pks in filter(None, chain([known], others)):
                for pk, done in self._swapped(column, picture, pks):
                    yield column, pk, done

    def _swapped(
        self, column: Column, picture: Picture, pks: list[Any]
    ) -> Iterator[tuple[Any, bool | Error]]:
        try:
            changed = set(column.swap(self.name, picture, pks))
        except Error as error:  # a constraint or a trigger of the project, for example
            if len(pks) == 1:
                yield pks[0], error
                return
            for pk in pks:  # of which the others may be changed
                yield from self._swapped(column, picture, [pk])
            return
        yield from ((pk, pk in changed) for pk in pks)


def pages(columns: Iterable[Column], *, addresses: bool) -> Iterator[list[Named]]:
    """
    The names in the columns, and their rows, in pages.

    Shuffled, so that two runs at once rarely have the same name in hand. A name that
    several columns share, whose storage is the same, comes once, with the rows of all.
    """
    by_storage: dict[Any, list[Column]] = defaultdict(list)
    for column in columns:
        by_storage[column.storage].append(column)
    for group in by_storage.values():
        for number, column in enumerate(group):
            for names in column.names(addresses=addresses):
                page = named(names, group, done=group[:number])
                random.shuffle(page)
                yield page


def named(
    names: Sequence[str], columns: Iterable[Column], done: Sequence[Column] = ()
) -> list[Named]:
    """The names with their rows in the columns; without those that columns that are done have."""
    rows: dict[str, dict[Column, list[Any]]] = defaultdict(dict)
    for column in columns:
        for name, pks in column.holders(names).items():
            rows[name][column] = pks
    return [
        Named(name, held, frozenset(column for column in held if len(held[column]) == MOST_ROWS))
        for name, held in rows.items()
        if held.keys().isdisjoint(done)
    ]


def in_row(label: str, pk: str, database: str) -> list[Named]:
    """The files that one row holds in the columns which its model, of this label, declares."""
    found = []
    for column in own_columns(label, database):
        row = column.rows().filter(pk=column.model._meta.pk.to_python(pk))
        for name, key in row.values_list(column.field.attname, "pk"):
            if is_file_name(name):
                found.append(Named(name, {column: [key]}))
    return found
