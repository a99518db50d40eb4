"""The results of bulk commands: counted, appended to a report, and the failures listed."""

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
    from .records import Upload
    from .selection import Named

__all__ = [
    "CHANGED",
    "DEFAULT",
    "REPLACED",
    "Report",
    "Result",
    "counted",
    "results",
    "swapped",
    "worded",
]

# Failures stay in memory up to this many bytes.
_SPOOLED_IN_MEMORY = 256 * 1024


# Why a row was skipped.
CHANGED = "the row was changed meanwhile"
REPLACED = "the file was replaced meanwhile"
DEFAULT = "the file is the default of a field; with --report it is uploaded once"


@dataclass(frozen=True)
class Result:
    """
    What happened to the image of a row: the outcome, and a URL or a reason.

    ``upload`` describes the upload of the image, if this run uploaded it. ``recorded`` means
    that the line is in the report already.
    """

    outcome: str
    column: Column
    pk: Any
    file: str
    url: str = ""
    reason: str = ""
    upload: Upload | None = None
    recorded: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a line of the report, without empty values."""
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
            **(self.upload.as_dict() if self.upload else {}),
        }
        return {name: value for name, value in line.items() if value != ""}

    def line(self) -> str:
        """Return a line of JSON, with its newline."""
        return f"{json.dumps(self.as_dict())}\n"

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


def swapped(
    outcome: str, named: Named, picture: Picture, upload: Upload | None = None
) -> Iterator[Result]:
    """Replace the name with the URL in each row, with this outcome if the row still held it."""
    for column, pk, done in named.swap(picture):
        if isinstance(done, Error):
            what, reason = "failed", worded(done)
        else:
            what, reason = (outcome, "") if done else ("skipped", CHANGED)
        yield Result(what, column, pk, named.name, picture.url, reason, upload)


def worded(error: BaseException) -> str:
    """An error as a reason: of what kind it is, and what it says."""
    return f"{type(error).__name__}: {error}"


def counted(number: int, noun: str) -> str:
    """Return the number with the noun, which gets an "s" in the plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Report:
    """
    Counts results, and keeps the ``bad`` ones to list them at the end, on disk if there are many.

    Each is appended to ``file``, if there is one, as soon as it is known.
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
        """Add a result."""
        self.counts[result.outcome] += 1
        if self._file and not result.recorded:
            self._file.write(result.line())
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
