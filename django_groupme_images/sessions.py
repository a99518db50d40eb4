"""What a ``requests`` session has to be for this service: its retries, headers and secrets."""

from __future__ import annotations

import http.cookiejar
import re
import ssl
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError, ReadTimeoutError, ResponseError
from urllib3.util.ssl_match_hostname import CertificateError

from . import __version__
from .connections import ServiceAdapter
from .deadlines import seconds_left
from .exceptions import AuthenticationFailed

__all__ = ["ACCESS_HEADER", "BoundedRetry", "TokenAuth", "new_adapter", "new_session", "transports"]

ACCESS_HEADER = "X-Access-Token"

# 420 and 429 both mean "too many requests" on GroupMe's main API (seen). In HTTP, 408 and 425 ask
# for another try (assumed of this service). A 501 would be the same every time.
_TOO_MANY_REQUESTS = frozenset({420, 429})
_RETRIED_STATUSES = _TOO_MANY_REQUESTS | {408, 425} | {*range(500, 600)} - {501}

#: Waits for a number of seconds; the flag says whether all threads should wait, because the
#: service has received too many requests.
Wait = Callable[[float, bool], None]


#: For tests: factories that make, for a client, an adapter to use instead of the network. The
#: last one counts.
transports: list[Callable[[Any], BaseAdapter]] = []


def _sleep(seconds: float, for_all: bool) -> None:
    time.sleep(seconds)


class BoundedRetry(Retry):
    """
    Retries that never wait longer than ``backoff_max`` seconds, nor past the time limit.

    A ``Retry-After`` beyond ``longest_pause`` fails at once. So does a certificate that does not
    verify, and a read timeout: the service may have stored the image, and each further try could
    wait as long again.
    """

    longest_pause: float
    wait: Wait
    pause: float = 0

    def increment(  # type: ignore[override]  # passes on whatever urllib3 calls it with
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Retry:
        if error is not None and _is_final(error):
            raise error
        retry_after = None if response is None else self.get_retry_after(response)
        next_try = super().increment(method, url, response, error, _pool, _stacktrace)
        next_try.pause = retry_after or next_try._backoff(response)
        if (retry_after or 0) > self.longest_pause or next_try.pause >= seconds_left():
            raise MaxRetryError(_pool, url or "", error or ResponseError("the wait is too long"))
        if response is not None:
            response.close()  # because urllib3 would read all of it to keep the connection
        return next_try

    def new(self, **kw: Any) -> Self:
        retry = super().new(**kw)
        retry.wait, retry.longest_pause = self.wait, self.longest_pause
        return retry

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        self.wait(self.pause, _is_limited(response))

    def _backoff(self, response: BaseHTTPResponse | None) -> float:
        # urllib3 makes the first retry at once, which is wrong after too many requests.
        least = min(self.backoff_factor, self.backoff_max) if _is_limited(response) else 0
        return max(least, self.get_backoff_time())

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # Not as urllib3 has it, which retries a 413 that has a Retry-After.
        return status_code in self.status_forcelist

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        try:
            return super().get_retry_after(response)
        except (InvalidHeader, OverflowError, ValueError):
            return None  # an invalid header must not hide the status


def _is_limited(response: BaseHTTPResponse | None) -> bool:
    return response is not None and response.status in _TOO_MANY_REQUESTS


def _is_final(error: BaseException) -> bool:
    """Whether another try would fail in the same way, or take too long."""
    while not isinstance(error, ReadTimeoutError | ssl.SSLCertVerificationError | CertificateError):
        if getattr(error, "library", "") in ("PEM", "X509"):
            return True  # the file of the trusted certificates cannot be read
        if not (error.args and isinstance(error.args[-1], BaseException)):
            return False
        error = error.args[-1]
    return True


class TokenAuth(AuthBase):
    """
    Puts the access token into the header of one request.

    Raises ``AuthenticationFailed`` if there is none, or one that no header can carry.
    """

    def __init__(self, token: str | None) -> None:
        # Here, because requests would quote a bad one in its error.
        if isinstance(token, str) and re.fullmatch(r"[!-~]+", token):
            self._token = token
            return
        problem = "it has characters that no header can carry" if token else "there is none"
        del token  # an error page shows the variables of every frame
        raise AuthenticationFailed(f"an upload needs a GroupMe user's access token, and {problem}")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[ACCESS_HEADER] = self._token
        return request


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[tuple[str, str], Any] = {}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: requests would follow with the token, or read all of the answer beforehand."""

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Proxies and certificates, which the environment is asked for once a host: it is slow."""
        if proxies or verify is not None or cert is not None:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        host = urlsplit(url)[:2]
        if host not in self._environment:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._environment[host] = found
        return {**self._environment[host], "stream": stream}


def new_adapter(
    max_retries: int, max_retry_wait: float, max_retry_after: float, wait: Wait | None
) -> BaseAdapter:
    """What carries requests over the network: it keeps one connection to each host open."""
    retries = BoundedRetry(
        total=max_retries,
        allowed_methods=None,  # an upload too
        status_forcelist=_RETRIED_STATUSES,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        backoff_max=max_retry_wait,
        raise_on_status=False,
    )
    retries.longest_pause = max_retry_after
    retries.wait = wait or _sleep
    return ServiceAdapter(max_retries=retries, pool_maxsize=1)


def new_session(adapter: BaseAdapter) -> requests.Session:
    """A session for one thread, whose requests the adapter carries, wherever they go."""
    session = _Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    session.headers.update(
        {
            "User-Agent": f"django-groupme-images/{__version__}",
            "Accept-Encoding": "identity",  # images are compressed, and a bomb stays small
        }
    )
    # Neither a .netrc nor a cookie may speak for another user than the token's.
    session.auth = _no_auth
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
