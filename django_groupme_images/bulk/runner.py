"""Process many items in threads that share a rate limit and can be stopped cleanly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections

from django_groupme_images.exceptions import (
    AuthenticationFailed,
    RateLimited,
    ServiceError,
    describe_exception,
)

if TYPE_CHECKING:
    from django_groupme_images.client.client import GroupMeClient
    from django_groupme_images.storage.backend import GroupMeStorage

__all__ = ["BulkRunner", "BulkStopped", "RateLimiter"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

# Retries per upload. There are more than in a request, because no site visitor waits for a page.
_MAX_RETRIES = 5
# Seconds. A longer Retry-After stops the work.
_MAX_RETRY_AFTER = 300
# Seconds that one upload may take, including retries and pauses.
_MAX_UPLOAD_TIME = 3600
# Seconds that all threads pause after a response without Retry-After that rate limits them.
_DEFAULT_RETRY_AFTER = 1
# After this many temporary failures in a row, the service is considered unavailable.
_MAX_FAILURES_IN_A_ROW = 30
# Seconds for which a database connection is used. Servers close connections that are idle for
# longer, some after a minute, and a connection is idle while images are uploaded.
_MAX_CONNECTION_AGE = 20

_RUN_AGAIN = "Run the command again to continue."
_CHANGE_SETTING = (
    "Set the storage option 'access_token', the setting GROUPME_ACCESS_TOKEN, or the environment "
    "variable GM_TOKEN to a valid access token of a GroupMe user, and then run the command again."
)


class BulkStopped(Exception):
    """The work was stopped while a thread was waiting to make a request."""


class RateLimiter:
    """
    Limit of ``rate`` requests per second, evenly spaced; 0 means no limit.

    The limit applies to all threads that share the object together.
    """

    def __init__(self, rate: float = 0) -> None:
        self._interval = 1 / rate if rate else 0  # seconds
        self._next_request = monotonic()
        self._is_stopped = False
        self._changed = Condition()

    def wait(self, seconds: float = 0, rate_limited: bool = False) -> None:
        """
        Wait for at least this many seconds, and until this thread may make a request.

        If ``rate_limited`` is true, the service has limited the rate, and all threads wait.
        Raise ``BulkStopped`` after :meth:`stop`, also in threads that are already waiting.
        """
        if rate_limited:
            self.pause_all(seconds)
        until = monotonic() + seconds
        with self._changed:
            while (
                not self._is_stopped and (left := max(until, self._next_request) - monotonic()) > 0
            ):
                self._changed.wait(left)
            if self._is_stopped:
                raise BulkStopped
            self._next_request = max(self._next_request, monotonic()) + self._interval

    def pause_all(self, seconds: float) -> None:
        """Block all requests for this many seconds."""
        with self._changed:
            self._next_request = max(self._next_request, monotonic() + seconds)

    def stop(self) -> None:
        """Block all further requests."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()


class BulkRunner:
    """
    Pool of ``workers`` threads that together make at most ``rate`` requests per second.

    The work stops automatically if the service rejects the access token or is unavailable.
    ``stop_reason`` is then the reason, and ``stop_advice`` a sentence that explains what to do
    about it. Both are empty before :meth:`stop`. ``stop_return_code`` is the exit code for a
    command whose work was stopped.
    """

    def __init__(self, *, workers: int, rate: float = 0) -> None:
        self.workers = workers
        self.rate_limiter = RateLimiter(rate)
        self.stop_reason = ""
        self.stop_advice = ""
        self.stop_return_code = 1
        self._failures_in_a_row = 0
        self._connected_at = monotonic()
        self._clients: dict[GroupMeStorage, GroupMeClient] = {}

    def client(self, storage: GroupMeStorage) -> GroupMeClient:
        """Return the client for this storage, whose retries respect the rate limit."""
        if storage not in self._clients:
            self._clients[storage] = storage.new_client(
                max_upload_time=_MAX_UPLOAD_TIME,
                max_retries=max(storage.max_retries, _MAX_RETRIES),
                max_retry_after=max(storage.max_retry_wait, _MAX_RETRY_AFTER),
                wait=self.rate_limiter.wait,
            )
        return self._clients[storage]

    def stop(self, reason: str, advice: str = _RUN_AGAIN, *, return_code: int = 1) -> None:
        """Start no new work, and finish work that has begun. The first reason is kept."""
        if not self.stop_reason:
            self.stop_reason, self.stop_advice = reason, advice
            self.stop_return_code = return_code
        self.rate_limiter.stop()

    def until_stopped(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items until the work is stopped. A failure to read them stops it."""
        with self.stopped_on_read_error():
            for item in () if self.stop_reason else items:
                yield item
                if self.stop_reason:  # Check this before the next item is read.
                    return

    @contextmanager
    def stopped_on_read_error(self) -> Iterator[None]:
        """Stop the work if the block raises an error of a database or of a temporary file."""
        try:
            yield
        except (Error, OSError) as error:
            logger.exception("Reading the rows failed, so the work stops")
            self.stop(describe_exception(error))

    def run(
        self, items: Iterable[T], work: Callable[[T], R]
    ) -> Generator[tuple[T, Future[R]], None, None]:
        """
        Call ``work`` with each item in a thread, and yield the item with its finished future.

        The items are read, and the futures are yielded, in the caller's thread, and therefore with
        its database connections and inside its transaction. ``work`` should call
        ``rate_limiter.wait()`` before each request, and return ``None`` if it had nothing to do.
        Items whose work had not begun before :meth:`stop` are not yielded.
        """
        in_flight: dict[Future[R], T] = {}
        with ThreadPoolExecutor(self.workers) as executor, self._stopped_on_error():
            for item in self.until_stopped(items):
                in_flight[executor.submit(copy_context().run, self._call, work, item)] = item
                if len(in_flight) >= 2 * self.workers:
                    yield from self._completed(in_flight)
            while in_flight:
                yield from self._completed(in_flight)

    @contextmanager
    def _stopped_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # Leaving the executor waits for all submitted work, which must make no more requests.
            self.stop(repr(error))
            raise

    def _call(self, work: Callable[[T], R], item: T) -> R:
        try:
            return work(item)
        except RateLimited as error:
            if (pause := error.retry_after or _DEFAULT_RETRY_AFTER) > _MAX_RETRY_AFTER:
                self.stop(f"rate limited by the image service for {pause:,.0f} seconds")
            self.rate_limiter.pause_all(pause)
            raise
        finally:
            # A storage, or a callable that returns the token, may have queried a database.
            connections.close_all()

    def _completed(self, in_flight: dict[Future[R], T]) -> Iterator[tuple[T, Future[R]]]:
        """Wait until work is finished, remove it from ``in_flight``, and yield it."""
        done, _ = wait(in_flight, return_when=FIRST_COMPLETED)
        self._renew_connections()
        for future in done:
            item = in_flight.pop(future)
            error = future.exception()
            if isinstance(error, BulkStopped):
                continue
            # Work that made no request does not indicate whether the service is available.
            if error or future.result() is not None:
                self._count_failure(error)
            yield item, future

    def _renew_connections(self) -> None:
        """Close old database connections before the server does. Django opens them again."""
        if monotonic() - self._connected_at < _MAX_CONNECTION_AGE:
            return
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
        self._connected_at = monotonic()

    def _count_failure(self, error: BaseException | None) -> None:
        """Stop after an error that affects all items, or after too many temporary failures."""
        is_temporary = isinstance(error, ServiceError) and error.retryable
        self._failures_in_a_row = self._failures_in_a_row + 1 if is_temporary else 0
        if isinstance(error, AuthenticationFailed):
            rejected = "the access token was rejected: " if error.status else ""
            self.stop(f"{rejected}{error}", _CHANGE_SETTING)
        elif isinstance(error, ImproperlyConfigured):
            self.stop(str(error), advice="")
        elif self._failures_in_a_row == _MAX_FAILURES_IN_A_ROW:
            self.stop(f"the image service failed {self._failures_in_a_row} times in a row")
