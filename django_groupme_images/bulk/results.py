"""Results of bulk commands: count them, append them to a report, and list the failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from .batches import StoredName
from .columns import Column
from .upload_log import RecordedFailure, RecordedUpload

__all__ = [
    "CHANGED",
    "DEFAULT",
    "REJECTED",
    "REPLACED",
    "Report",
    "Result",
    "format_count",
    "results_for",
]

# Failures stay in memory up to this many bytes.
_MAX_BYTES_IN_MEMORY = 256 * 1024

# Reasons why a row was skipped.
CHANGED = "the row was changed in the meantime"
REPLACED = "the file was replaced in the meantime"
DEFAULT = "the file is the default of a field; pass --report to upload it once"
REJECTED = "the file was rejected in an earlier run"


@dataclass(frozen=True)
class Result:
    """
    The outcome for the image of a row, with a URL or a reason.

    ``file`` is the stored name that was processed. ``record`` describes the upload of the file, if
    this run uploaded it, or its failed upload. ``is_recorded`` is true if the report already
    contains a line for this result. ``error`` is the exception of a failed upload.
    """

    outcome: str
    column: Column
    pk: Any
    file: str
    url: str = ""
    reason: str = ""
    record: RecordedUpload | RecordedFailure | None = None
    is_recorded: bool = False
    error: BaseException | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the values of a line of the report, without empty ones."""
        pk = self.pk if isinstance(self.pk, int) else str(self.pk)
        values = {
            "outcome": self.outcome,
            "model": self.column.field.model._meta.label,
            "field": self.column.field.name,
            "database": self.column.database,
            "pk": pk,
            "file": self.file,
            "url": self.url,
            "reason": self.reason,
            **(self.record.as_dict() if self.record else {}),
        }
        return {name: value for name, value in values.items() if value != ""}

    def line(self) -> str:
        """Return a line of JSON for the report, with its newline."""
        return f"{json.dumps(self.as_dict())}\n"

    def __str__(self) -> str:
        details = self.reason or self.url
        # The primary key is that of the model that declares the field, which may be a parent of
        # the model in the command line.
        field = f"{self.column.field.model._meta.label}.{self.column.field.name}"
        return f"{field} pk={self.pk} {self.file}: {self.outcome}{details and f', {details}'}"


def results_for(
    outcome: str,
    stored: StoredName,
    url: str = "",
    reason: str = "",
    *,
    record: RecordedUpload | RecordedFailure | None = None,
    is_recorded: bool = False,
    error: BaseException | None = None,
) -> Iterator[Result]:
    """Yield the same result for each row that contains the name."""
    for column, pks in stored.rows.items():
        for pk in pks:
            yield Result(outcome, column, pk, stored.name, url, reason, record, is_recorded, error)


def format_count(number: int, noun: str) -> str:
    """Return the number with the noun, to which "s" is added in the plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Report:
    """
    Counts of results, which are appended to ``file`` (if there is one) as soon as they are known.

    Results whose outcome is in ``failures`` are kept, on disk if there are many, so that they can
    be listed at the end. ``skip_reasons`` contains the number of skipped rows by reason.
    """

    def __init__(self, failures: Iterable[str], file: IO[str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.skip_reasons: Counter[str] = Counter()
        self._failures = frozenset(failures)
        self._file = file
        self._lines = SpooledTemporaryFile(_MAX_BYTES_IN_MEMORY, "w+")  # noqa: SIM115

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def add(self, result: Result) -> None:
        """Add a result. Raise ``OSError`` if the temporary file cannot be written."""
        self.counts[result.outcome] += 1
        if result.outcome == "skipped":
            self.skip_reasons[result.reason] += 1
        if self._file and not result.is_recorded:
            self._file.write(result.line())
            self._file.flush()
        if result.outcome in self._failures:
            self._lines.write(f"{json.dumps(str(result))}\n")

    @property
    def failure_count(self) -> int:
        """The number of failures."""
        return sum(self.counts[outcome] for outcome in self._failures)

    def failure_lines(self) -> Iterator[str]:
        """Return a line for each failure."""
        self._lines.seek(0)
        return map(json.loads, self._lines)

    def summary(self, outcomes: Iterable[str]) -> str:
        """Return the number of rows with each of these outcomes, as a string."""
        return ", ".join(f"{self.counts[outcome]:,} {outcome}" for outcome in outcomes)
