"""An index of stored names and their rows, in a temporary database on disk."""

from __future__ import annotations

import pickle  # nosec B403  # This process unpickles only its own temporary file.
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from .columns import Column, Rows

__all__ = ["IndexedName", "NameIndex"]

#: At most this many primary keys per name and column are in memory simultaneously, because a
#: shared default image may be in every row.
MAX_ROWS = 500

_SCHEMA = """
    PRAGMA journal_mode = OFF;
    CREATE TABLE name_row (storage, name, field, pk);
"""
_INSERT = "INSERT INTO name_row VALUES (?, ?, ?, ?)"
# The index is created after the rows are inserted, because that is faster. It contains all values,
# so that the other queries read only the index.
_CREATE_INDEX = "CREATE INDEX IF NOT EXISTS by_name ON name_row (storage, name, field, pk)"
_COUNT = "SELECT count(*) FROM (SELECT DISTINCT storage, name FROM name_row)"
_ALL = "SELECT storage, name, field, pk FROM name_row ORDER BY storage, name, field, pk"
_ROWS = "FROM name_row WHERE storage = ? AND name = ? AND field = ?"


class IndexedName(NamedTuple):
    """
    A name with the primary keys of at most ``MAX_ROWS`` of its rows in each column.

    ``truncated`` contains the columns in which further rows contain the name.
    """

    name: str
    rows: dict[Column, list[Any]]
    truncated: frozenset[Column]

    @property
    def storage(self) -> Any:
        """The storage that all columns share."""
        return next(iter(self.rows)).storage


class NameIndex:
    """
    An index of stored names, and of the rows that contain them.

    Names are compared exactly, which the collation of a database may not do. Columns with the same
    storage share their names. Each method raises ``OSError`` if the temporary database cannot be
    used, for example because the disk is full.
    """

    def __init__(self) -> None:
        self._columns: list[Column] = []
        self._storages: list[Any] = []
        # SQLite keeps 2 MB in memory, and the rest in a file that it deletes.
        self._database = sqlite3.connect("")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Delete the temporary database."""
        self._database.close()

    def add(self, column: Column, rows: Rows) -> None:
        """Add rows of a column: the primary key and the name of each."""
        key = self._key(column)
        with _disk_errors():
            self._database.executemany(
                _INSERT, ((key[0], name, key[1], _dump(pk)) for pk, name in rows)
            )

    def count_names(self) -> int:
        """Return the number of names, counting a name once for each storage."""
        return int(self._select(_COUNT)[0][0])

    def __iter__(self) -> Iterator[IndexedName]:
        """Yield each name with its rows, sorted by storage."""
        with _disk_errors():
            self._database.execute(_CREATE_INDEX)
            rows = self._database.execute(_ALL)
            for (_, name), rows_of_name in groupby(rows, itemgetter(0, 1)):
                yield self._indexed_name(name, rows_of_name)

    def count_rows(self, name: str, column: Column) -> int:
        """Return the number of rows of a column that contain a name."""
        return int(self._select(f"SELECT count(*) {_ROWS}", *self._values(name, column))[0][0])

    def further_rows(self, name: str, column: Column) -> Iterator[list[Any]]:
        """Yield the primary keys after the first ``MAX_ROWS``, in batches of ``MAX_ROWS``."""
        values = self._values(name, column)
        first = f"SELECT pk {_ROWS} ORDER BY pk LIMIT 1 OFFSET ?"
        last = self._select(first, *values, MAX_ROWS - 1)
        batch = f"SELECT pk {_ROWS} AND pk > ? ORDER BY pk LIMIT ?"
        while last and (found := self._select(batch, *values, *last[-1], MAX_ROWS)):
            yield [_load(pk) for (pk,) in found]
            last = found

    def _indexed_name(self, name: str, found: Iterable[tuple[Any, ...]]) -> IndexedName:
        rows, truncated = {}, set()
        for number, rows_of_column in groupby(found, itemgetter(2)):
            column = self._columns[number]
            rows[column] = [_load(pk) for *_, pk in islice(rows_of_column, MAX_ROWS)]
            if next(rows_of_column, None):
                truncated.add(column)
        return IndexedName(name, rows, frozenset(truncated))

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _disk_errors():
            self._database.execute(_CREATE_INDEX)
            return self._database.execute(query, values).fetchall()

    def _values(self, name: str, column: Column) -> tuple[int, str, int]:
        storage, field = self._key(column)
        return storage, name, field

    def _key(self, column: Column) -> tuple[int, int]:
        """Return the numbers of the storage and of the column in the database."""
        if column not in self._columns:
            self._columns.append(column)
        if column.storage not in self._storages:
            self._storages.append(column.storage)
        return self._storages.index(column.storage), self._columns.index(column)


def _dump(pk: Any) -> int | str | bytes:
    """Return a value that SQLite can store and compare."""
    is_native = type(pk) is str or (type(pk) is int and pk.bit_length() < 64)
    return pk if is_native else pickle.dumps(pk)


def _load(value: int | str | bytes) -> Any:
    return pickle.loads(value) if isinstance(value, bytes) else value  # noqa: S301  # nosec B301


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(
            f"The temporary database of stored names could not be used: {error}. If the disk is "
            "full, set the environment variable TMPDIR to a folder with more free space."
        ) from error
