"""The report file of uploads: append lines to it, and search it for earlier results."""

from __future__ import annotations

import json
import posixpath
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from django.core.files.storage import Storage

from django_groupme_images.storage.names import is_file_name

from .source_files import Version

__all__ = ["RecordedFailure", "RecordedUpload", "ReportFile", "UploadIndex", "UploadLog"]

# Bytes. The reader skips longer lines, because this app does not write them.
_MAX_LINE_LENGTH = 64 * 1024

_SCHEMA = """
    PRAGMA journal_mode = OFF;
    CREATE TABLE result (source, key, file, size, modified, uploaded, url, is_permanent);
"""
# The index is created after the first results are inserted, because that is faster.
_CREATE_INDEX = "CREATE INDEX IF NOT EXISTS version ON result (source, key, size, modified)"
_INSERT = "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# Results without a URL are failures.
_FIND = """
    SELECT source, file, size, modified, uploaded, url FROM result
    WHERE source = ? AND key = ? AND url IS NOT NULL ORDER BY rowid DESC
"""
# SQLite takes the columns without an aggregate from the row that has the maximum.
_LAST_BEFORE = """
    SELECT source, file, size, modified, max(uploaded), url FROM result WHERE url IS NOT NULL
    GROUP BY source, key, size, modified HAVING max(uploaded) <= ?
    ORDER BY source
"""
_COUNT_AFTER = """
    SELECT count(*) FROM (
        SELECT DISTINCT source, key FROM result WHERE url IS NOT NULL AND uploaded > ?
    )
"""
_LAST_OF_FILE = """
    SELECT size, modified, is_permanent, max(rowid) FROM result WHERE source = ? AND key = ?
    GROUP BY size, modified
"""
_SOURCES = "SELECT DISTINCT source FROM result WHERE url IS NOT NULL"


@dataclass(frozen=True)
class RecordedUpload:
    """
    An upload of a version of a file, as recorded in a report.

    ``source_alias`` is the alias of the storage that contains the file. ``uploaded_at`` is in UTC,
    and ``url`` is the URL of the uploaded image.
    """

    source_alias: str
    file: str
    version: Version
    uploaded_at: datetime
    url: str

    def as_dict(self) -> dict[str, Any]:
        """Return the values in a line of a report, apart from the name and the URL."""
        uploaded = self.uploaded_at.isoformat(timespec="seconds")
        return _describe_version(self.source_alias, self.version) | {"uploaded": uploaded}

    def as_row(self) -> tuple[Any, ...]:
        """Return the values for the database of an :class:`UploadIndex`."""
        values = _version_values(self.source_alias, self.file, self.version)
        return (*values, self.uploaded_at.timestamp(), self.url, None)


@dataclass(frozen=True)
class RecordedFailure:
    """
    A failed upload of a version of a file, as recorded in a report.

    ``is_permanent`` is true if the file was rejected, so that a retry is unlikely to succeed.
    """

    source_alias: str
    file: str
    version: Version
    is_permanent: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the values in a line of a report, apart from the name and the reason."""
        return _describe_version(self.source_alias, self.version) | {"permanent": self.is_permanent}

    def as_row(self) -> tuple[Any, ...]:
        """Return the values for the database of an :class:`UploadIndex`."""
        values = _version_values(self.source_alias, self.file, self.version)
        return (*values, None, None, self.is_permanent)


class ReportFile:
    """
    A file that several threads and processes may append lines to at the same time.

    The constructor raises ``OSError`` if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a+b", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: str) -> int:
        """
        Append a line, including its newline, and return the number of characters.

        The line is usually written in a single system call, so that lines of other processes do
        not interrupt it. Raise ``OSError`` if it cannot be written.
        """
        data = line.encode()
        with self._lock:
            if self._is_last_line_incomplete():
                data = b"\n" + data
            while data:
                data = data[self._file.write(data) :]
        return len(line)

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _is_last_line_incomplete(self) -> bool:
        """Return whether a writer was killed, or the disk was full, before the last newline."""
        if not self._file.seekable() or not self._file.seek(0, 2):
            return False
        self._file.seek(-1, 2)
        return self._file.read(1) != b"\n"


class UploadIndex:
    """
    An index of the uploads and failures in reports, in a temporary database on disk.

    Other lines and malformed lines are ignored. Each method also reads the lines that have been
    appended since the last call. The constructor raises ``OSError`` if a report cannot be opened.
    """

    def __init__(self, *paths: Path) -> None:
        self._lock = threading.Lock()
        with ExitStack() as stack:
            self._files = [stack.enter_context(path.open("rb")) for path in paths]
            # SQLite keeps 2 MB in memory, and the rest in a file that it deletes.
            self._database = sqlite3.connect("", check_same_thread=False)
            stack.callback(self._database.close)
            self._database.executescript(_SCHEMA)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def find(self, source_alias: str, file: str) -> list[RecordedUpload]:
        """Return the uploads of a file in the storage with this alias, newest first."""
        with self._lock:
            self._read_new_lines()
            rows = self._database.execute(_FIND, (source_alias, _normalize_name(file)))
            return [_from_row(row) for row in rows]

    def last_uploads_before(self, moment: datetime) -> Iterator[RecordedUpload]:
        """Return the last upload of each version of each file, unless it was after ``moment``."""
        self._read_new_lines()
        return map(_from_row, self._database.execute(_LAST_BEFORE, (moment.timestamp(),)))

    def count_files_uploaded_after(self, moment: datetime) -> int:
        """Return the number of files that have an upload after ``moment``."""
        self._read_new_lines()
        (count,) = self._database.execute(_COUNT_AFTER, (moment.timestamp(),)).fetchone()
        return int(count)

    def rejected_versions(self, source_alias: str, file: str) -> set[Version]:
        """Return the versions of a file whose last result is a permanent failure."""
        with self._lock:
            self._read_new_lines()
            rows = self._database.execute(_LAST_OF_FILE, (source_alias, _normalize_name(file)))
            return {
                Version(size, _parse_datetime(modified))
                for size, modified, is_permanent, _ in rows
                if is_permanent
            }

    def sources(self) -> list[str]:
        """Return the alias of each storage that files were uploaded from."""
        self._read_new_lines()
        return [alias for (alias,) in self._database.execute(_SOURCES)]

    def _read_new_lines(self) -> None:
        for file in self._files:
            rows = (result.as_row() for result in _read_results(file))
            self._database.executemany(_INSERT, rows)
        self._database.execute(_CREATE_INDEX)


class UploadLog:
    """
    A report that can be appended to, and searched for earlier uploads.

    ``write`` is :meth:`ReportFile.write`. The constructor raises ``OSError`` if the report cannot
    be opened.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self.write = stack.enter_context(ReportFile(path)).write
            self._index = stack.enter_context(UploadIndex(path))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def urls(self, alias: str, source: Storage, name: str, version: Version) -> Iterator[str]:
        """
        Yield the URLs of earlier uploads of this version of a file, newest first.

        If the file is missing, yield the URLs of its only version. If the report contains several
        versions, yield none, because it is unknown which of them a row refers to.
        """
        uploads = self._index.find(alias, name)
        if version.is_complete:
            uploads = [upload for upload in uploads if upload.version == version]
        elif len({upload.version for upload in uploads}) != 1 or source.exists(name):
            return
        yield from (upload.url for upload in uploads)

    def is_rejected(self, alias: str, source: Storage, name: str) -> bool:
        """
        Return whether the last result of the current version of a file is a permanent failure.

        If the size or the modification time is unknown, return ``False``, because the file may
        have been replaced. Exceptions of the storage are raised.
        """
        versions = self._index.rejected_versions(alias, name)
        if not versions:  # This is true for nearly all files, and the storage may be remote.
            return False
        version = Version.of(source, name)
        return version.is_complete and version in versions


def _read_results(file: BinaryIO) -> Iterator[RecordedUpload | RecordedFailure]:
    """Yield the uploads and the failures in the rest of a report."""
    while line := file.readline(_MAX_LINE_LENGTH):
        result = _parse_line(line)
        if result is None and not line.endswith(b"\n") and len(line) < _MAX_LINE_LENGTH:
            file.seek(-len(line), 1)  # Another process may still be writing it.
            return
        if result is not None:
            yield result


def _parse_line(line: bytes) -> RecordedUpload | RecordedFailure | None:
    """Return the upload or the failure that a line of a report describes, or ``None``."""
    try:
        result = _parse_values(json.loads(line))
        # This raises ValueError if they are not valid UTF-8.
        ",".join((result.source_alias, result.file, getattr(result, "url", ""))).encode()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    size = result.version.size
    is_size = size is None or (type(size) is int and 0 <= size < 2**63)
    return result if is_size and is_file_name(result.file) else None


def _parse_values(values: dict[str, Any]) -> RecordedUpload | RecordedFailure:
    source_alias, file = values["source"], values["file"]
    version = Version(values["size"], _parse_datetime(values["modified"]))
    if "permanent" in values:
        return RecordedFailure(source_alias, file, version, values["permanent"] is True)
    uploaded_at = datetime.fromisoformat(values["uploaded"]).astimezone(UTC)
    return RecordedUpload(source_alias, file, version, uploaded_at, values["url"])


def _parse_datetime(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _describe_version(source_alias: str, version: Version) -> dict[str, Any]:
    modified = version.modified and version.modified.isoformat()
    return {"source": source_alias, "size": version.size, "modified": modified}


def _version_values(source_alias: str, file: str, version: Version) -> tuple[Any, ...]:
    modified = version.modified and version.modified.isoformat()
    return source_alias, _normalize_name(file), file, version.size, modified


def _normalize_name(file: str) -> str:
    """Return the normalized name, which is the same for ``./cat.png`` and ``cat.png``."""
    return posixpath.normpath(file.replace("\\", "/"))


def _from_row(row: tuple[Any, ...]) -> RecordedUpload:
    source_alias, file, size, modified, uploaded, url = row
    version = Version(size, _parse_datetime(modified))
    return RecordedUpload(source_alias, file, version, datetime.fromtimestamp(uploaded, UTC), url)
