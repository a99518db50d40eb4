"""Retry policy of the client: which failures are retried, and the wait before each retry."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any, Self

from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError, ReadTimeoutError, ResponseError
from urllib3.util.ssl_match_hostname import CertificateError

from .transport import seconds_left

__all__ = ["BoundedRetry", "new_retry"]

# 420 and 429 both mean "too many requests" on GroupMe's main API (observed; assumed of the image
# service). HTTP defines 408 and 425 as reasons to repeat a request. A server that responds with
# 501 does not support the request at all.
_RATE_LIMITED = frozenset({420, 429})
_RETRIED_STATUSES = _RATE_LIMITED | {408, 425} | {*range(500, 600)} - {501}

#: ``Callable(seconds, rate_limited)`` that sleeps. ``rate_limited`` is true if all threads should
#: pause, because the client is rate limited.
Wait = Callable[[float, bool], None]


def new_retry(
    max_retries: int, max_retry_wait: float, max_retry_after: float, wait: Wait | None
) -> BoundedRetry:
    """
    Return the retry policy of a client.

    The arguments are those of ``GroupMeClient``. Without ``wait``, ``time.sleep`` is called.
    """
    retry = BoundedRetry(
        total=max_retries,
        allowed_methods=None,  # every method, including POST
        status_forcelist=_RETRIED_STATUSES,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        backoff_max=max_retry_wait,
        raise_on_status=False,
    )
    retry.max_retry_after = max_retry_after
    retry.wait = wait or _sleep
    return retry


class BoundedRetry(Retry):
    """
    Retries after at most ``backoff_max`` seconds, or after the time in ``Retry-After``.

    The call fails without another retry if ``Retry-After`` exceeds ``max_retry_after`` seconds, if
    the wait would exceed the current time limit, if a certificate does not verify, or if reading
    the response times out. After such a timeout, the service may have stored the image, and a retry
    could take as long again.
    """

    max_retry_after: float
    wait: Wait
    wait_time: float = 0  # seconds

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        if error is not None and _is_final_error(error):
            raise error
        retry_after = None if response is None else self.get_retry_after(response)
        retry = super().increment(method, url, response, error, _pool, _stacktrace)
        retry.wait_time = retry_after or retry._backoff_time(response)
        if (retry_after or 0) > self.max_retry_after or retry.wait_time >= seconds_left():
            raise MaxRetryError(
                _pool,
                url or "",
                error or ResponseError("the wait before the next retry is too long"),
            )
        if response is not None:
            # urllib3 would read the whole response in order to reuse the connection.
            response.close()
        return retry

    def new(self, **kw: Any) -> Self:
        retry = super().new(**kw)
        retry.wait, retry.max_retry_after = self.wait, self.max_retry_after
        return retry

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        self.wait(self.wait_time, _is_rate_limited(response))

    def _backoff_time(self, response: BaseHTTPResponse | None) -> float:
        # urllib3 makes the first retry without a delay, which is wrong if the client is rate
        # limited.
        minimum = min(self.backoff_factor, self.backoff_max) if _is_rate_limited(response) else 0
        return max(minimum, self.get_backoff_time())

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # urllib3 would also retry a 413 that has a Retry-After header.
        return status_code in self.status_forcelist

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, OverflowError, ValueError):
            return None  # An invalid header must not hide the status.


def _sleep(seconds: float, rate_limited: bool) -> None:
    time.sleep(seconds)


def _is_rate_limited(response: BaseHTTPResponse | None) -> bool:
    return response is not None and response.status in _RATE_LIMITED


def _is_final_error(error: BaseException) -> bool:
    """Return whether a retry would fail in the same way, or take too long."""
    while not isinstance(error, ReadTimeoutError | ssl.SSLCertVerificationError | CertificateError):
        if getattr(error, "library", "") in ("PEM", "X509"):
            return True  # The file of trusted certificates cannot be read.
        if not (error.args and isinstance(error.args[-1], BaseException)):
            return False
        error = error.args[-1]
    return True
