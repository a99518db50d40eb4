"""Base class of the commands that process many images: options, output, and exit codes."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from django.core.files.storage import InvalidStorageError, Storage, storages
from django.core.management.base import CommandError, CommandParser
from django.db import connections

from django_groupme_images.bulk.batches import StoredName, StoredNames
from django_groupme_images.bulk.columns import Column, find_columns, skip_reason
from django_groupme_images.bulk.results import Report, Result, format_count
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.bulk.upload_log import ReportFile
from django_groupme_images.storage.backend import GroupMeStorage

from .output import OutputCommand
from .progress import above_progress_bar, advance, progress_bar
from .stopping import stop_on_signals

__all__ = ["BulkCommand", "get_storage", "non_negative_number"]

# Requests per second. GroupMe's main API was observed to rate limit above about 10; the limit of
# the image service is unknown.
_DEFAULT_RATE = 8


class BulkCommand(OutputCommand):
    """
    Base class of the commands that process all URLs, or all file names, in columns.

    The user selects the columns with labels; see :func:`~..bulk.columns.find_columns`.
    """

    #: True if the command processes URLs, and false if it processes the names of files.
    is_for_urls: bool
    #: The outcomes for a row, in the order of the summary.
    outcomes: tuple[str, ...]
    #: The outcomes that make the command fail.
    failures: tuple[str, ...]
    #: The end of the error message for one row, and for several rows, with such an outcome.
    failure_verbs: tuple[str, str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "labels",
            nargs="*",
            metavar="app.Model[.field]",
            help="App label, app.Model, or app.Model.field to process (default: all fields that "
            "use GroupMeStorage).",
        )
        parser.add_argument(
            "--workers",
            type=_positive_integer,
            default=8,
            metavar="N",
            help="Make at most N requests at the same time (default: %(default)s).",
        )
        parser.add_argument(
            "--rate",
            type=non_negative_number,
            default=_DEFAULT_RATE,
            metavar="R",
            help="Make at most R requests per second with all workers together; 0 means no limit "
            "(default: %(default)s, which GroupMe's main API was observed to allow).",
        )
        parser.add_argument(
            "--limit",
            type=_positive_integer,
            metavar="N",
            help=f"Process at most N {self._noun}s (default: no limit).",
        )
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            help="Process the tables in this database (default: for each model, the database that "
            "the model is written to).",
        )
        parser.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="Append the result of each row to FILE, as a line of JSON.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        # call_command() does not convert keyword arguments.
        if isinstance(options["report"], str):
            options["report"] = Path(options["report"])
        return super().execute(*args, **options)

    def get_columns(self, options: dict[str, Any]) -> list[Column]:
        """
        Return the columns that the options select. Warn about columns that are skipped.

        Raise ``CommandError`` if there are none.
        """
        try:
            columns = find_columns(options["labels"], options["database"])
        except LookupError as error:
            raise CommandError(str(error)) from None
        reasons = {column: skip_reason(column) for column in columns}
        warnings = [
            f"{column} is skipped, because its model is unmanaged: {reason}."
            for column, reason in reasons.items()
            if reason
        ]
        if len(warnings) == len(columns):
            raise CommandError("\n".join(warnings) or "No field uses GroupMeStorage.")
        for warning in warnings if options["verbosity"] else ():
            self.stderr.write(self.style.WARNING(warning))
        return [column for column, reason in reasons.items() if not reason]

    @contextmanager
    def read_names(
        self, columns: Sequence[Column], runner: BulkRunner, options: dict[str, Any]
    ) -> Iterator[StoredNames]:
        """Yield the stored names in the columns, or only as many as the command will process."""
        with StoredNames(runner) as names:
            names.read(columns, urls=self.is_for_urls, limit=self.read_limit(options))
            yield names

    def read_limit(self, options: dict[str, Any]) -> int | None:
        """Return the number of names that are sufficient; ``None`` means all."""
        limit: int | None = options["limit"]
        return limit

    def progress_bar(self, names: StoredNames, options: dict[str, Any]) -> Any:
        """Return a progress bar for these names."""
        return progress_bar(
            self._outputs["stderr"],
            min(len(names), options["limit"] or len(names)),
            self._noun,
            shown=options["verbosity"] > 0,
        )

    @property
    def _noun(self) -> str:
        return "image" if self.is_for_urls else "file"

    def process(
        self,
        run: Callable[[Iterable[StoredName], int | None], Generator[Iterator[Result], None, None]],
        runner: BulkRunner,
        columns: Sequence[Column],
        options: dict[str, Any],
    ) -> Report:
        """
        Process the names in the columns, show the progress, and write the results.

        ``run`` is called with the names and the value of ``--limit``. It yields the results of the
        rows of each name.
        """
        with (
            self._report_file(options["report"]) as file,
            Report(self.failures, file) as report,
            stop_on_signals(runner),
        ):
            with (
                self.read_names(columns, runner, options) as names,
                self.progress_bar(names, options) as progress,
                closing(run(names, options["limit"])) as results_by_name,
            ):
                for results in results_by_name:
                    self._add_results(report, results, progress, options["verbosity"])
                    advance(progress)
                    self.stop_if_output_failed(runner)
            self._write_summary(report, options["verbosity"])
            return report

    def _write_summary(self, report: Report, verbosity: int) -> None:
        for line in report.failure_lines():
            self.stdout.write(self.style.ERROR(line))
        if verbosity and report.counts:
            self.stdout.write(report.summary(self.outcomes))

    def _add_results(
        self, report: Report, results: Iterable[Result], progress: Any, verbosity: int
    ) -> None:
        for result in results:
            try:
                report.add(result)
            except OSError as error:  # The disk with the temporary file of failures is full.
                self._outputs["report"].error = error
            if verbosity > 1 and result.outcome not in self.failures:  # Failures follow later.
                self.write_above(progress, str(result))

    def write_above(self, progress: Any, line: str) -> None:
        """Write a line, and keep the progress bar below it."""
        with above_progress_bar(progress, self._outputs["stderr"]):
            self.stdout.write(line)

    def raise_if_failed(self, report: Report, runner: BulkRunner) -> None:
        """Raise ``CommandError`` if the work was stopped, or if there are failures."""
        self.stop_if_output_failed(runner)
        self.raise_if_stopped(runner)
        if report.failure_count:
            total = format_count(report.counts.total(), "row")
            verb = self.failure_verbs[report.failure_count != 1]
            raise CommandError(f"{report.failure_count:,} of {total} {verb}.")

    @staticmethod
    def raise_if_stopped(runner: BulkRunner) -> None:
        """Raise ``CommandError`` if the work was stopped."""
        if runner.stop_reason:
            raise CommandError(
                f"Stopped: {runner.stop_reason.rstrip('.')}. {runner.stop_advice}".rstrip(),
                returncode=runner.stop_return_code,
            )

    def stop_if_output_failed(self, runner: BulkRunner) -> None:
        """Start no more uploads if the output failed, because their results would not be shown."""
        if error := self._output_error():
            runner.stop(f"the output could not be written: {error}")

    @contextmanager
    def _report_file(self, path: Path | None) -> Iterator[IO[str] | None]:
        try:
            file = ReportFile(path) if path else None
        except OSError as error:
            raise CommandError(f"The report could not be opened: {error}") from None
        output = self._wrap("report", file)
        try:
            yield cast("IO[str]", output) if file else None
        finally:
            if file:
                output.close()


def get_storage(alias: str | None) -> Storage | None:
    """
    Return the storage with this alias; ``None`` if the alias is ``None``.

    Raise ``CommandError`` if it cannot be created, or if it is a ``GroupMeStorage``.
    """
    if alias is None:
        return None
    try:
        storage = storages[alias]
    except InvalidStorageError as error:
        raise CommandError(str(error)) from None
    except Exception as error:  # noqa: BLE001  # A storage of the project may raise anything.
        raise CommandError(f'STORAGES["{alias}"] could not be created: {error}') from None
    if isinstance(storage, GroupMeStorage):
        raise CommandError(f'STORAGES["{alias}"] is a GroupMeStorage. Choose a different storage.')
    return storage


def _positive_integer(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise ArgumentTypeError(f"must be an integer greater than 0 (got {text!r}).")


def non_negative_number(text: str) -> float:
    """Return the number in an argument. Raise ``ArgumentTypeError`` if it is not 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if 0 <= value < float("inf"):
        return value
    raise ArgumentTypeError(f"must be a number of 0 or more (got {text!r}).")
