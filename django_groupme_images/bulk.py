"""Work on many items: in threads, a bounded number at a time, paced, and stopped cleanly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections

from .exceptions import AuthenticationFailed, RateLimited, ServiceError
from .pace import Pace, Stopped
from .report import worded

if TYPE_CHECKING:
    from .client import GroupMeClient
    from .storage import GroupMeStorage

__all__ = ["Bulk"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Bulk work has time: it asks again more often than a request of a visitor may,
_MOST_RETRIES = 5
# and waits for as many seconds as the service asks it to, if it asks for no more than these.
_LONGEST_PAUSE = 300
# Seconds that one upload may take in a bulk job, including waits; nobody is waiting for a page.
_LONGEST_UPLOAD = 3600
# Seconds, where the service says that it has had too many requests, and no more.
_PAUSE = 1
# After so many failures of the service one after another, it is down.
_FAILURES_IN_A_ROW = 30

_RUN_AGAIN = "Run the command again to continue."
_REPLACE_IT = (
    "Set the storage option 'access_token', the setting GROUPME_ACCESS_TOKEN, or the environment "
    "variable GM_TOKEN to a valid access token of a GroupMe user."
)


class Bulk:
    """
    ``workers`` threads that make at most ``rate`` requests a second, all of them together.

    ``stopped`` is the reason why no new work is started anymore, and empty before :meth:`stop`;
    ``advice`` is what to do about it. It stops by itself if the service rejects the token or is
    down.
    """

    def __init__(self, *, workers: int, rate: float = 0) -> None:
        self.workers = workers
        self.pace = Pace(rate)
        self.stopped = ""
        self.advice = ""
        self._failures = 0
        self._clients: dict[GroupMeStorage, GroupMeClient] = {}

    def client(self, storage: GroupMeStorage) -> GroupMeClient:
        """The client for this storage, whose retries keep to the pace."""
        if storage not in self._clients:
            self._clients[storage] = storage.new_client(
                max_upload_time=_LONGEST_UPLOAD,
                max_retries=max(storage.max_retries, _MOST_RETRIES),
                max_retry_after=max(storage.max_retry_wait, _LONGEST_PAUSE),
                wait=self.pace.wait,
            )
        return self._clients[storage]

    def stop(self, reason: str, advice: str = _RUN_AGAIN) -> None:
        """Start nothing new, and finish what has been started. The first reason is kept."""
        if not self.stopped:
            self.stopped, self.advice = reason, advice
        self.pace.stop()

    def run(
        self, items: Iterable[T], work: Callable[[T], R]
    ) -> Generator[tuple[T, Future[R]], None, None]:
        """
        Do the work on each item, and give the item with its finished future.

        The items are taken, and given, in the caller's thread: that of its database
        connections and of its transaction. ``work`` should wait for ``pace`` before each
        request. What was not begun when it was stopped is not given.
        """
        flying: dict[Future[R], T] = {}
        with ThreadPoolExecutor(self.workers) as executor, self._stopped_by_errors():
            for item in self._until_stopped(items):
                flying[executor.submit(copy_context().run, self._do, work, item)] = item
                if len(flying) >= 2 * self.workers:
                    yield from self._landed(flying)
            while flying:
                yield from self._landed(flying)

    def _until_stopped(self, items: Iterable[T]) -> Iterator[T]:
        """The items. An error of the database that they come from stops the work."""
        items = iter(items)
        try:
            while not self.stopped:  # before an item is taken, so that none is lost
                yield next(items)
        except StopIteration:
            return
        except Error as error:
            logger.exception("no more items, because the database failed")
            self.stop(worded(error))

    @contextmanager
    def _stopped_by_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # The executor lets come to an end what was handed to it: nothing new, then.
            self.stop(repr(error))
            raise

    def _landed(self, flying: dict[Future[R], T]) -> Iterator[tuple[T, Future[R]]]:
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            item = flying.pop(future)
            error = future.exception()
            if isinstance(error, Stopped):
                continue
            self._heed(error)
            yield item, future

    def _heed(self, error: BaseException | None) -> None:
        down = isinstance(error, ServiceError) and error.retryable
        self._failures = self._failures + 1 if down else 0
        if isinstance(error, AuthenticationFailed):
            rejected = "the access token was rejected: " if error.status else ""
            self.stop(f"{rejected}{error}", _REPLACE_IT)
        elif isinstance(error, ImproperlyConfigured):
            self.stop(str(error), advice="")
        elif self._failures == _FAILURES_IN_A_ROW:
            self.stop(f"the service failed {self._failures} times in a row")

    def _do(self, work: Callable[[T], R], item: T) -> R:
        try:
            return work(item)
        except RateLimited as error:
            if (pause := error.retry_after or _PAUSE) > _LONGEST_PAUSE:
                self.stop(f"the service asks to wait for {pause:,.0f} seconds")
            self.pace.hold(pause)
            raise
        finally:
            # A storage, or a callable that knows the token, may have asked the database.
            connections.close_all()
