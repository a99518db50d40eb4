"""Bulk check: find stored images that the CDN no longer has, and keep copies of the others."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from django.core.files.storage import Storage

from django_groupme_images.client.responses import require_image
from django_groupme_images.exceptions import InvalidPicture, PictureNotFound
from django_groupme_images.images.streams import content_length
from django_groupme_images.pictures import Picture

from .batches import StoredName
from .mirror import InvalidCopy, Mirror
from .restore import BulkRestore, ImageResult, MissingImages, image_result
from .results import Result, results_for
from .runner import BulkRunner

if TYPE_CHECKING:
    from django_groupme_images.client.client import GroupMeClient

__all__ = ["FAILURES", "MAX_MISSING", "OUTCOMES", "BulkCheck"]

#: The outcomes for a row, in the order of the summary.
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
#: The outcomes that make the command fail.
FAILURES = ("gone", "unreachable", "invalid", "failed")

#: Percentage of the checked images: if more of them are missing, none is restored.
MAX_MISSING = 20


class BulkCheck:
    """
    Check of whether the CDN still has the stored images.

    If ``mirror`` is a storage, a copy of each image is kept in it. If ``restore`` is a storage,
    missing images are uploaded again from their copies in it, after all images have been checked.
    :class:`~.restore.BulkRestore` describes ``max_missing`` and ``refusal``.
    """

    def __init__(
        self,
        runner: BulkRunner,
        *,
        mirror: Storage | None = None,
        restore: Storage | None = None,
        max_missing: float = MAX_MISSING,
    ) -> None:
        self._runner = runner
        self._mirror = None if mirror is None else Mirror(mirror)
        self._restore = (
            None
            if restore is None
            else BulkRestore(runner, Mirror(restore), max_missing=max_missing)
        )

    @property
    def refusal(self) -> str:
        """An explanation if too many images are missing to restore any, or ``""``."""
        return self._restore.refusal if self._restore else ""

    def run(
        self, images: Iterable[StoredName], limit: int | None = None
    ) -> Generator[Iterator[Result], None, None]:
        """Check the images, at most ``limit``, restore missing ones, and yield the results."""
        checked = 0
        with MissingImages() as missing:
            for stored, future in self._runner.run(islice(images, limit), self._check_one):
                result = image_result(future)
                checked += result.outcome in ("present", "mirrored", "gone")
                if self._restore and result.outcome == "gone":
                    missing.add(stored, result.reason)
                else:
                    yield results_for(result.outcome, stored, reason=result.reason)
            if self._restore:
                yield from self._restore.run(missing, checked)

    def _check_one(self, stored: StoredName) -> ImageResult:
        """Check one image, and copy it if the mirror has no complete copy. A worker calls this."""
        try:
            picture = stored.storage.picture(stored.name)
        except InvalidPicture:
            return ImageResult("invalid", f"not the URL of an image on {stored.storage.cdn_url}")
        client = self._runner.client(stored.storage)
        try:
            headers = self._fetch_headers(client, picture)
        except PictureNotFound:
            # The message of the exception repeats the URL, which the result contains already.
            return ImageResult("gone", "not found on the CDN")
        if self._mirror is None or self._mirror.has_copy(picture, content_length(headers) or 0):
            return ImageResult("present")
        self._runner.rate_limiter.wait()
        try:
            self._mirror.save_copy(picture, client, stored.storage)
        except InvalidCopy as error:
            return ImageResult("failed", f"the CDN's response was not saved: {error}")
        return ImageResult("mirrored")

    def _fetch_headers(self, client: GroupMeClient, picture: Picture) -> Mapping[str, str]:
        """
        Return the response headers of the image on the CDN.

        Raise ``PictureNotFound`` only if both a HEAD and a GET request have that result, and
        ``UnexpectedResponse`` if the response is a page instead of an image.
        """
        self._runner.rate_limiter.wait()
        try:
            headers = client.head(picture)
        except PictureNotFound:
            self._runner.rate_limiter.wait()
            with closing(client.download(picture)) as download:
                headers = download.headers
        require_image(headers, picture)
        return headers
