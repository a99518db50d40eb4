"""
Tasks for Django's Tasks framework that upload files.

``django.tasks`` is part of Django 6.0 and later; on 5.2, the package ``django-tasks`` replaces
it. A task may be run again at any time, and skips files that are already uploaded. A task that
raises an error has uploaded all files that did not fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

from .bulk.batches import StoredName, StoredNames, stored_names_in_row
from .bulk.columns import find_columns
from .bulk.results import Result, format_count
from .bulk.runner import BulkRunner
from .bulk.upload import BulkUpload
from .exceptions import GroupMeImageError

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef]

__all__ = ["upload_batch", "upload_row"]

# The number of failed rows in an error message, because some backends store or mail the message.
_MAX_FAILURES = 10


@task
def upload_row(label: str, pk: str, database: str) -> dict[str, str]:
    """
    Upload the pending files of one row.

    ``label`` is that of the model (``"app.Model"``), ``pk`` the primary key as a string, and
    ``database`` an alias in ``DATABASES``. Return the new URL of each field that was changed. Raise
    ``GroupMeImageError`` if an upload failed.
    """
    upload = BulkUpload(BulkRunner(workers=1))
    files = [
        file
        for file in stored_names_in_row(label, pk, database)
        if upload.source_storage(file.storage)
    ]
    results = list(_run(upload, files))
    return {result.column.field.name: result.url for result in results if result.outcome == "moved"}


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
    Upload the files with these names in the columns with these labels, as ``groupme_upload`` does.

    ``rate``, in requests per second, applies to this task alone. Return the number of rows with
    each outcome: ``moved``, or ``skipped`` (the row now contains another name, or the file is the
    default of a field). Raise ``GroupMeImageError`` if a row failed.
    """
    runner = BulkRunner(workers=workers, rate=rate)
    upload = BulkUpload(runner, source=source, delete_source=delete_source)
    with StoredNames(runner) as files:
        files.read_rows_with(names, find_columns(labels, database))
        return dict(Counter(result.outcome for result in _run(upload, files)))


def _run(upload: BulkUpload, files: Iterable[StoredName]) -> Iterator[Result]:
    """Upload the files, and yield the result of each row. Raise at the end if a row failed."""
    failures: list[str] = []
    with closing(upload.run(files)) as results:
        for result in chain.from_iterable(results):
            if result.outcome == "failed":
                failures.append(str(result))
            yield result
    if failures or upload.stop_reason:
        reasons = "\n".join([*failures[:_MAX_FAILURES], upload.stop_reason])
        rows = format_count(len(failures), "row")
        raise GroupMeImageError(f"{rows} could not be uploaded:\n{reasons}".rstrip())
