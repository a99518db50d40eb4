"""What the service and the CDN answer, read with care, and what an error among it means."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as urllib3_exceptions

from .exceptions import (
    AuthenticationFailed,
    GroupMeImageError,
    InvalidPicture,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from .pictures import Picture
from .sessions import ACCESS_HEADER, BoundedRetry

__all__ = ["NETWORK_ERRORS", "cdn_error", "network_errors", "upload_error", "uploaded_picture"]

# Responses have about 100 bytes; reading stops after this many.
LONGEST_ANSWER = 64 * 1024

# A response that arrives a byte at a time would otherwise occupy its caller without an end.
LONGEST_TIME = 60  # seconds

_LONGEST_QUOTE = 200

_QUOTED = "[it quoted the access token]"

_MEANINGS: dict[type[ServiceError], str] = {
    AuthenticationFailed: "did not accept the access token",
    UploadRejected: "refused the picture",
    RateLimited: "has had too many requests",
    ServiceUnavailable: "is not available",
    UnexpectedResponse: "gave an answer that it should not give",
}

_MISCONFIGURED = ServiceUnavailable, "cannot be reached with this machine's network settings"

#: What the exceptions of the libraries below mean: the first class that matches counts.
NETWORK_ERRORS: dict[type[Exception], tuple[type[ServiceError], str]] = {
    requests.Timeout: (ServiceUnavailable, "did not answer in time"),
    requests.exceptions.SSLError: (ServiceUnavailable, "could not be reached over TLS"),
    requests.ConnectionError: (ServiceUnavailable, "could not be reached"),
    requests.exceptions.ChunkedEncodingError: (ServiceUnavailable, "broke off its answer"),
    requests.exceptions.RetryError: (ServiceUnavailable, "kept failing"),
    # A proxy variable that is not a URL, or a kind of proxy that is not installed.
    requests.exceptions.InvalidURL: _MISCONFIGURED,
    requests.exceptions.InvalidSchema: _MISCONFIGURED,
    requests.RequestException: (UnexpectedResponse, "cannot be talked to"),
    urllib3_exceptions.TimeoutError: (ServiceUnavailable, "did not answer in time"),
    urllib3_exceptions.ProtocolError: (ServiceUnavailable, "broke off its answer"),
    urllib3_exceptions.SSLError: (ServiceUnavailable, "broke off its answer"),
    urllib3_exceptions.LocationValueError: _MISCONFIGURED,
    urllib3_exceptions.HTTPError: (UnexpectedResponse, "gave an answer that cannot be read"),
    # A certificate file, or the password of a proxy, that cannot be used.
    OSError: _MISCONFIGURED,
    UnicodeError: _MISCONFIGURED,
}

# In the URL of a proxy.
_CREDENTIALS = re.compile(r"//[^/\s]*@")


class network_errors:  # noqa: N801  # reads as contextlib's
    """
    Turn each error of requests, urllib3, and the system in the block into a ``ServiceError``.

    Every error loses its traceback, because an error page would show the request's headers.
    (In a generator, ``contextlib`` would restore it.) Its message loses the ``token``, which the
    service may quote; by default, that is the token of the request.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._host = urlsplit(url).netloc
        self._token = token

    def __enter__(self) -> None:
        self._outer = sys.exception()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        links = _links(error, self._outer)
        for link in links:
            link.__traceback__ = None
        if isinstance(error, (*NETWORK_ERRORS,)):
            raise _network_error(error, links, self._host, self._token) from error


def upload_error(response: requests.Response) -> ServiceError:
    """What it means that an upload was answered with this, which is not 2xx."""
    status = response.status_code
    if status in (401, 403):
        return AuthenticationFailed(_message(AuthenticationFailed, response), status=status)
    if 400 <= status < 500 and status not in (408, 420, 425, 429):
        return UploadRejected(_message(UploadRejected, response), status=status)
    return _other_error(response)


def cdn_error(response: requests.Response, picture: Picture) -> GroupMeImageError:
    """What it means that the CDN answered with this, which is not 200."""
    if response.status_code in (403, 404):  # 403 is what a vanished picture gives (seen)
        _error_body(response)  # so that the connection can be kept
        return PictureNotFound(f"{picture.url} is not there ({response.status_code})")
    return _other_error(response)


def uploaded_picture(response: requests.Response, cdn_url: str) -> Picture | ServiceError:
    """
    The picture whose URL is in the answer to an upload.

    ``UnexpectedResponse`` if there is no URL, or one that is not on the CDN; it is for the
    caller to raise, since the variables here hold what the service said.
    """
    body = _whole(response)
    try:
        payload = json.loads(body)["payload"]
        # Both are documented, with the same value; some captures have the first alone (seen).
        return Picture.parse(payload.get("url") or payload["picture_url"], cdn_url)
    except InvalidPicture:
        problem = f"its URL is not that of a picture on {cdn_url}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        problem = "it has no URL"
    message = f"{_message(UnexpectedResponse, response, body)} ({problem})"
    return UnexpectedResponse(message, status=response.status_code)


def _other_error(response: requests.Response) -> ServiceError:
    status = response.status_code
    if status in (420, 429):
        return RateLimited(
            _message(RateLimited, response),
            status=status,
            retry_after=BoundedRetry().get_retry_after(response.raw),
        )
    kind = ServiceUnavailable if status in (408, 425, *range(500, 600)) else UnexpectedResponse
    return kind(_message(kind, response), status=status)


def _message(
    kind: type[ServiceError], response: requests.Response, body: bytes | None = None
) -> str:
    if body is None:
        body = _error_body(response)
    host = urlsplit(response.url).netloc
    quote = _quote(body, response.request.headers.get(ACCESS_HEADER))
    return f"{host} {_MEANINGS[kind]}: {response.status_code} {quote}".rstrip()


def _whole(response: requests.Response) -> bytes:
    with network_errors(response.url, response.request.headers.get(ACCESS_HEADER)):
        return _read(response)


def _read(response: requests.Response) -> bytes:
    body = b""
    until = time.monotonic() + LONGEST_TIME
    # What has arrived already, which read() would hold back until there is more.
    while chunk := response.raw.read1(8192, decode_content=True):
        body += chunk
        if len(body) > LONGEST_ANSWER:
            break
        if time.monotonic() > until:
            response.close()
            raise urllib3_exceptions.TimeoutError(f"no end after {LONGEST_TIME} seconds")
    return body


def _error_body(response: requests.Response) -> bytes:
    with suppress(ServiceError):  # the status says enough
        return _whole(response)
    return b""


def _quote(body: bytes, token: str | None) -> str:
    """The service's own words."""
    try:
        # How GroupMe's main API words its errors; assumed of the image service too.
        words = "; ".join(map(str, json.loads(body)["meta"]["errors"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        words = re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace"))
    return _cleaned(words, token)


def _cleaned(words: str, token: str | None) -> str:
    """Words from outside: short, on one line, and without the token."""
    if token:
        words = words.replace(token, "[access token]")
    words = " ".join(_CREDENTIALS.sub("//", words).split())[:_LONGEST_QUOTE]
    return "".join(char if char.isprintable() else "?" for char in words)


def _network_error(
    error: BaseException, links: list[BaseException], host: str, token: str | None
) -> ServiceError:
    kind, words = next(known for cls, known in NETWORK_ERRORS.items() if isinstance(error, cls))
    token, root = _forget_token(error) or token, _root(links)
    if isinstance(root, TimeoutError):
        words = "did not answer in time"
    reason = root.args[-1] if root.args else type(root).__name__
    reason = reason if isinstance(reason, str) else str(root)
    _forget_quotes(links, token)
    return kind(f"{host} {words}: {_cleaned(reason, token)}")


def _root(links: list[BaseException]) -> BaseException:
    """The root cause, which urllib3 keeps in ``args`` and not in ``__cause__``."""
    root = links[-1]
    while root.args and isinstance(root.args[-1], BaseException):
        root = root.args[-1]
    return root


def _forget_token(error: BaseException) -> str | None:
    """The token of the request that failed, which the error holds no longer."""
    request = getattr(error, "request", None)
    return request.headers.pop(ACCESS_HEADER, None) if request is not None else None


def _forget_quotes(links: list[BaseException], token: str | None) -> None:
    """Leave nothing of an error that quotes an answer in which the token was."""
    for link in links:
        if token and token in f"{link!r}{link}{vars(link)}":
            link.args = (_QUOTED,)
            quoting = [name for name, value in vars(link).items() if token in repr(value)]
            vars(link).update(dict.fromkeys(quoting, _QUOTED))


def _links(error: BaseException, outer: BaseException | None) -> list[BaseException]:
    """The chain of exceptions, root cause last, without those that the caller was handling."""
    links: list[BaseException] = []
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if link is not outer and link not in links:
            links.append(link)
            waiting += [cause for cause in (link.__cause__, link.__context__) if cause]
    return links
