"""``manage.py groupme_upload``: upload the files that are not on GroupMe's image service yet."""

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

from django_groupme_images.bulk.columns import Column
from django_groupme_images.bulk.results import format_count
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.bulk.upload import OUTCOMES, BulkUpload
from django_groupme_images.bulk.upload_log import UploadLog
from django_groupme_images.management.base import BulkCommand, get_storage
from django_groupme_images.receivers import import_tasks

# Files per task.
_BATCH_SIZE = 100

# Options of the command that are also arguments of a task.
_TASK_OPTIONS = ("database", "source", "workers", "rate", "delete_source")


class Command(BulkCommand):
    """Command that uploads files to the image service, or enqueues their upload."""

    help = (
        "Upload every file that is still in the fallback storage of its field, and store the URL "
        "in its rows. When run again, the command continues where it stopped. With --report, a "
        "file that the report contains is not uploaded again."
    )
    is_for_urls = False
    outcomes = OUTCOMES
    failures = ("failed",)

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
        get_storage(options["source"])  # This raises CommandError if the alias is invalid.
        runner = BulkRunner(workers=options["workers"], rate=options["rate"])
        with self._open_log(options["report"]) as log:
            upload = BulkUpload(
                runner,
                source=options["source"],
                delete_source=options["delete_source"],
                log=log,
            )
            columns = self._with_source(self.get_columns(options), upload, options)
            if options["dry_run"]:
                self._show_sizes(columns, upload, options["limit"])
                self.raise_if_stopped(runner)
            elif options["enqueue"]:
                self._enqueue(columns, options)
            else:
                report = self.process(upload.run, runner, columns, options)
                if upload.deleted_count and options["verbosity"]:
                    self.stdout.write(f"{format_count(upload.deleted_count, 'file')} deleted")
                self.raise_if_failed(report, runner)

    @staticmethod
    def _open_log(path: Path | None) -> AbstractContextManager[UploadLog | None]:
        # A pipe or a terminal, such as /dev/stdout, contains no earlier uploads.
        if path is None or (path.exists() and not path.is_file()):
            return nullcontext()
        try:
            return UploadLog(path)
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from None

    def _with_source(
        self, columns: list[Column], upload: BulkUpload, options: dict[str, Any]
    ) -> list[Column]:
        """Return the columns whose source storage is configured. Warn about the others."""
        try:
            known = [column for column in columns if upload.source_storage(column.storage)]
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        unknown = [str(column) for column in columns if column not in known]
        if unknown:
            hint = (
                f"No source storage is configured for {', '.join(unknown)}. Pass --source ALIAS "
                "or set the 'fallback' option."
            )
            if options["labels"] or not known:
                raise CommandError(hint)
            self.stderr.write(self.style.WARNING(hint))
        return known

    def _show_sizes(self, columns: Sequence[Column], upload: BulkUpload, limit: int | None) -> None:
        """Write the number of rows and files to upload in each column, and their size in bytes."""
        rows, files, size, missing, defaults = (Counter[Column]() for _ in range(5))
        for file, length in upload.sizes(self.iter_names(columns, limit)):
            for column in file.rows:
                rows[column] += column.count_rows(file.name)
                files[column] += 1
                size[column] += length or 0
                missing[column] += length is None
                defaults[column] += upload.is_default_file(file.name)
        for column in filter(files.get, columns):
            counts = [
                format_count(rows[column], "row"),
                format_count(files[column], "file"),
                format_count(size[column], "byte"),
            ]
            if missing[column]:
                counts.append(format_count(missing[column], "unreadable file"))
            if defaults[column]:
                counts.append(format_count(defaults[column], "default file"))
            self.stdout.write(f"{column}: {', '.join(counts)}")
        if not (files or upload.stop_reason):
            self.stdout.write("There are no files to upload.")

    def _enqueue(self, columns: Sequence[Column], options: dict[str, Any]) -> None:
        """Enqueue tasks, each for up to 100 files that are uploaded to the same storage."""
        try:
            upload_batch = import_tasks().upload_batch
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        names = self.iter_names(columns, options["limit"])
        files = tasks = 0
        for storage, group in groupby(names, attrgetter("storage")):
            labels = [str(column) for column in columns if column.storage == storage]
            while batch := [file.name for file in islice(group, _BATCH_SIZE)]:
                upload_batch.enqueue(
                    labels, batch, **{name: options[name] for name in _TASK_OPTIONS}
                )
                files, tasks = files + len(batch), tasks + 1
        if options["verbosity"]:
            self.stdout.write(
                f"Enqueued {format_count(files, 'file')} in {format_count(tasks, 'task')}."
            )
