"""Restore missing images: upload their copies from a mirror, and store the new URLs in the rows."""

from __future__ import annotations

import math
import pickle  # nosec B403  # This process unpickles only its own temporary file.
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple

from django_groupme_images.exceptions import (
    PictureNotFound,
    ServiceError,
    UploadRejected,
    describe_exception,
)
from django_groupme_images.measurement import Measurement, measured
from django_groupme_images.pictures import Picture

from .batches import StoredName
from .columns import Column
from .mirror import InvalidCopy, Mirror
from .name_index import NameIndex
from .results import CHANGED, Result, results_for
from .runner import BulkRunner, BulkStopped
from .upload import replace_in_rows

__all__ = ["BulkRestore", "ImageResult", "MissingImages", "image_result"]

# Fewer missing images than this are always restored.
_MIN_MISSING = 10

# Missing images stay in memory up to this many bytes.
_MAX_BYTES_IN_MEMORY = 1024 * 1024


class _RestoreItem(NamedTuple):
    """A missing image to restore, and the reason why it is considered missing."""

    # The URL, with the rows that contained it when the image was checked.
    checked: StoredName
    reason: str
    # The URL, with the rows that still contained it just before the upload.
    current: StoredName


@dataclass(frozen=True)
class ImageResult:
    """
    The outcome for an image, and a reason or the ``Picture`` that replaces the image.

    The ``Picture`` comes with the measurement of its upload. ``error`` is that of a failed request.
    """

    outcome: str
    reason: str = ""
    restored: tuple[Picture, Measurement] | None = None
    error: ServiceError | None = None


def image_result(future: Future[ImageResult]) -> ImageResult:
    """Return the result of a finished future. An exception is converted to a result."""
    error = future.exception()
    if error is None:
        return future.result()
    # If only one of two requests found the image, it is unknown whether it is missing.
    is_unreachable = isinstance(error, ServiceError | PictureNotFound)
    return ImageResult(
        "unreachable" if is_unreachable else "failed",
        describe_exception(error),
        error=error if isinstance(error, ServiceError) else None,
    )


class MissingImages:
    """
    Missing images, each with its rows and a reason.

    If there are many, they are stored in a temporary file.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_MAX_BYTES_IN_MEMORY)  # noqa: SIM115
        self._columns: list[Column] = []
        self._index: NameIndex | None = None  # All images come from the same index.
        self._length = 0

    def __enter__(self) -> MissingImages:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._length

    def add(self, stored: StoredName, reason: str) -> None:
        """Append an image."""
        rows = [(self._column_number(column), pks) for column, pks in stored.rows.items()]
        truncated = [self._column_number(column) for column in stored.truncated]
        pickle.dump((stored.name, rows, truncated, reason), self._file)
        self._index = stored.index
        self._length += 1

    def __iter__(self) -> Iterator[tuple[StoredName, str]]:
        self._file.seek(0)
        for _ in range(self._length):
            name, rows, truncated, reason = pickle.load(self._file)  # noqa: S301  # nosec B301
            by_column: dict[Column, list[Any]] = {self._columns[i]: pks for i, pks in rows}
            columns = frozenset(self._columns[i] for i in truncated)
            yield StoredName(name, by_column, columns, self._index), reason

    def _column_number(self, column: Column) -> int:
        """Return the number that is written to the file in place of the column."""
        if column not in self._columns:
            self._columns.append(column)
        return self._columns.index(column)


class BulkRestore:
    """
    Upload of missing images from their copies in a mirror.

    Nothing is restored if at least 10 images, and more than ``max_missing`` percent of the checked
    images, are missing, because a firewall that rejects all requests makes every image seem to be
    missing. ``refusal`` is then an explanation for the user, and empty otherwise.
    """

    def __init__(self, runner: BulkRunner, mirror: Mirror, *, max_missing: float) -> None:
        self.refusal = ""
        self._runner = runner
        self._mirror = mirror
        self._max_missing = max_missing

    def run(self, missing: MissingImages, checked: int) -> Iterator[Iterator[Result]]:
        """Restore the missing images of ``checked`` images, and yield the results of each."""
        remaining = iter(missing)
        reason = self._reason_not_to_restore(len(missing), checked)
        if not reason:
            items = (_RestoreItem(stored, why, stored.current()) for stored, why in remaining)
            for item, future in self._runner.run(items, self._restore):
                yield _change_rows(item, image_result(future))
            reason = self._runner.stop_reason
        for stored, why in remaining:
            yield results_for("gone", stored, reason=f"{why}; not restored: {reason}")

    def _reason_not_to_restore(self, missing: int, checked: int) -> str:
        if self._runner.stop_reason:
            return self._runner.stop_reason
        percent = 100 * missing / max(1, checked)
        if missing < _MIN_MISSING or percent <= self._max_missing:
            return ""
        self.refusal = (
            f"{missing:,} of {checked:,} images are missing ({percent:.4g}%), more than "
            f"{self._max_missing:g}%, so nothing was restored. A firewall, a proxy, or a failure "
            "of the CDN can make images seem to be missing. Open some of the URLs from another "
            "network. If the images are gone, run the command again with --max-missing "
            f"{math.ceil(percent)}."
        )
        return "too many images are missing"

    def _restore(self, item: _RestoreItem) -> ImageResult:
        """Upload the first copy of an image that the service accepts. A worker calls this."""
        stored = item.current
        if not any(stored.rows.values()):
            return ImageResult("gone", item.reason)
        picture = stored.storage.picture(stored.name)
        client = self._runner.client(stored.storage)
        reasons, rejection = [item.reason], None
        try:
            for name in self._mirror.copy_names(picture):
                try:
                    with self._mirror.open_copy(name, picture, stored.storage) as copy:
                        self._runner.rate_limiter.wait()
                        restored = measured(stored.storage.upload, copy, client)
                        return ImageResult("restored", restored=restored)
                except (InvalidCopy, UploadRejected) as error:
                    reasons.append(f"its copy {name} was not uploaded: {error}")
                    rejection = error if isinstance(error, UploadRejected) else rejection
        except BulkStopped:
            reasons.append(f"not restored: {self._runner.stop_reason}")
        if len(reasons) == 1:
            reasons.append("the mirror has no copy of it")
        return ImageResult("gone", "; ".join(reasons), error=rejection)


def _change_rows(item: _RestoreItem, result: ImageResult) -> Iterator[Result]:
    """Store the URL of a restored image in the rows that contain the old one, and yield results."""
    stored, _, current = item
    yield from results_for("skipped", stored.minus(current), reason=CHANGED)
    if result.error is not None:
        stored.storage.report_failed(stored.name, result.error)
    if result.restored is None:
        yield from results_for(result.outcome, current, reason=result.reason)
    else:
        picture, measurement = result.restored
        stored.storage.report_uploaded(stored.name, picture, measurement)
        yield from replace_in_rows(result.outcome, current, picture)
