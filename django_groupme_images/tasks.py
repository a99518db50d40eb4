"""
The move as tasks for Django's Tasks framework, whatever backend the project has.

``django.tasks`` is in Django 6.0 and newer; on 5.2, the package ``django-tasks`` takes its
place. Each task may be run again at any point: what is moved already is left alone. One
that raises has moved what could be moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

from django.core.files.storage import storages

from .bulk import Bulk
from .columns import columns
from .exceptions import GroupMeImageError
from .fallback import overlaid
from .report import Result
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
    Move the files of one row: that of the model ``label`` with this primary key, as text.

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
    Move the files of these names in the columns of these labels, as ``groupme_upload`` does.

    ``rate``, in requests a second, holds for this task alone. Returns how many rows were
    moved, and how many were skipped because they hold another name by now.
    """
    move = Move(
        Bulk(workers=workers, rate=rate),
        source=overlaid(source, storages[source]) if source else None,
        delete_source=delete_source,
    )
    settled = _settled(move, named(names, columns(labels, database)))
    return dict(Counter(result.outcome for result in settled))


def _settled(move: Move, files: Iterable[Named]) -> Iterator[Result]:
    """What became of each row; raises at the end if that is not what it should."""
    failures: list[str] = []
    with closing(move.run(files)) as running:
        for result in chain.from_iterable(running):
            if result.outcome == "failed":
                failures.append(str(result))
            yield result
    if failures or move.stopped:
        told = "\n".join([*failures[:_MOST_LINES], move.stopped])
        raise GroupMeImageError(f"{len(failures):,} rows could not be moved:\n{told}".rstrip())
