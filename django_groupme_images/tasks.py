"""
Uploads as tasks for Django's Tasks framework.

``django.tasks`` is part of Django 6.0 and later; on 5.2, the package ``django-tasks`` replaces
it. A task may run again at any point, and skips files that are uploaded. A task that raises has
uploaded all files that did not fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

from .bulk import Bulk
from .columns import columns
from .exceptions import GroupMeImageError
from .report import Result, counted
from .selection import Named, in_row, named
from .uploads import Move

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

__all__ = ["upload_batch", "upload_row"]

# An error of a task is kept, and mailed, by some backends.
_MOST_LINES = 10


@task
def upload_row(label: str, pk: str, database: str) -> dict[str, str]:
    """
    Upload the files of one row: of the model ``label``, with this primary key as a string.

    Returns the new URL of each field that was changed.
    """
    move = Move(Bulk(workers=1))
    files = [file for file in in_row(label, pk, database) if move.source(file.storage)]
    settled = list(_settled(move, files))
    return {result.column.field.name: result.url for result in settled if result.outcome == "moved"}


@task
def upload_batch(
    labels: list[str],
    names: list[str],
    *,
    database: str | None = None,
    source: str | None = None,
    workers: int = 1,
    rate: float = 0,
    delete_source: bool = False,
) -> dict[str, int]:
    """
    Upload the files of these names in the columns of these labels, as ``groupme_upload`` does.

    ``rate``, in requests per second, applies to this task alone. Returns how many rows have each
    outcome: ``moved``, or ``skipped`` (the row holds another name by now, or the file is the
    default of a field).
    """
    move = Move(
        Bulk(workers=workers, rate=rate),
        source=source,
        delete_source=delete_source,
    )
    settled = _settled(move, named(names, columns(labels, database)))
    return dict(Counter(result.outcome for result in settled))


def _settled(move: Move, files: Iterable[Named]) -> Iterator[Result]:
    """Return the result of each row; raise at the end if a row failed."""
    failures: list[str] = []
    with closing(move.run(files)) as running:
        for result in chain.from_iterable(running):
            if result.outcome == "failed":
                failures.append(str(result))
            yield result
    if failures or move.stopped:
        reasons = "\n".join([*failures[:_MOST_LINES], move.stopped])
        rows = counted(len(failures), "row")
        raise GroupMeImageError(f"{rows} could not be uploaded:\n{reasons}".rstrip())
