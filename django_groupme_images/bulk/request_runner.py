"""Process items in the thread of a request, for a limited time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured

from django_groupme_images.exceptions import ServiceError, UploadRejected, describe_exception

from .runner import BulkRunner

if TYPE_CHECKING:
    from django_groupme_images.client.client import GroupMeClient
    from django_groupme_images.storage.backend import GroupMeStorage

__all__ = ["RequestRunner"]

T = TypeVar("T")
R = TypeVar("R")

# Seconds. Application servers often end a request after 30 seconds.
_MAX_SECONDS = 20


class RequestRunner(BulkRunner):
    """
    Runner that calls the work in the thread of its caller, with the clients of the storages.

    ``max_time`` limits the work as a whole, in seconds. After half of that time, or after 20
    seconds, no more items are started, so that each upload has the other half. The work also stops
    after an error that affects all items, such as an outage.
    """

    def __init__(self, max_time: float | None = None) -> None:
        super().__init__(workers=1)
        now, limit = monotonic(), inf if max_time is None else max_time
        self._deadline = now + limit
        self._last_start = now + min(_MAX_SECONDS, limit / 2)

    def client(self, storage: GroupMeStorage) -> GroupMeClient:
        return storage.client

    def run(
        self, items: Iterable[T], work: Callable[[T], R]
    ) -> Generator[tuple[T, Future[R]], None, None]:
        for item in self.until_stopped(items):
            future = self._completed_future(work, item)
            error = future.exception()
            if error and _concerns_all_items(error):
                self.stop(describe_exception(error))
            elif monotonic() >= self._last_start:
                self.stop("the time of the request is up")
            yield item, future

    def _completed_future(self, work: Callable[[T], R], item: T) -> Future[R]:
        from django_groupme_images.client.transport import time_limit  # It imports requests.

        future: Future[R] = Future()
        try:
            with time_limit(self._deadline - monotonic()):
                future.set_result(work(item))
        except Exception as error:  # noqa: BLE001  # The caller handles it.
            # The traceback refers to this frame, and therefore to the future, in a cycle.
            future.set_exception(error.with_traceback(None))
        return future


def _concerns_all_items(error: BaseException) -> bool:
    """Return whether this is an error that the work on all other items would raise as well."""
    if isinstance(error, ServiceError):
        return not isinstance(error, UploadRejected)
    return isinstance(error, ImproperlyConfigured)
