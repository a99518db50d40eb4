"""``manage.py groupme_upload``: move the files that are not on the service yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.core.management.base import CommandError, CommandParser

from ...bulk import Bulk
from ...columns import Column
from ...deferral import upload_tasks
from ...fallback import overlaid
from ...uploads import OUTCOMES, Move
from ..bulk import BulkCommand

# So many files are one task.
_BATCH = 100

# The options of the command that are those of a task, too.
_OF_A_TASK = ("database", "source", "workers", "rate", "delete_source")


class Command(BulkCommand):
    """Moves files to the service, or has them moved in the background."""

    help = (
        "Upload every file that is still in the fallback storage of its field, and put the URL "
        "of the picture into its rows. Goes on where it stopped when it is run again."
    )
    addresses = False
    outcomes = OUTCOMES
    bad = ("failed",)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--source",
            metavar="ALIAS",
            help="The storage that holds the files (default: the fallback of each field).",
        )
        parser.add_argument(
            "--delete-source",
            action="store_true",
            help="Delete a file once no row of any file field holds its name any more.",
        )
        only = parser.add_mutually_exclusive_group()
        only.add_argument(
            "--dry-run",
            action="store_true",
            help="Only say how many files there are in each field, and their bytes.",
        )
        only.add_argument(
            "--enqueue",
            action="store_true",
            help="Have them moved in the background, as tasks of the project's Tasks backend.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        bulk = Bulk(workers=options["workers"], rate=options["rate"])
        source = self._source(options["source"])
        move = Move(bulk, source=source, delete_source=options["delete_source"])
        found = self._with_source(self.columns(options), move, options)
        if options["report"] and (options["dry_run"] or options["enqueue"]):
            raise CommandError("Nothing to report: it is not this command that moves the files.")
        if options["dry_run"]:
            self._tell(found, move, options["limit"])
            self.stop_with(bulk)
        elif options["enqueue"]:
            self._enqueue(found, options)
        else:
            report = self.work(move.run, bulk, found, options)
            if move.deleted and options["verbosity"]:
                self.stdout.write(f"{move.deleted:,} files deleted")
            self.conclude(report, bulk)

    def _source(self, alias: str | None) -> Storage | None:
        """Return the storage of ``--source``, which may be a fallback that a test overlays."""
        storage = self.storage(alias)
        return overlaid(alias, storage) if alias and storage else None

    def _with_source(
        self, found: list[Column], move: Move, options: dict[str, Any]
    ) -> list[Column]:
        """The columns of which it is known where the files are."""
        try:
            known = [column for column in found if move.source(column.storage)]
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        unknown = [str(column) for column in found if column not in known]
        if unknown:
            hint = (
                f"Nobody says where the files of {', '.join(unknown)} are: name their storage "
                "with --source, or in the option 'fallback'."
            )
            if options["labels"] or not known:
                raise CommandError(hint)
            self.stderr.write(self.style.WARNING(hint))
        return known

    def _tell(self, found: Sequence[Column], move: Move, limit: int | None) -> None:
        """Say how much there is to move."""
        rows, files, size, missing = (Counter[Column]() for _ in range(4))
        for file, length in move.sizes(self.named(found, limit)):
            for column in file.rows:
                rows[column] += column.holding(file.name)
                files[column] += 1
                size[column] += length or 0
                missing[column] += length is None
        for column in filter(files.get, found):
            self.stdout.write(
                f"{column}: {rows[column]:,} rows, {files[column]:,} files, "
                f"{size[column]:,} bytes"
                + (f", {missing[column]:,} files cannot be read" * bool(missing[column]))
            )
        if not (files or move.stopped):
            self.stdout.write("No file is waiting.")

    def _enqueue(self, found: Sequence[Column], options: dict[str, Any]) -> None:
        """Send the names as tasks, each of files that go to one storage."""
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
            self.stdout.write(f"{files:,} files in {tasks:,} tasks")
