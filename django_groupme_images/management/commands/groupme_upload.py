"""``manage.py groupme_upload``: upload the files that are not on the image service yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from ...bulk import Bulk
from ...columns import Column
from ...deferral import upload_tasks
from ...records import Ledger
from ...report import counted
from ...uploads import OUTCOMES, Move
from ..bulk import BulkCommand

# Files per task.
_BATCH = 100

# Options of the command that are also arguments of a task.
_OF_A_TASK = ("database", "source", "workers", "rate", "delete_source")


class Command(BulkCommand):
    """Uploads files to the image service, or enqueues their upload."""

    help = (
        "Upload every file that is still in the fallback storage of its field, and store the URL "
        "in its rows. When run again, the command continues where it stopped. With --report, a "
        "file that the report contains is not uploaded again."
    )
    addresses = False
    outcomes = OUTCOMES
    bad = ("failed",)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--source",
            metavar="ALIAS",
            help="Alias of the storage that contains the files (default: the fallback of each "
            "field).",
        )
        parser.add_argument(
            "--delete-source",
            action="store_true",
            help="Delete each uploaded file that no row of a file field and no field default "
            "references anymore. To delete files later, run groupme_cleanup.",
        )
        only = parser.add_mutually_exclusive_group()
        only.add_argument(
            "--dry-run",
            action="store_true",
            help="Only show the number of files in each field, and their size in bytes.",
        )
        only.add_argument(
            "--enqueue",
            action="store_true",
            help="Enqueue the uploads as tasks of the project's Tasks backend.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["report"] and (options["dry_run"] or options["enqueue"]):
            raise CommandError("--report cannot be combined with --dry-run or --enqueue.")
        self.storage(options["source"])
        bulk = Bulk(workers=options["workers"], rate=options["rate"])
        with self._ledger(options["report"]) as ledger:
            move = Move(
                bulk,
                source=options["source"],
                delete_source=options["delete_source"],
                ledger=ledger,
            )
            found = self._with_source(self.columns(options), move, options)
            if options["dry_run"]:
                self._tell(found, move, options["limit"])
                self.stop_with(bulk)
            elif options["enqueue"]:
                self._enqueue(found, options)
            else:
                report = self.work(move.run, bulk, found, options)
                if move.deleted and options["verbosity"]:
                    self.stdout.write(f"{counted(move.deleted, 'file')} deleted")
                self.conclude(report, bulk)

    @staticmethod
    def _ledger(path: Path | None) -> AbstractContextManager[Ledger | None]:
        # A pipe or a terminal, such as /dev/stdout, contains no earlier uploads.
        if path is None or (path.exists() and not path.is_file()):
            return nullcontext()
        try:
            return Ledger(path)
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from None

    def _with_source(
        self, found: list[Column], move: Move, options: dict[str, Any]
    ) -> list[Column]:
        """Return the columns whose source storage is known."""
        try:
            known = [column for column in found if move.source(column.storage)]
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        unknown = [str(column) for column in found if column not in known]
        if unknown:
            hint = (
                f"No source storage is configured for {', '.join(unknown)}. Pass --source ALIAS "
                "or set the 'fallback' option."
            )
            if options["labels"] or not known:
                raise CommandError(hint)
            self.stderr.write(self.style.WARNING(hint))
        return known

    def _tell(self, found: Sequence[Column], move: Move, limit: int | None) -> None:
        """Show how much there is to upload."""
        rows, files, size, missing, defaults = (Counter[Column]() for _ in range(5))
        for file, length in move.sizes(self.named(found, limit)):
            for column in file.rows:
                rows[column] += column.holding(file.name)
                files[column] += 1
                size[column] += length or 0
                missing[column] += length is None
                defaults[column] += move.is_default(file.name)
        for column in filter(files.get, found):
            self.stdout.write(
                f"{column}: {counted(rows[column], 'row')}, {counted(files[column], 'file')}, "
                f"{counted(size[column], 'byte')}"
                + (f", {counted(missing[column], 'unreadable file')}" * bool(missing[column]))
                + (f", {counted(defaults[column], 'default file')}" * bool(defaults[column]))
            )
        if not (files or move.stopped):
            self.stdout.write("There are no files to upload.")

    def _enqueue(self, found: Sequence[Column], options: dict[str, Any]) -> None:
        """Enqueue tasks, each for files that are uploaded to one storage."""
        try:
            upload_batch = upload_tasks().upload_batch
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        files = tasks = 0
        for storage, group in groupby(self.named(found, options["limit"]), attrgetter("storage")):
            labels = [str(column) for column in found if column.storage == storage]
            while batch := [file.name for file in islice(group, _BATCH)]:
                upload_batch.enqueue(labels, batch, **{name: options[name] for name in _OF_A_TASK})
                files, tasks = files + len(batch), tasks + 1
        if options["verbosity"]:
            self.stdout.write(f"Enqueued {counted(files, 'file')} in {counted(tasks, 'task')}.")
