"""The audit: which stored pictures the CDN still has, with a mirror of them to restore from."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.core.files.storage import Storage

from .bodies import announced_size
from .bulk import Bulk
from .exceptions import InvalidPicture, PictureNotFound, ServiceError, UploadRejected
from .files import GroupMeFile
from .pictures import Picture
from .report import Result, results, swapped, worded
from .selection import Named

if TYPE_CHECKING:
    from .client import GroupMeClient

__all__ = ["BAD", "OUTCOMES", "Audit"]

#: What can be found of a picture, and which of it is bad.
OUTCOMES = (
    "present",
    "mirrored",
    "restored",
    "gone",
    "unreachable",
    "invalid",
    "failed",
    "skipped",
)
BAD = ("gone", "unreachable", "invalid", "failed")


@dataclass(frozen=True)
class _Finding:
    outcome: str
    reason: str = ""
    restored: Picture | None = None


class Audit:
    """
    Asks the CDN for pictures.

    With a ``mirror``, each that is there is kept in that storage, too, named by its id. With
    a storage to ``restore`` from, each that is gone is uploaded again from there, and its
    rows get the new URL.
    """

    def __init__(
        self, bulk: Bulk, *, mirror: Storage | None = None, restore: Storage | None = None
    ) -> None:
        self._bulk = bulk
        self._mirror = mirror
        self._restore = restore

    def run(self, pictures: Iterable[Named]) -> Generator[Iterator[Result], None, None]:
        """Ask for the pictures, and give what is found of the rows of each, while it does."""
        for named, future in self._bulk.run(pictures, self._look):
            yield _settled(named, future)

    def _look(self, named: Named) -> _Finding:
        try:
            picture = named.storage.picture(named.name)
        except InvalidPicture as error:
            return _Finding("invalid", str(error))
        client = self._bulk.client(named.storage)
        self._bulk.pace.wait()
        try:
            headers = client.head(picture)
        except PictureNotFound as error:
            return self._restored(named, picture, error)
        if self._mirror is None or _has(self._mirror, picture, announced_size(headers) or 0):
            return _Finding("present")
        self._bulk.pace.wait()
        _copy(picture, client, self._mirror)
        return _Finding("mirrored")

    def _restored(self, named: Named, picture: Picture, error: PictureNotFound) -> _Finding:
        if self._restore is None:
            return _Finding("gone", str(error))
        if not self._restore.exists(picture.id):
            return _Finding("gone", f"{error}; there is no copy of it to restore it from, either")
        self._bulk.pace.wait()
        with self._restore.open(picture.id) as copy:
            try:
                again = named.storage.upload(copy, self._bulk.client(named.storage))
            except UploadRejected as refusal:
                return _Finding("gone", f"{error}; and its copy was refused: {refusal}")
        return _Finding("restored", restored=again)


def _has(mirror: Storage, picture: Picture, size: int) -> bool:
    """Whether the mirror has a copy, and not less than the CDN has, as half of one would be."""
    return mirror.exists(picture.id) and mirror.size(picture.id) >= size


def _copy(picture: Picture, client: GroupMeClient, mirror: Storage) -> None:
    file = GroupMeFile(picture.url, partial(client.download, picture), lambda: 0)
    with file:
        for _ in file.chunks():
            pass  # to have it whole, before a part of it is there that looks like all of it
        file.seek(0)
        if mirror.exists(picture.id):
            mirror.delete(picture.id)
        mirror.save(picture.id, file)


def _settled(named: Named, future: Future[_Finding]) -> Iterator[Result]:
    if error := future.exception():
        outcome = "unreachable" if isinstance(error, ServiceError) else "failed"
        yield from results(outcome, named, reason=worded(error))
        return
    finding = future.result()
    if finding.restored is None:
        yield from results(finding.outcome, named, reason=finding.reason)
    else:
        named.storage.announce(finding.restored, named.name)
        yield from swapped(finding.outcome, named, finding.restored)
