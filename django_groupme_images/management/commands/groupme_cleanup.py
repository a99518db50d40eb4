"""``manage.py groupme_cleanup``: delete source files of uploads, and files of abandoned forms."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error, transaction

from django_groupme_images.bulk.cleanup import Cleanup, fallback_aliases
from django_groupme_images.bulk.references import ReferencesUnknown
from django_groupme_images.bulk.results import format_count
from django_groupme_images.bulk.source_files import DELETED, FAILED, KEPT, SKIPPED, Deletion
from django_groupme_images.bulk.upload_log import UploadIndex
from django_groupme_images.discovery import databases
from django_groupme_images.management.base import get_storage
from django_groupme_images.management.output import OutputCommand
from django_groupme_images.storage.names import FORM_FOLDER

# Days. Much larger numbers would be an OverflowError of timedelta or datetime.
_MAX_AGE = 36_500

_NO_UPLOADS = (
    "The reports contain no uploads, so only files of abandoned forms are deleted. Pass the file "
    "of groupme_upload --report."
)


class Command(OutputCommand):
    """Command that deletes old files of a fallback storage that nothing references."""

    help = (
        "Delete the source files of the uploads in the given reports, and the files in the folder "
        f"{FORM_FOLDER} of each fallback storage. A file is kept if it is too new, or if a row of "
        "a file field or a field default references it. References in other kinds of fields "
        "(such as revisions, rich text, or JSON) are not found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "reports",
            nargs="*",
            type=Path,
            metavar="REPORT",
            help="Report file of groupme_upload (default: none, so that only files of abandoned "
            "forms are deleted).",
        )
        parser.add_argument(
            "--older-than",
            type=_days,
            default=7,
            metavar="DAYS",
            help="Keep files that were uploaded, or saved by a form, less than DAYS days ago "
            "(default: %(default)s).",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Show the number of files to delete without deleting them. With --verbosity 2, "
            "also list the files.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        _check_transactions()
        before = datetime.now(UTC) - timedelta(days=options["older_than"])
        with _open_reports(options["reports"]) as uploads:
            sources, aliases = uploads.sources(), fallback_aliases()
            for alias in [*sources, *aliases]:
                _check_storage(alias)
            if options["reports"] and not sources and options["verbosity"]:
                self.stderr.write(self.style.WARNING(_NO_UPLOADS))
            cleanup = Cleanup(uploads, before=before, dry_run=options["dry_run"])
            self._delete(cleanup, aliases, options)

    def _delete(self, cleanup: Cleanup, aliases: list[str], options: dict[str, Any]) -> None:
        """Delete files, and write the results."""
        counts: Counter[str] = Counter()
        try:
            for deletion in _deletions(cleanup, aliases):
                counts[deletion.outcome] += 1
                self._show(deletion, options)
        except ReferencesUnknown as error:
            raise CommandError(
                f"Stopped after {format_count(counts[DELETED], 'file')}, because references to the "
                f"other files may be missing: {error}"
            ) from None
        has_files = counts.total() > counts[SKIPPED]  # Only folders are skipped.
        is_recent_shown = cleanup.recent_count and options["verbosity"] > 1
        if options["verbosity"] and (has_files or options["dry_run"] or is_recent_shown):
            done = "to delete" if options["dry_run"] else "deleted"
            recent = f", {cleanup.recent_count:,} too new (--older-than {options['older_than']:g})"
            self.stdout.write(
                f"{format_count(counts[DELETED], 'file')} {done}, {counts[KEPT]:,} kept, "
                f"{counts[FAILED]:,} failed{recent if cleanup.recent_count else ''}"
            )
        if counts[FAILED]:
            raise CommandError(f"{format_count(counts[FAILED], 'file')} could not be deleted.")

    def _show(self, deletion: Deletion, options: dict[str, Any]) -> None:
        outcome = deletion.outcome
        if outcome == DELETED and options["dry_run"]:
            outcome = "to delete"
        line = f"{deletion.file}: {outcome}{deletion.reason and f', {deletion.reason}'}"
        if deletion.outcome == FAILED:
            self.stdout.write(self.style.ERROR(line))
        elif deletion.outcome == SKIPPED:
            self.stderr.write(self.style.WARNING(line))
        elif options["verbosity"] > 1:
            self.stdout.write(line)


def _deletions(cleanup: Cleanup, aliases: list[str]) -> Iterator[Deletion]:
    yield from cleanup.delete_uploaded()
    for alias in aliases:
        yield from cleanup.delete_abandoned(alias)


def _check_transactions() -> None:
    """
    Raise ``CommandError`` inside a transaction.

    A rollback would restore rows with the names of files that have been deleted.
    """
    for alias in databases():
        try:
            with transaction.atomic(using=alias, durable=True):
                pass
        except RuntimeError:
            raise CommandError("groupme_cleanup cannot run inside a transaction.") from None
        except Error as error:
            raise CommandError(f"The database {alias!r} is not available: {error}") from None


def _check_storage(alias: str) -> None:
    try:
        get_storage(alias)
    except CommandError as error:
        raise CommandError(f"No file was deleted: {error}") from None


def _open_reports(reports: list[Path]) -> UploadIndex:
    try:
        return UploadIndex(*reports)
    except OSError as error:
        raise CommandError(f"The report could not be opened: {error}") from None


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if 0 <= days <= _MAX_AGE:
        return days
    raise ArgumentTypeError(f"must be a number of days from 0 to {_MAX_AGE:,} (got {text!r}).")
