"""The audit: which stored images the CDN still has, with a mirror of them to restore from."""

from __future__ import annotations

import math
import pickle  # nosec B403  # only of what this process wrote itself
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from django.core.files.storage import Storage

from .bodies import announced_size
from .bulk import Bulk
from .copies import BadCopy, Mirror
from .exceptions import (
    InvalidPicture,
    PictureNotFound,
    ServiceError,
    UnexpectedResponse,
    UploadRejected,
)
from .pace import Stopped
from .pictures import Picture
from .report import CHANGED, Result, results, swapped, worded
from .selection import Named

if TYPE_CHECKING:
    from .client import GroupMeClient
    from .columns import Column

__all__ = ["BAD", "MAX_MISSING", "OUTCOMES", "Audit"]

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

#: If more images are missing than this percentage of those checked, none is restored.
MAX_MISSING = 20

# Fewer missing images than this are always restored.
_FEW = 10

# Missing images stay in memory up to this many bytes.
_SPOOLED_IN_MEMORY = 1024 * 1024

# The types of the pages that a firewall or a proxy sends with the status 200.
_PAGE = re.compile("text/|application/(?:xhtml|xml|json)", re.IGNORECASE)


@dataclass(frozen=True)
class _Finding:
    outcome: str
    reason: str = ""
    restored: Picture | None = None


class Audit:
    """
    Checks on the CDN whether images are still there.

    With a ``mirror``, a copy of each is kept in that storage. With a storage to
    ``restore`` from, each missing image is uploaded again from its copy there, and its rows get
    the new URL. That begins once all images have been checked, and only if at most
    ``max_missing`` percent of them are missing, or fewer than 10: if a firewall rejects all
    requests, every image seems to be missing. ``refused`` is then the reason.
    """

    def __init__(
        self,
        bulk: Bulk,
        *,
        mirror: Storage | None = None,
        restore: Storage | None = None,
        max_missing: float = MAX_MISSING,
    ) -> None:
        self.refused = ""
        self._bulk = bulk
        self._mirror = None if mirror is None else Mirror(mirror)
        self._copies = None if restore is None else Mirror(restore)
        self._max_missing = max_missing
        self._checked = 0

    def run(self, pictures: Iterable[Named]) -> Generator[Iterator[Result], None, None]:
        """Check the images, restore missing ones, and yield the results of each while it does."""
        with _Spool() as missing:
            for named, future in self._bulk.run(pictures, self._look):
                finding = _finding(future)
                self._checked += finding.outcome in ("present", "mirrored", "gone")
                if self._copies and finding.outcome == "gone":
                    missing.add(named, finding.reason)
                else:
                    yield results(finding.outcome, named, reason=finding.reason)
            if self._copies:
                yield from self._restored(missing, self._copies)

    def _look(self, named: Named) -> _Finding:
        try:
            picture = named.storage.picture(named.name)
        except InvalidPicture as error:
            return _Finding("invalid", str(error))
        client = self._bulk.client(named.storage)
        try:
            headers = self._headers(client, picture)
        except PictureNotFound as error:
            return _Finding("gone", str(error))
        if self._mirror is None or self._mirror.has(picture, announced_size(headers) or 0):
            return _Finding("present")
        self._bulk.pace.wait()
        try:
            self._mirror.add(picture, client, named.storage)
        except BadCopy as error:
            return _Finding("failed", f"the CDN's response was not saved: {error}")
        return _Finding("mirrored")

    def _headers(self, client: GroupMeClient, picture: Picture) -> Mapping[str, str]:
        """
        The headers of the image on the CDN.

        Raises ``PictureNotFound`` only if two different requests have that response.
        """
        self._bulk.pace.wait()
        try:
            headers = client.head(picture)
        except PictureNotFound:
            self._bulk.pace.wait()
            with closing(client.download(picture)) as download:
                headers = download.headers
        kind = headers.get("Content-Type", "")
        if _PAGE.match(kind):
            raise UnexpectedResponse(f"{picture.url} is not an image, but {kind:.100}", status=200)
        return headers

    def _restored(self, missing: _Spool, copies: Mirror) -> Iterator[Iterator[Result]]:
        def upload(work: tuple[Named, str, Named]) -> _Finding:
            _, reason, still = work
            return self._upload(still, reason, copies)

        waiting = iter(missing)
        reason = self._reason_not_to_restore(len(missing))
        if not reason:
            work = ((named, why, named.still()) for named, why in waiting)
            for (named, _, still), future in self._bulk.run(work, upload):
                yield _settled(named, still, _finding(future))
            reason = self._bulk.stopped
        for named, why in waiting:
            yield results("gone", named, reason=f"{why}; not restored: {reason}")

    def _reason_not_to_restore(self, missing: int) -> str:
        if self._bulk.stopped:
            return self._bulk.stopped
        percent = 100 * missing / max(1, self._checked)
        if missing < _FEW or percent <= self._max_missing:
            return ""
        self.refused = (
            f"{missing:,} of {self._checked:,} images are missing ({percent:.4g}%), more than "
            f"{self._max_missing:g}%, so nothing was restored. A firewall, a proxy, or a fault of "
            "the CDN can make images seem to be missing. Open some of the URLs from another "
            "network. If the images are gone, run the command again with --max-missing "
            f"{math.ceil(percent)}."
        )
        return "too many images are missing"

    def _upload(self, named: Named, reason: str, copies: Mirror) -> _Finding:
        if not any(named.rows.values()):
            return _Finding("gone", reason)
        picture = named.storage.picture(named.name)
        client = self._bulk.client(named.storage)
        reasons = [reason]
        try:
            for name in copies.names(picture):
                try:
                    with copies.opened(name, picture, named.storage) as copy:
                        self._bulk.pace.wait()
                        return _Finding("restored", restored=named.storage.upload(copy, client))
                except (BadCopy, UploadRejected) as error:
                    reasons.append(f"its copy {name} was not uploaded: {error}")
        except Stopped:
            reasons.append(f"not restored: {self._bulk.stopped}")
        if len(reasons) == 1:
            reasons.append("there is no copy of it to restore")
        return _Finding("gone", "; ".join(reasons))


class _Spool:
    """Missing images with their rows and a reason, in a temporary file if there are many."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_SPOOLED_IN_MEMORY)  # noqa: SIM115
        self._columns: list[Column] = []
        self._length = 0

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._length

    def add(self, named: Named, reason: str) -> None:
        """Append an image."""
        rows = [(self._number(column), pks) for column, pks in named.rows.items()]
        more = [self._number(column) for column in named.more]
        pickle.dump((named.name, rows, more, reason), self._file)
        self._length += 1

    def __iter__(self) -> Iterator[tuple[Named, str]]:
        self._file.seek(0)
        for _ in range(self._length):
            name, rows, more, reason = pickle.load(self._file)  # noqa: S301  # nosec B301
            held: dict[Column, list[Any]] = {self._columns[number]: pks for number, pks in rows}
            yield Named(name, held, frozenset(self._columns[number] for number in more)), reason

    def _number(self, column: Column) -> int:
        if column not in self._columns:  # models have few
            self._columns.append(column)
        return self._columns.index(column)


def _finding(future: Future[_Finding]) -> _Finding:
    error = future.exception()
    if error is None:
        return future.result()
    # An image that only one of two requests finds may be gone or not.
    unreachable = isinstance(error, ServiceError | PictureNotFound)
    return _Finding("unreachable" if unreachable else "failed", worded(error))


def _settled(named: Named, still: Named, finding: _Finding) -> Iterator[Result]:
    yield from results("skipped", named.without(still), reason=CHANGED)
    if finding.restored is None:
        yield from results(finding.outcome, still, reason=finding.reason)
    else:
        named.storage.announce(finding.restored, named.name)
        yield from swapped(finding.outcome, still, finding.restored)
