"""What the commands for many images share: their options, their output, and how they end."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage, storages
from django.core.management.base import CommandError, CommandParser
from django.db import connections

from ..bulk import Bulk
from ..columns import Column, columns, unusable
from ..records import ReportFile
from ..report import Report, Result
from ..selection import Named, pages
from ..storage import GroupMeStorage
from .output import OutputCommand
from .progress import above, progress_bar
from .stopping import RETURN_CODES, stoppable

__all__ = ["BulkCommand", "non_negative", "stoppable"]

# Requests in a second that GroupMe's main API is known to bear, with some to spare.
_RATE = 8


class BulkCommand(OutputCommand):
    """A command for every picture, or file, of the columns that its labels name."""

    #: Whether it is for addresses, or for the names of files.
    addresses: bool
    #: What can become of a row, in the order of the summary, and which of it is bad.
    outcomes: tuple[str, ...]
    bad: tuple[str, ...]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "labels",
            nargs="*",
            metavar="app.Model[.field]",
            help="App label, app.Model, or app.Model.field to process. Defaults to all fields that "
            "use GroupMeStorage.",
        )
        parser.add_argument(
            "--workers",
            type=_positive,
            default=8,
            metavar="N",
            help="Make at most N requests at the same time (default: %(default)s).",
        )
        parser.add_argument(
            "--rate",
            type=non_negative,
            default=_RATE,
            metavar="R",
            help="Make at most R requests per second, all workers together; 0 for no limit "
            "(default: %(default)s, which GroupMe's main API is known to allow).",
        )
        parser.add_argument("--limit", type=_positive, metavar="N", help="Process at most N files.")
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            help="Process this database (default: for each model, the one it is written to).",
        )
        parser.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="Append the result of each row to this file, as a line of JSON.",
        )

    def columns(self, options: dict[str, Any]) -> list[Column]:
        """The columns that were asked for."""
        try:
            found = columns(options["labels"], options["database"])
        except LookupError as error:
            raise CommandError(str(error)) from None
        reasons = {column: unusable(column) for column in found}
        skipped = [
            f"{column} is skipped, because its model is unmanaged: {reason}."
            for column, reason in reasons.items()
            if reason
        ]
        if len(skipped) == len(found):
            raise CommandError(
                "\n".join(skipped) or "There is no field whose storage is GroupMe's."
            )
        for line in skipped:
            self.stderr.write(self.style.WARNING(line))
        return [column for column, reason in reasons.items() if not reason]

    def named(self, found: Sequence[Column], limit: int | None) -> Iterator[Named]:
        """The names in the columns, as many as are asked for."""
        every = chain.from_iterable(pages(found, addresses=self.addresses))
        return islice(every, limit)

    def total(self, found: Sequence[Column], limit: int | None) -> int:
        """About how many names there are; those that columns share are counted for each."""
        count = sum(column.count(addresses=self.addresses) for column in found)
        return count if limit is None else min(count, limit)

    def work(
        self,
        run: Callable[[Iterable[Named]], Generator[Iterator[Result], None, None]],
        bulk: Bulk,
        found: Sequence[Column],
        options: dict[str, Any],
    ) -> Report:
        """Do the work, show its progress, and print its results."""
        limit, verbosity = options["limit"], options["verbosity"]
        stderr = self._outputs["stderr"]
        with (
            self._report_file(options["report"]) as file,
            Report(self.bad, file) as report,
            stoppable(bulk),
        ):
            total = self.total(found, limit)
            with (
                progress_bar(stderr, total, shown=verbosity > 0) as progress,
                closing(run(self.named(found, limit))) as running,
            ):
                for settled in running:
                    for result in settled:
                        self._note(report, result)
                        if verbosity > 1:
                            with above(progress, stderr):
                                self.stdout.write(str(result))
                    progress.update()
                    self._stop_if_output_failed(bulk)
            for line in report.told():
                self.stdout.write(self.style.ERROR(line))
            if verbosity:
                self.stdout.write(report.summary(self.outcomes))
            return report

    def _note(self, report: Report, result: Result) -> None:
        try:
            report.add(result)
        except OSError as error:  # the disk with the temporary file is full
            self._outputs["report"].error = error

    def conclude(self, report: Report, bulk: Bulk) -> None:
        """Raise ``CommandError`` if the work was stopped, or a result is bad."""
        self._stop_if_output_failed(bulk)
        self.stop_with(bulk)
        if report.bad:
            raise CommandError(
                f"{report.bad:,} of {report.counts.total():,} rows are not as they should be; "
                "see above."
            )

    @staticmethod
    def stop_with(bulk: Bulk) -> None:
        """Raise ``CommandError`` if the work was stopped."""
        if bulk.stopped:
            raise CommandError(
                f"Stopped: {bulk.stopped.rstrip('.')}. {bulk.advice}".rstrip(),
                returncode=RETURN_CODES.get(bulk.stopped, 1),
            )

    def _stop_if_output_failed(self, bulk: Bulk) -> None:
        """Finish the uploads in flight, and start no others, if nobody can see the results."""
        if error := self._output_error():
            bulk.stop(f"the output cannot be written: {error}")

    @staticmethod
    def storage(alias: str | None) -> Storage | None:
        """The storage of an alias, which must not be GroupMe's."""
        if alias is None:
            return None
        try:
            found = storages[alias]
        except (ImproperlyConfigured, TypeError) as error:
            raise CommandError(str(error)) from None
        if isinstance(found, GroupMeStorage):
            raise CommandError(f"{alias} is a storage on GroupMe; name another one.")
        return found

    @contextmanager
    def _report_file(self, path: Path | None) -> Iterator[IO[str] | None]:
        try:
            file = ReportFile(path) if path else None
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from None
        output = self._output("report", file)
        try:
            yield cast("IO[str]", output) if file else None
        finally:
            if file:
                output.close()


def _positive(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")


def non_negative(text: str) -> float:
    """An argument that is a number from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if 0 <= value < float("inf"):
        return value
    raise ArgumentTypeError(f"{text!r} is not a number from 0 up")
