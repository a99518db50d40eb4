"""Source files: which version of a file a storage holds, and how an unused one is deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

from django.core.files.storage import Storage
from django.db import transaction

from .project import databases
from .references import referenced
from .report import worded

__all__ = [
    "DELETED",
    "FAILED",
    "KEPT",
    "SKIPPED",
    "Removal",
    "Version",
    "after_commit",
    "delete_unused",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Outcomes of a removal.
DELETED, KEPT, SKIPPED, FAILED = "deleted", "kept", "skipped", "failed"


@dataclass(frozen=True)
class Version:
    """The size of a file in bytes, and when it was written, in UTC; ``None`` if unknown."""

    size: int | None
    modified: datetime | None

    @classmethod
    def of(cls, source: Storage, name: str) -> Version:
        """Return the version that a storage holds; nothing is known of a missing file."""
        size = _known(source.size, name)
        modified = None if size is None else _known(source.get_modified_time, name)
        # A naive time is in the local time zone.
        return cls(size, modified and modified.astimezone(UTC))

    @property
    def is_complete(self) -> bool:
        """Whether size and time are known, so that other versions of the name differ from it."""
        return self.size is not None and self.modified is not None


class Removal(NamedTuple):
    """What happened to a file that was to be deleted."""

    outcome: str
    file: str
    reason: str = ""


def delete_unused(
    source: Storage, versions: Mapping[str, Version], *, dry_run: bool = False
) -> Iterator[Removal]:
    """
    Delete the named files that nothing references, if they still are of this version.

    With ``dry_run``, nothing is deleted. Raises ``ReferencesUnknown`` before a file is deleted.
    """
    used = referenced(source, versions)
    for name, version in versions.items():
        if name in used:
            yield Removal(KEPT, name, "it is still referenced")
        else:
            yield _deleted(source, name, version, dry_run=dry_run)


def _deleted(source: Storage, name: str, version: Version, *, dry_run: bool) -> Removal:
    try:
        if not version.is_complete or Version.of(source, name) != version:
            return Removal(KEPT, name, "it may have been replaced")
        if not dry_run:
            source.delete(name)
    except Exception as error:  # A storage may raise anything.
        logger.exception("%r could not be deleted", name)
        return Removal(FAILED, name, worded(error))
    return Removal(DELETED, name)


def after_commit(function: Callable[[], None]) -> None:
    """Call a function when no database is in a transaction: now, or after the last commit."""
    for alias in databases():
        function = partial(transaction.on_commit, function, using=alias)
    function()


def _known(method: Callable[[str], T], name: str) -> T | None:
    with suppress(NotImplementedError, FileNotFoundError):
        return method(name)
    return None
