"""Bulk upload of existing files: upload each file once, and store its URL in all its rows."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from threading import Lock
from typing import Any, NamedTuple, cast

from django.core.files.storage import Storage
from django.db import Error

from django_groupme_images.discovery import groupme_fields
from django_groupme_images.exceptions import (
    InvalidPicture,
    ServiceError,
    UploadRejected,
    describe_exception,
)
from django_groupme_images.measurement import Measurement, measured
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import GroupMeStorage
from django_groupme_images.storage.fallback import get_fallback_storage

from .batches import StoredName
from .columns import Column
from .inspection import FileInspection, inspect_file
from .references import FILES_PER_SEARCH, ReferencesUnknown, default_names
from .results import CHANGED, DEFAULT, REJECTED, REPLACED, Result, results_for
from .runner import BulkRunner
from .source_files import DELETED, Version, delete_unused, run_after_commit
from .upload_log import RecordedFailure, RecordedUpload, UploadLog

__all__ = ["OUTCOMES", "BulkUpload", "replace_in_rows"]

#: The outcomes for a row, in the order of the summary.
OUTCOMES = ("moved", "skipped", "failed")

logger = logging.getLogger(__name__)


@dataclass
class _UploadItem:
    """A file to upload, or to skip because it was rejected in an earlier run."""

    # The file name, with the rows that contained it when the file was found.
    found: StoredName
    # The file name, with the rows that still contained it just before the upload.
    current: StoredName
    is_rejected: bool = False
    # The worker sets this before the upload.
    version: Version | None = None


class _UploadResult(NamedTuple):
    """
    An uploaded image, or the image of an earlier upload, or a reason to skip the rows.

    ``upload`` describes the upload if this run made it, and ``measurement`` is that of the upload.
    ``recorded_row`` is the column and the primary key of the row whose result is already in the
    report.
    """

    version: Version
    picture: Picture | None = None
    reason: str = ""
    upload: RecordedUpload | None = None
    recorded_row: tuple[Column, Any] | None = None
    measurement: Measurement | None = None


class BulkUpload:
    """
    Upload of existing files of a storage to the image service.

    ``source`` is the alias of that storage. By default, it is the fallback of the storage that
    each file is uploaded to. With ``delete_source``, a file is deleted after its rows have been
    changed, if nothing references it anymore; ``deleted_count`` is the number of these files. A
    file that was replaced in the meantime by another one of the same name is not deleted.

    With a ``log``, a file that it contains is not uploaded again. Without one, the default files
    of fields are skipped, because each later row would upload them again. With ``skip_failed``, a
    file is also skipped if it was rejected in an earlier run according to the log, unless it has
    been replaced since.
    """

    def __init__(
        self,
        runner: BulkRunner,
        *,
        source: str | None = None,
        delete_source: bool = False,
        log: UploadLog | None = None,
        skip_failed: bool = False,
    ) -> None:
        self.deleted_count = 0
        self._runner = runner
        self._source = source
        self._delete_source = delete_source
        self._log = log
        self._skip_failed = skip_failed
        self._default_file_lock = Lock()
        # By the alias of the source storage: uploaded files that are still to be deleted.
        self._to_delete: dict[str, dict[str, Version]] = defaultdict(dict)

    def run(
        self, files: Iterable[StoredName], limit: int | None = None
    ) -> Generator[Iterator[Result], None, None]:
        """
        Upload the files, at most ``limit``, and yield the results of the rows of each.

        Files that are skipped because they were rejected in an earlier run do not count toward
        the limit. Otherwise, they would use it up in each run.
        """
        # A callable default may query a database, so it is called here and not in a worker.
        _ = self._default_files
        for item, future in self._runner.run(self._items(files, limit), self._upload):
            yield self._finish(item, future)
        for alias in list(self._to_delete):
            self._delete_unused(alias)

    @property
    def stop_reason(self) -> str:
        """The reason why the upload stopped before all files were processed, or ``""``."""
        return self._runner.stop_reason

    def is_default_file(self, name: str) -> bool:
        """Return whether this is the name of the default file of a field that uploads."""
        return name in self._default_files

    def source_storage(self, storage: GroupMeStorage) -> Storage | None:
        """Return the storage of the files to upload to ``storage``; ``None`` if there is none."""
        return get_fallback_storage(self._source) if self._source else storage.fallback_storage

    def inspect(
        self, files: Iterable[StoredName]
    ) -> Generator[tuple[StoredName, FileInspection], None, None]:
        """Inspect each file without making a request, and yield it with the result."""
        for file, future in self._runner.run(files, self._inspect):
            if error := future.exception():
                yield file, FileInspection(error=describe_exception(error))
            else:
                yield file, future.result()

    @cached_property
    def _default_files(self) -> frozenset[str]:
        return _find_default_files()

    def _items(self, files: Iterable[StoredName], limit: int | None) -> Iterator[_UploadItem]:
        for file in files:
            if self._is_rejected(file):
                yield _UploadItem(file, file, is_rejected=True)
                continue
            yield _UploadItem(file, file.current())
            limit = None if limit is None else limit - 1
            if limit == 0:  # Check this before the next file is read.
                return

    def _is_rejected(self, file: StoredName) -> bool:
        """Return whether a file is skipped because it was rejected in an earlier run."""
        if not self._skip_failed or self._log is None:
            return False
        try:
            return self._log.is_rejected(self._alias_of(file), self._source_of(file), file.name)
        except Exception:  # noqa: BLE001  # The worker reports the exception of the storage.
            return False

    def _inspect(self, file: StoredName) -> FileInspection:
        return inspect_file(self._source_of(file), file.name, file.storage)

    def _source_of(self, file: StoredName) -> Storage:
        # Without a fallback, the storage raises FallbackNotConfigured when the file is opened.
        return self.source_storage(file.storage) or file.storage

    def _alias_of(self, file: StoredName) -> str:
        return self._source or cast("str", file.storage.fallback)

    def _upload(self, item: _UploadItem) -> _UploadResult | None:
        """Upload a file, unless there is no reason to. A worker calls this."""
        file = item.current
        if item.is_rejected or not any(file.rows.values()):
            return None
        is_default = self.is_default_file(file.name)
        # Several storages may have the same default file, which is uploaded once.
        with self._default_file_lock if is_default else nullcontext():
            source = self._source_of(file)
            version = item.version = Version.of(source, file.name)
            if earlier := self._find_earlier_upload(file, source, version):
                return _UploadResult(version, earlier)
            if is_default and not (self._log and version.is_complete):
                return _UploadResult(version, reason=DEFAULT)
            self._runner.rate_limiter.wait()
            with source.open(file.name) as content:
                client = self._runner.client(file.storage)
                picture, measurement = measured(file.storage.upload, content, client)
            result = _UploadResult(version, picture, measurement=measurement)
            if Version.of(source, file.name) != version:
                return result._replace(reason=REPLACED)
            alias = self._alias_of(file)
            upload = RecordedUpload(alias, file.name, version, datetime.now(UTC), picture.url)
            return result._replace(upload=upload, recorded_row=self._record(file, upload))

    def _find_earlier_upload(
        self, file: StoredName, source: Storage, version: Version
    ) -> Picture | None:
        """Return the image of an earlier upload of the file, if the log contains one."""
        if self._log is not None:
            for url in self._log.urls(self._alias_of(file), source, file.name, version):
                with suppress(InvalidPicture):  # The line may have been edited.
                    return file.storage.picture(url)
        return None

    def _record(self, file: StoredName, upload: RecordedUpload) -> tuple[Column, Any] | None:
        """
        Append the result of one row before any row is changed, and return that row.

        If the process is killed in between, the next run finds the upload in the report.
        """
        if self._log is None:
            return None
        column, pk = next((column, pks[0]) for column, pks in file.rows.items() if pks)
        result = Result("moved", column, pk, file.name, upload.url, record=upload)
        try:
            self._log.write(result.line())
        except OSError as error:  # The rows can still be changed.
            self._runner.stop(f"the report could not be written: {error}")
            return None
        return column, pk

    def _finish(self, item: _UploadItem, future: Future[_UploadResult | None]) -> Iterator[Result]:
        """Change the rows after the upload, and yield their results."""
        file, current = item.found, item.current
        if item.is_rejected:
            # The report is not extended, so that the failure stays the last result of the file.
            yield from results_for("skipped", file, reason=REJECTED, is_recorded=True)
            return
        yield from results_for("skipped", file.minus(current), reason=CHANGED)
        if error := future.exception():
            if isinstance(error, ServiceError):
                file.storage.report_failed(file.name, error)
            reason, failure = describe_exception(error), self._failure(item, error)
            yield from results_for("failed", current, reason=reason, record=failure, error=error)
        elif result := future.result():
            if result.picture and result.measurement:
                file.storage.report_uploaded(file.name, result.picture, result.measurement)
            if result.reason:
                url = result.picture.url if result.picture else ""
                yield from results_for("skipped", current, url, result.reason)
            else:
                yield from self._change_rows(current, result)

    def _failure(self, item: _UploadItem, error: BaseException) -> RecordedFailure | None:
        """Return the failure to record, or ``None`` if the version of the file is not known."""
        if item.version is None or not item.version.is_complete:
            return None
        file, is_permanent = item.current, isinstance(error, UploadRejected)
        return RecordedFailure(self._alias_of(file), file.name, item.version, is_permanent)

    def _change_rows(self, file: StoredName, done: _UploadResult) -> Iterator[Result]:
        is_moved = False
        for result in replace_in_rows("moved", file, cast("Picture", done.picture), done.upload):
            is_moved |= result.outcome == "moved"
            row = (result.column, result.pk)
            is_recorded = (result.outcome, row) == ("moved", done.recorded_row)
            yield replace(result, is_recorded=is_recorded)
        if is_moved and self._delete_source:
            self._delete_later(file, done.version)

    def _delete_later(self, file: StoredName, version: Version) -> None:
        """Collect files to delete, because looking for their references reads all rows."""
        alias = self._alias_of(file)
        self._to_delete[alias][file.name] = version
        if len(self._to_delete[alias]) >= FILES_PER_SEARCH:
            self._delete_unused(alias)

    def _delete_unused(self, alias: str) -> None:
        versions = self._to_delete.pop(alias)
        try:
            run_after_commit(partial(self._delete, get_fallback_storage(alias), versions))
        except Error:
            logger.exception("Source files were not deleted, because a database is not available")

    def _delete(self, source: Storage, versions: dict[str, Version]) -> None:
        try:
            for deletion in delete_unused(source, versions):
                self.deleted_count += deletion.outcome == DELETED
        except ReferencesUnknown:
            logger.exception("Source files were not deleted, because references could not be read")


def _find_default_files() -> frozenset[str]:
    """Return the names of the default files of all fields that upload."""
    names: set[str] = set()
    for field in groupme_fields(evaluate=True):
        try:
            names.update(default_names(field))
        except Exception:  # A callable default of the project may raise anything.
            logger.exception("The default of %s could not be determined", field)
    return frozenset(names)


def replace_in_rows(
    outcome: str, stored: StoredName, picture: Picture, upload: RecordedUpload | None = None
) -> Iterator[Result]:
    """
    Replace the name with the URL of a ``Picture`` in each row, and yield the results.

    The outcome of a changed row is ``outcome``. Rows that now contain another name are ``skipped``,
    and rows that the database did not change because of an error are ``failed``.
    """
    for column, pk, changed in stored.update_rows(picture):
        if isinstance(changed, Error):
            row_outcome, reason = "failed", describe_exception(changed)
        else:
            row_outcome, reason = (outcome, "") if changed else ("skipped", CHANGED)
        yield Result(row_outcome, column, pk, stored.name, picture.url, reason, upload)
