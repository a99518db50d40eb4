"""``manage.py groupme_upload``: upload the files that are not on GroupMe's image service yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import Error

from django_groupme_images.bulk.batches import StoredName
from django_groupme_images.bulk.columns import Column
from django_groupme_images.bulk.inspection import FileInspection
from django_groupme_images.bulk.results import DEFAULT, format_count, results_for
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.bulk.upload import OUTCOMES, BulkUpload
from django_groupme_images.bulk.upload_log import UploadLog
from django_groupme_images.exceptions import describe_exception
from django_groupme_images.management.base import BulkCommand, get_storage
from django_groupme_images.management.progress import advance
from django_groupme_images.management.stopping import stop_on_signals
from django_groupme_images.receivers import import_tasks

# Files per task.
_BATCH_SIZE = 100

# Options of the command that are also arguments of a task.
_TASK_OPTIONS = ("database", "source", "workers", "rate", "delete_source")


class Command(BulkCommand):
    """Command that uploads files to the image service, or enqueues their upload."""

    help = (
        "Upload the files that are still in the fallback storages of their fields, and store the "
        "URL of each file in its rows. When run again, the command continues where it stopped. "
        "With --report, a file that the report contains is not uploaded again."
    )
    is_for_urls = False
    outcomes = OUTCOMES
    failures = ("failed",)
    failure_verbs = ("failed", "failed")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--source",
            metavar="ALIAS",
            help="Alias of the storage that contains the files (default: the fallback storage of "
            "each field).",
        )
        parser.add_argument(
            "--delete-source",
            action="store_true",
            help="Delete each uploaded file that no row of a file field and no field default "
            "references anymore. To delete files later, run groupme_cleanup.",
        )
        parser.add_argument(
            "--skip-failed",
            action="store_true",
            help="Skip files that were rejected in an earlier run according to the report, unless "
            "they have been replaced since. They do not count toward --limit. Requires --report.",
        )
        only = parser.add_mutually_exclusive_group()
        only.add_argument(
            "--dry-run",
            action="store_true",
            help="Show the number of files in each field, their size in bytes, and the number of "
            "files that are likely to be rejected, without uploading. With --verbosity 2, also "
            "list these files.",
        )
        only.add_argument(
            "--enqueue",
            action="store_true",
            help="Enqueue the uploads as tasks of the project's task backend.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        _check_options(options)
        get_storage(options["source"])  # This raises CommandError if the alias is invalid.
        runner = BulkRunner(workers=options["workers"], rate=options["rate"])
        with self._open_log(options["report"]) as log:
            upload = BulkUpload(
                runner,
                source=options["source"],
                delete_source=options["delete_source"],
                log=log,
                skip_failed=options["skip_failed"],
            )
            columns = self._with_source(self.get_columns(options), upload, options)
            if options["dry_run"]:
                self._show_files(columns, upload, runner, options)
                self.raise_if_stopped(runner)
            elif options["enqueue"]:
                self._enqueue(columns, runner, options)
                self.raise_if_stopped(runner)
            else:
                report = self.process(upload.run, runner, columns, options)
                if (count := report.skip_reasons[DEFAULT]) and options["verbosity"]:
                    self.stdout.write(f"{format_count(count, 'row')} skipped: {DEFAULT}")
                if upload.deleted_count and options["verbosity"]:
                    self.stdout.write(f"{format_count(upload.deleted_count, 'file')} deleted")
                self.raise_if_failed(report, runner)

    @staticmethod
    def _open_log(path: Path | None) -> AbstractContextManager[UploadLog | None]:
        # A pipe or a terminal, such as /dev/stdout, contains no earlier uploads.
        if path is None or not _is_searchable(path):
            return nullcontext()
        try:
            return UploadLog(path)
        except OSError as error:
            raise CommandError(f"The report could not be opened: {error}") from None

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
                f"No source storage is configured for {', '.join(unknown)}. Pass --source ALIAS, "
                "or set the storage option 'fallback'."
            )
            if options["labels"] or not known:
                raise CommandError(hint)
            if options["verbosity"]:
                self.stderr.write(self.style.WARNING(hint))
        return known

    def _show_files(
        self,
        columns: Sequence[Column],
        upload: BulkUpload,
        runner: BulkRunner,
        options: dict[str, Any],
    ) -> None:
        """Write a summary of the files to upload in each column, without uploading them."""
        totals: dict[Column, _Totals] = defaultdict(_Totals)
        with (
            stop_on_signals(runner),
            self.read_names(columns, runner, options) as names,
            self.progress_bar(names, options) as progress,
            closing(upload.inspect(islice(names, options["limit"]))) as inspections,
        ):
            for file, inspection in inspections:
                for column in file.rows:
                    totals[column].add(
                        inspection,
                        rows=file.count_rows(column),
                        is_default=upload.is_default_file(file.name),
                    )
                if options["verbosity"] > 1:
                    for line in _problem_lines(file, inspection):
                        self.write_above(progress, line)
                advance(progress)
                self.stop_if_output_failed(runner)
        for column in filter(totals.get, columns):
            self.stdout.write(f"{column}: {totals[column]}")
        if runner.stop_reason:
            return
        if not totals:
            self.stdout.write("There are no files to upload.")
        self._show_urls_off_cdn(columns, runner)

    def _show_urls_off_cdn(self, columns: Sequence[Column], runner: BulkRunner) -> None:
        """Write the number of rows of each column that contain a URL of another host."""
        for column in columns:
            try:
                count = column.count_urls_off_cdn()
            except Error as error:
                runner.stop(describe_exception(error))
                return
            if count:
                self.stdout.write(
                    f"{column}: {format_count(count, 'row')} with a URL that is not on the CDN "
                    f"({column.storage.cdn_url}). groupme_upload skips such rows."
                )

    def read_limit(self, options: dict[str, Any]) -> int | None:
        # Skipped files do not count toward the limit.
        return None if options["skip_failed"] else super().read_limit(options)

    def _enqueue(
        self, columns: Sequence[Column], runner: BulkRunner, options: dict[str, Any]
    ) -> None:
        """Enqueue tasks, each for up to 100 files that are uploaded to the same storage."""
        try:
            upload_batch = import_tasks().upload_batch
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        files = tasks = 0
        with self.read_names(columns, runner, options) as names:
            first = islice(runner.until_stopped(names), options["limit"])
            for storage, group in groupby(first, attrgetter("storage")):
                labels = [str(column) for column in columns if column.storage == storage]
                while batch := [file.name for file in islice(group, _BATCH_SIZE)]:
                    upload_batch.enqueue(
                        labels, batch, **{name: options[name] for name in _TASK_OPTIONS}
                    )
                    files, tasks = files + len(batch), tasks + 1
        if options["verbosity"] and files:
            self.stdout.write(
                f"Enqueued {format_count(files, 'file')} in {format_count(tasks, 'task')}."
            )


class _Totals:
    """Totals of the files of a column, for a dry run."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, inspection: FileInspection, *, rows: int, is_default: bool) -> None:
        """Add a file."""
        self._counts.update(
            row=rows,
            file=1,
            byte=inspection.size,
            unreadable=bool(inspection.error),
            rejected=bool(inspection.rejection),
            default=is_default,
        )

    def __str__(self) -> str:
        counts = self._counts
        parts = [format_count(counts[noun], noun) for noun in ("row", "file", "byte")]
        if counts["rejected"]:
            parts.append(f"{format_count(counts['rejected'], 'file')} likely to be rejected")
        if counts["unreadable"]:
            parts.append(format_count(counts["unreadable"], "unreadable file"))
        if counts["default"]:
            parts.append(format_count(counts["default"], "default file"))
        return ", ".join(parts)


def _problem_lines(file: StoredName, inspection: FileInspection) -> Iterator[str]:
    """Yield a line for each row whose file is likely to be rejected, or cannot be read."""
    if inspection.rejection:
        yield from map(str, results_for("likely to be rejected", file, reason=inspection.rejection))
    if inspection.error:
        yield from map(str, results_for("unreadable", file, reason=inspection.error))


def _check_options(options: dict[str, Any]) -> None:
    """Raise ``CommandError`` for options that cannot be combined, or that lack a required one."""
    report, skip_failed = options["report"], options["skip_failed"]
    if (report or skip_failed) and (options["dry_run"] or options["enqueue"]):
        raise CommandError(
            "--report and --skip-failed cannot be combined with --dry-run or --enqueue."
        )
    if skip_failed and not report:
        raise CommandError("--skip-failed requires --report FILE.")
    if skip_failed and not _is_searchable(report):
        raise CommandError(f"--skip-failed requires a report that is a regular file, not {report}.")


def _is_searchable(report: Path) -> bool:
    """Return whether a report is, or will be, a regular file, which may contain earlier results."""
    return report.is_file() or not report.exists()
