"""Helpers of the tests of bulk commands: files, rows, reports, and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db import OperationalError, connections

from django_groupme_images.bulk.batches import StoredName, StoredNames
from django_groupme_images.bulk.columns import Column
from django_groupme_images.bulk.runner import BulkRunner
from tests.support import emulator_pictures as pictures
from tests.testapp.models import Member

PHOTO = pictures.plain()


def save_file(name: str = "photos/cat.jpg", content: bytes = PHOTO) -> str:
    """Save a file in the fallback storage, and return its name, which is not yet in use."""
    return storages["default"].save(name, ContentFile(content))


def save_file_as(name: str = "photos/cat.jpg", content: bytes = PHOTO) -> str:
    """Save a file in the fallback storage, and assert that it has exactly this name."""
    assert save_file(name, content) == name
    return name


def create_members(*names: str) -> list[Member]:
    """Create rows with these stored names."""
    return Member.objects.bulk_create(Member(photo=name) for name in names)


def is_uploaded(row: Any, field: str = "photo") -> bool:
    """Whether the row has the URL of an image on the emulator."""
    row.refresh_from_db()
    return bool(
        re.fullmatch(r"http://127\.0\.0\.1:\d+/48x32\.jpeg\.\w{32}", str(getattr(row, field)))
    )


def read_report(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a report."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_names(
    columns: Iterable[Column], *, urls: bool, limit: int | None = None
) -> list[StoredName]:
    """Return the URLs in columns, or else the names of files, with their rows."""
    with StoredNames(BulkRunner(workers=1)) as names:
        names.read(columns, urls=urls, limit=limit)
        return list(names)


def read_rows_with(names: Collection[str], columns: Iterable[Column]) -> list[StoredName]:
    """Return the names that columns contain, with their rows."""
    with StoredNames(BulkRunner(workers=1)) as stored_names:
        stored_names.read_rows_with(names, columns)
        return list(stored_names)


class ReadOnlyStorage(InMemoryStorage):
    """A storage that raises when a file is deleted."""

    def delete(self, name: str) -> None:
        raise PermissionError("this storage is read-only")


class StorageWithoutTimes(InMemoryStorage):
    """A storage that does not provide the modification time of a file."""

    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


class StorageWithoutSizes(StorageWithoutTimes):
    """A storage that provides neither the modification time nor the size of a file."""

    def size(self, name: str) -> Any:
        raise NotImplementedError


def fail_query(*args: Any) -> None:
    """Raise the error of a lost database connection. Use this as an execute wrapper."""
    raise OperationalError("the connection was lost")


@contextmanager
def member_view(database: str, query: str) -> Iterator[None]:
    """Create the database view of ``MemberView`` for the duration of the block."""
    with connections[database].cursor() as cursor:
        cursor.execute(f"CREATE VIEW gallery_member_view AS {query}")
    try:
        yield
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("DROP VIEW gallery_member_view")
