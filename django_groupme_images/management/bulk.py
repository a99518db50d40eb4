"""What the commands that work on every picture share: what they take, show, and how they end."""

from __future__ import annotations

import threading
from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals, signal
from typing import IO, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage, storages
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from ..bulk import Bulk
from ..columns import Column, columns
from ..report import Report, Result
from ..selection import Named, pages
from ..storage import GroupMeStorage
from .progress import above, progress_bar

__all__ = ["BulkCommand", "stoppable"]

# Requests in a second that GroupMe's main API is known to bear, with some to spare.
_RATE = 8


class BulkCommand(BaseCommand):
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
            help="An app, a model or a field; every field whose storage is GroupMe's if none.",
        )
        parser.add_argument(
            "--workers",
            type=_positive,
            default=8,
            metavar="N",
            help="How many requests may be under way at once (default: %(default)s).",
        )
        parser.add_argument(
            "--rate",
            type=_rate,
            default=_RATE,
            metavar="R",
            help="Requests per second over all workers (default: %(default)s, which GroupMe's main "
            "API is known to bear); 0 for no limit.",
        )
        parser.add_argument(
            "--limit", type=_positive, metavar="N", help="Stop after so many files."
        )
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            help="The database to work on (default: for each model the one it is written to).",
        )
        parser.add_argument(
            "--report",
            type=Path,
            metavar="FILE",
            help="Write what became of each row to this file, as lines of JSON.",
        )

    def columns(self, options: dict[str, Any]) -> list[Column]:
        """The columns that were asked for."""
        try:
            found = columns(options["labels"], options["database"])
        except LookupError as error:
            raise CommandError(str(error)) from None
        if not found:
            raise CommandError("There is no field whose storage is GroupMe's.")
        return found

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
        """Do the work, show how far it is, and tell what became of it."""
        limit, verbosity = options["limit"], options["verbosity"]
        with (
            self._report_file(options["report"]) as file,
            Report(self.bad, file) as report,
            stoppable(bulk),
        ):
            total = self.total(found, limit)
            with (
                progress_bar(self.stderr, total, shown=verbosity > 0) as progress,
                closing(run(self.named(found, limit))) as running,
            ):
                for settled in running:
                    for result in settled:
                        report.add(result)
                        if verbosity > 1:
                            with above(progress):
                                self.stdout.write(str(result))
                    progress.update()
            for line in report.told():
                self.stdout.write(self.style.ERROR(line))
            if verbosity:
                self.stdout.write(report.summary(self.outcomes))
            return report

    def conclude(self, report: Report, bulk: Bulk) -> None:
        """Raise ``CommandError`` if the work was stopped, or anything is bad."""
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
                f"Stopped: {bulk.stopped}. Run the command again to go on.",
                returncode=_RETURN_CODES.get(bulk.stopped, 1),
            )

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

    @staticmethod
    def _report_file(path: Path | None) -> AbstractContextManager[IO[str] | None]:
        try:
            return path.open("w", encoding="utf-8") if path else nullcontext()
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from None


# Why it was stopped, and what a shell expects then.
_RETURN_CODES = {f"interrupted by {number.name}": 128 + number for number in (SIGINT, SIGTERM)}


@contextmanager
def stoppable(bulk: Bulk) -> Iterator[None]:
    """On Ctrl-C, finish what is under way; on a second one, what Ctrl-C does otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where no signal arrives
        return

    def stop(number: int, frame: object) -> None:
        put_back()
        bulk.stop(f"interrupted by {Signals(number).name}")

    def put_back() -> None:
        for number, handler in previous.items():
            signal(number, handler)

    previous = {number: signal(number, stop) for number in (SIGINT, SIGTERM)}
    try:
        yield
    finally:
        put_back()


def _positive(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1
    if 0 <= rate < float("inf"):
        return rate
    raise ArgumentTypeError(f"{text!r} is not a number from 0 up")
