"""The report of uploads as a record: appended line by line, and searched for earlier uploads."""

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

from .names import is_file_name
from .sources import Version

__all__ = ["Ledger", "Records", "ReportFile", "Upload"]

# Bytes. The reader skips longer lines, because this app does not write them.
_LONGEST_LINE = 64 * 1024

_SCHEMA = """
    PRAGMA journal_mode = OFF;
    CREATE TABLE upload (source, key, file, size, modified, uploaded, url);
"""
# The index is created after the first uploads are read, which is quicker.
_INDEX = "CREATE INDEX IF NOT EXISTS version ON upload (source, key, size, modified)"
_INSERT = "INSERT INTO upload VALUES (?, ?, ?, ?, ?, ?, ?)"
_FIND = """
    SELECT source, file, size, modified, uploaded, url FROM upload
    WHERE source = ? AND key = ? ORDER BY rowid DESC
"""
# SQLite takes the columns without an aggregate from the row that has the maximum.
_BEFORE = """
    SELECT source, file, size, modified, max(uploaded), url FROM upload
    GROUP BY source, key, size, modified HAVING max(uploaded) <= ?
    ORDER BY source
"""


@dataclass(frozen=True)
class Upload:
    """One upload: of which file, in the storage with the alias ``source``, and when."""

    source: str
    file: str
    version: Version
    uploaded: datetime
    url: str

    def as_dict(self) -> dict[str, Any]:
        """Return what a line of a report has in addition to the name and the URL."""
        modified = self.version.modified
        return {
            "source": self.source,
            "size": self.version.size,
            "modified": modified and modified.isoformat(),
            "uploaded": self.uploaded.isoformat(timespec="seconds"),
        }


class ReportFile:
    """Appends lines to a file. Several threads and processes may append to it at once."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a+b", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: str) -> int:
        """Append a line with its newline, in a single system call. Raises ``OSError``."""
        data = line.encode()
        with self._lock:
            if self._is_cut_off():
                data = b"\n" + data
            while data:
                data = data[self._file.write(data) :]
        return len(line)

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _is_cut_off(self) -> bool:
        """Whether the last line has no end, because its writer was killed or the disk was full."""
        if not self._file.seekable() or not self._file.seek(0, 2):
            return False
        self._file.seek(-1, 2)
        return self._file.read(1) != b"\n"


class Records:
    """
    The uploads that reports contain, in a temporary database on disk.

    Lines of other kinds, and lines that cannot be read, are ignored. Lines that are appended
    later are read by the next call. Raises ``OSError`` if a report cannot be opened.
    """

    def __init__(self, *paths: Path) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._files = [stack.enter_context(path.open("rb")) for path in paths]
            # SQLite keeps 2 MB of it in memory, and the rest in a file that it deletes.
            self._database = sqlite3.connect("", check_same_thread=False)
            stack.callback(self._database.close)
            self._database.executescript(_SCHEMA)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def find(self, source: str, file: str) -> list[Upload]:
        """Return the uploads of a file, the last one first."""
        with self._lock:
            self._read_on()
            return [_from_row(row) for row in self._database.execute(_FIND, (source, _key(file)))]

    def before(self, moment: datetime) -> Iterator[Upload]:
        """Return the last upload of each version of each file, if it was not after ``moment``."""
        self._read_on()
        return map(_from_row, self._database.execute(_BEFORE, (moment.timestamp(),)))

    def sources(self) -> list[str]:
        """Return the alias of each storage that a file was uploaded from."""
        self._read_on()
        return [alias for (alias,) in self._database.execute("SELECT DISTINCT source FROM upload")]

    def _read_on(self) -> None:
        for file in self._files:
            self._database.executemany(_INSERT, map(_as_row, _uploads(file)))
        self._database.execute(_INDEX)


class Ledger:
    """
    A report that is appended to, and searched for earlier uploads.

    Raises ``OSError`` if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as stack:
            self.write = stack.enter_context(ReportFile(path)).write
            self._records = stack.enter_context(Records(path))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def urls(self, alias: str, source: Storage, name: str, version: Version) -> Iterator[str]:
        """
        Return the URLs of earlier uploads of this version of a file, the last one first.

        If the file is missing, these are the URLs of its only version. Of several, it would not be
        known which one a row means.
        """
        uploads = self._records.find(alias, name)
        if version.is_complete:
            uploads = [upload for upload in uploads if upload.version == version]
        elif len({upload.version for upload in uploads}) != 1 or source.exists(name):
            return
        yield from (upload.url for upload in uploads)


def _uploads(file: BinaryIO) -> Iterator[Upload]:
    """Read the file on to its end."""
    while line := file.readline(_LONGEST_LINE):
        upload = _parsed(line)
        if upload is None and not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            file.seek(-len(line), 1)  # Another process may be about to write the rest.
            return
        if upload is not None:
            yield upload


def _parsed(line: bytes) -> Upload | None:
    """Return the upload in a line of a report, or ``None``."""
    try:
        values = json.loads(line)
        upload = Upload(
            values["source"],
            values["file"],
            Version(values["size"], _moment(values["modified"])),
            datetime.fromisoformat(values["uploaded"]).astimezone(UTC),
            values["url"],
        )
        ",".join((upload.source, upload.file, upload.url)).encode()  # a TypeError if not strings
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    size = upload.version.size
    is_size = size is None or (type(size) is int and 0 <= size < 2**63)
    return upload if is_size and is_file_name(upload.file) else None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _as_row(upload: Upload) -> tuple[Any, ...]:
    modified = upload.version.modified
    return (
        upload.source,
        _key(upload.file),
        upload.file,
        upload.version.size,
        modified and modified.isoformat(),
        upload.uploaded.timestamp(),
        upload.url,
    )


def _key(file: str) -> str:
    """Return what the spellings of a name have in common, such as ``./cat.png``."""
    return posixpath.normpath(file.replace("\\", "/"))


def _from_row(row: tuple[Any, ...]) -> Upload:
    source, file, size, modified, uploaded, url = row
    version = Version(size, _moment(modified))
    return Upload(source, file, version, datetime.fromtimestamp(uploaded, UTC), url)
