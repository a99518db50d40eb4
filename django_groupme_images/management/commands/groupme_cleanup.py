"""``manage.py groupme_cleanup``: delete the sources of uploads, and files of abandoned forms."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error, transaction

from ...cleanup import Cleanup, fallback_aliases
from ...names import FORM_FOLDER
from ...project import databases
from ...records import Records
from ...references import ReferencesUnknown
from ...report import counted
from ...sources import DELETED, FAILED, KEPT, SKIPPED, Removal
from ..bulk import BulkCommand
from ..output import OutputCommand

_LONGEST_AGE = 36_500


class Command(OutputCommand):
    """Deletes files that are not needed anymore."""

    help = (
        "Delete the source files of the uploads in the given reports, and the files in the folder "
        f"{FORM_FOLDER} of each fallback storage, if they are old enough and neither a row of a "
        "file field nor a field default references them. References in other kinds of fields "
        "(such as revisions, rich text, or JSON) are not found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "reports",
            nargs="*",
            type=Path,
            metavar="REPORT",
            help="Report file of groupme_upload. Without reports, only the files of forms are "
            "deleted.",
        )
        parser.add_argument(
            "--older-than",
            type=_days,
            default=7,
            metavar="DAYS",
            help="Keep files that were uploaded (or saved by a form) less than this number of "
            "days ago (default: %(default)s).",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Only show the number of files to delete; list them with --verbosity 2.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        _check_transactions()
        before = datetime.now(UTC) - timedelta(days=options["older_than"])
        with _opened(options["reports"]) as records:
            aliases = fallback_aliases()
            for alias in [*records.sources(), *aliases]:
                _check_storage(alias)
            cleanup = Cleanup(records, before=before, dry_run=options["dry_run"])
            self._show(_removals(cleanup, aliases), options)

    def _show(self, removals: Iterator[Removal], options: dict[str, Any]) -> None:
        counts: Counter[str] = Counter()
        try:
            for removal in removals:
                counts[removal.outcome] += 1
                self._show_one(removal, options)
        except ReferencesUnknown as error:
            raise CommandError(
                f"Stopped after {counted(counts[DELETED], 'file')}, because references to the "
                f"other files may be missing: {error}"
            ) from None
        if options["verbosity"]:
            done = "to delete" if options["dry_run"] else "deleted"
            self.stdout.write(
                f"{counted(counts[DELETED], 'file')} {done}, {counts[KEPT]:,} kept, "
                f"{counts[FAILED]:,} failed"
            )
        if counts[FAILED]:
            raise CommandError(f"{counted(counts[FAILED], 'file')} could not be deleted.")

    def _show_one(self, removal: Removal, options: dict[str, Any]) -> None:
        outcome = removal.outcome
        if outcome == DELETED and options["dry_run"]:
            outcome = "to delete"
        line = f"{removal.file}: {outcome}{removal.reason and f', {removal.reason}'}"
        if removal.outcome == FAILED:
            self.stdout.write(self.style.ERROR(line))
        elif removal.outcome == SKIPPED:
            self.stderr.write(self.style.WARNING(line))
        elif options["verbosity"] > 1:
            self.stdout.write(line)


def _removals(cleanup: Cleanup, aliases: list[str]) -> Iterator[Removal]:
    yield from cleanup.uploaded()
    for alias in aliases:
        yield from cleanup.abandoned(alias)


def _check_transactions() -> None:
    """
    Raise ``CommandError`` inside a transaction.

    If it were rolled back, rows would get back the names of files that have been deleted.
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
        BulkCommand.storage(alias)
    except CommandError as error:
        raise CommandError(
            f"No file is deleted, because of the storage {alias!r}: {error}"
        ) from None


def _opened(reports: list[Path]) -> Records:
    try:
        return Records(*reports)
    except OSError as error:
        raise CommandError(f"The report cannot be read: {error}") from None


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if 0 <= days <= _LONGEST_AGE:
        return days
    raise ArgumentTypeError(f"{text!r} is not a number of days from 0 to {_LONGEST_AGE:,}")
