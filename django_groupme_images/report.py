"""What became of each row: counted, written down, and the failures told at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from django.db import Error

if TYPE_CHECKING:
    from .columns import Column
    from .pictures import Picture
    from .selection import Named

__all__ = ["CHANGED", "REPLACED", "Report", "Result", "results", "swapped", "worded"]

# Failures stay in memory up to this many bytes.
_SPOOLED_IN_MEMORY = 256 * 1024


# Why a row was skipped.
CHANGED = "the row was changed meanwhile"
REPLACED = "the file was replaced meanwhile"


@dataclass(frozen=True)
class Result:
    """What became of a file in a row: one word of it, and a URL or a reason."""

    outcome: str
    column: Column
    pk: Any
    file: str
    url: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without what is empty."""
        pk = self.pk if isinstance(self.pk, int) else str(self.pk)
        line = {
            "outcome": self.outcome,
            "model": self.column.field.model._meta.label,
            "field": self.column.field.name,
            "database": self.column.database,
            "pk": pk,
            "file": self.file,
            "url": self.url,
            "reason": self.reason,
        }
        return {name: value for name, value in line.items() if value != ""}

    def __str__(self) -> str:
        what = self.reason or self.url
        # Of the model whose key it is, which may be a parent of the one that was asked for.
        field = f"{self.column.field.model._meta.label}.{self.column.field.name}"
        return f"{field} pk={self.pk} {self.file}: {self.outcome}{what and f', {what}'}"


def results(outcome: str, named: Named, url: str = "", reason: str = "") -> Iterator[Result]:
    """The same result for every row that holds the name."""
    for column, pks in named.rows.items():
        for pk in pks:
            yield Result(outcome, column, pk, named.name, url, reason)


def swapped(outcome: str, named: Named, picture: Picture) -> Iterator[Result]:
    """Put the picture in the place of the name, with this outcome where the row still held it."""
    for column, pk, done in named.swap(picture):
        if isinstance(done, Error):
            what, reason = "failed", worded(done)
        else:
            what, reason = (outcome, "") if done else ("skipped", CHANGED)
        yield Result(what, column, pk, named.name, picture.url, reason)


def worded(error: BaseException) -> str:
    """An error as a reason: of what kind it is, and what it says."""
    return f"{type(error).__name__}: {error}"


class Report:
    """
    Counts results, and keeps the ``bad`` ones to tell them at the end, on a disk if many.

    Each is a line of JSON in ``file``, if there is one, as soon as it is known.
    """

    def __init__(self, bad: Iterable[str], file: IO[str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._bad = frozenset(bad)
        self._file = file
        self._told = SpooledTemporaryFile(_SPOOLED_IN_MEMORY, "w+")  # noqa: SIM115

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._told.close()

    def add(self, result: Result) -> None:
        """Take a result."""
        self.counts[result.outcome] += 1
        if self._file:
            self._file.write(f"{json.dumps(result.as_dict())}\n")
            self._file.flush()
        if result.outcome in self._bad:
            self._told.write(f"{json.dumps(str(result))}\n")

    @property
    def bad(self) -> int:
        """How many results are bad."""
        return sum(self.counts[outcome] for outcome in self._bad)

    def told(self) -> Iterator[str]:
        """Each bad result as a line for people."""
        self._told.seek(0)
        return map(json.loads, self._told)

    def summary(self, outcomes: Iterable[str]) -> str:
        """How many rows there are of each of these outcomes."""
        return ", ".join(f"{self.counts[outcome]:,} {outcome}" for outcome in outcomes)
