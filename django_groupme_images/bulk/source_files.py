"""Versions of source files in a storage, and the deletion of files that nothing references."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import NamedTuple, TypeVar

from django.core.files.storage import Storage
from django.db import transaction

from django_groupme_images.discovery import databases
from django_groupme_images.exceptions import describe_exception

from .references import referenced_names

__all__ = [
    "DELETED",
    "FAILED",
    "KEPT",
    "SKIPPED",
    "Deletion",
    "Version",
    "delete_unused",
    "run_after_commit",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds. References are searched again after this time, because rows may have changed.
_MAX_SEARCH_AGE = 20

#: Outcomes of a deletion.
DELETED, KEPT, SKIPPED, FAILED = "deleted", "kept", "skipped", "failed"


@dataclass(frozen=True)
class Version:
    """The size of a file in bytes, and its modification time in UTC; ``None`` if unknown."""

    size: int | None
    modified: datetime | None

    @classmethod
    def of(cls, source: Storage, name: str) -> Version:
        """Return the version of a file in a storage. Both values of a missing file are ``None``."""
        size = _value_or_none(source.size, name)
        modified = None if size is None else _value_or_none(source.get_modified_time, name)
        # astimezone() interprets a naive time as local time.
        return cls(size, modified and modified.astimezone(UTC))

    @property
    def is_complete(self) -> bool:
        """Whether size and time are known, so that versions can be distinguished."""
        return self.size is not None and self.modified is not None


class Deletion(NamedTuple):
    """The outcome for a file that was to be deleted, and the reason if it was not deleted."""

    outcome: str
    file: str
    reason: str = ""


def delete_unused(
    source: Storage, versions: Mapping[str, Version], *, dry_run: bool = False
) -> Iterator[Deletion]:
    """
    Delete the named files that nothing references, if they still have these versions.

    With ``dry_run``, nothing is deleted. Raise ``ReferencesUnknown`` if references cannot be
    searched, and delete nothing after that.
    """
    remaining = dict(versions)
    while remaining:
        referenced = referenced_names(source, remaining)
        searched_at = monotonic()
        while remaining and monotonic() - searched_at <= _MAX_SEARCH_AGE:
            name, version = remaining.popitem()
            if name in referenced:
                yield Deletion(KEPT, name, "the file is still referenced")
            else:
                yield _delete(source, name, version, dry_run=dry_run)


def _delete(source: Storage, name: str, version: Version, *, dry_run: bool) -> Deletion:
    try:
        if not version.is_complete or Version.of(source, name) != version:
            return Deletion(KEPT, name, "the file may have been replaced")
        if not dry_run:
            source.delete(name)
    except Exception as error:  # A storage may raise anything.
        logger.exception("%r could not be deleted", name)
        return Deletion(FAILED, name, describe_exception(error))
    return Deletion(DELETED, name)


def run_after_commit(function: Callable[[], None]) -> None:
    """Call a function when no database is in a transaction: now, or after the last commit."""
    for alias in databases():
        function = partial(transaction.on_commit, function, using=alias)
    function()


def _value_or_none(method: Callable[[str], T], name: str) -> T | None:
    with suppress(NotImplementedError, FileNotFoundError):
        return method(name)
    return None
