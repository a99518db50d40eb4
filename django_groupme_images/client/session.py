"""``requests`` sessions for the image service: access token, headers, and environment."""

from __future__ import annotations

import http.cookiejar
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from django_groupme_images import __version__
from django_groupme_images.exceptions import AuthenticationFailed

from .retries import Wait, new_retry
from .transport import ServiceAdapter

__all__ = ["ACCESS_HEADER", "TokenAuth", "new_adapter", "new_session", "transport_overrides"]

ACCESS_HEADER = "X-Access-Token"

#: Test hook: functions that take a client and return the adapter that sends its requests. If the
#: list is not empty, the last one replaces the network.
transport_overrides: list[Callable[[Any], BaseAdapter]] = []


def new_adapter(
    max_retries: int, max_retry_wait: float, max_retry_after: float, wait: Wait | None
) -> BaseAdapter:
    """
    Return an adapter for the network that keeps one connection to each host open.

    The arguments are those of ``GroupMeClient``.
    """
    retry = new_retry(max_retries, max_retry_wait, max_retry_after, wait)
    return ServiceAdapter(max_retries=retry, pool_maxsize=1)


def new_session(adapter: BaseAdapter) -> requests.Session:
    """Return a session for one thread that sends all requests through ``adapter``."""
    session = _Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    session.headers.update(
        {
            "User-Agent": f"django-groupme-images/{__version__}",
            # Compression does not make images smaller, and could hide a decompression bomb.
            "Accept-Encoding": "identity",
        }
    )
    # Ignore .netrc and cookies, so that only the token authenticates the user.
    session.auth = _no_auth
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return session


class TokenAuth(AuthBase):
    """
    Authentication that adds the access token to the headers of one request.

    The constructor raises ``AuthenticationFailed`` if there is no token, or if it contains
    characters that HTTP does not allow in a header.
    """

    def __init__(self, token: str | None) -> None:
        # Validate the token here, because requests would quote an invalid one in its error.
        if isinstance(token, str) and re.fullmatch(r"[!-~]+", token):
            self._token = token
            return
        problem = (
            "the one provided contains whitespace or other characters that are not allowed in an "
            "HTTP header"
            if token
            else "none was provided"
        )
        del token  # An error page shows the variables of every frame.
        raise AuthenticationFailed(
            f"Uploading requires a GroupMe user's access token, but {problem}"
        )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[ACCESS_HEADER] = self._token
        return request


class _Session(requests.Session):
    """A session that does not follow redirects, and reads the environment once per host."""

    def __init__(self) -> None:
        super().__init__()
        self._environment_settings: dict[tuple[str, str], Any] = {}

    def get_redirect_target(self, resp: requests.Response) -> None:
        # requests would send the token to the new URL, and first read the response to its end.
        return None

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        # Finding proxies and certificates in the environment is slow, so the result is cached.
        if proxies or verify is not None or cert is not None:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        host = urlsplit(url)[:2]
        if host not in self._environment_settings:
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            self._environment_settings[host] = settings
        return {**self._environment_settings[host], "stream": stream}


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
