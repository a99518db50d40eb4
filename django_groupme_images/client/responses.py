"""Conversion of responses and network errors into ``Picture`` objects and exceptions."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import requests
from urllib3 import exceptions as urllib3_exceptions

from django_groupme_images.exceptions import (
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
from django_groupme_images.pictures import Picture

from .retries import BoundedRetry
from .session import ACCESS_HEADER

__all__ = [
    "cdn_error",
    "convert_network_errors",
    "parse_upload_response",
    "require_image",
    "upload_error",
]

# Bytes of a response that are read. The service's responses have about 100.
MAX_RESPONSE_SIZE = 64 * 1024

# Without this limit, a response that arrives byte by byte could take forever.
MAX_RESPONSE_TIME = 60  # seconds

_MAX_ERROR_TEXT_LENGTH = 200

# The content types of the pages that a firewall or a proxy sends with the status 200.
_PAGE_TYPE = re.compile("text/|application/(?:xhtml|xml|json)", re.IGNORECASE)

# Shorter tokens are redacted only as whole words, because they also occur within ordinary words:
# "x" is in "expected". Assumption: GroupMe's tokens are longer, so these are placeholders.
_MIN_SECRET_LENGTH = 8

_REDACTED = "[redacted, because it contained the access token]"

_MESSAGES: dict[type[ServiceError], str] = {
    AuthenticationFailed: "rejected the access token",
    UploadRejected: "rejected the image",
    RateLimited: "reported that its rate limit is exceeded",
    ServiceUnavailable: "is unavailable",
    UnexpectedResponse: "returned an unexpected response",
}

_TIMED_OUT = "did not respond in time"
_INCOMPLETE = "did not send a complete response"
_MISCONFIGURED = (
    ServiceUnavailable,
    "could not be reached because of this machine's network settings",
)

# Error class and message for each exception of requests, urllib3, and the operating system. The
# first class that matches is used.
_NETWORK_ERRORS: dict[type[Exception], tuple[type[ServiceError], str]] = {
    requests.Timeout: (ServiceUnavailable, _TIMED_OUT),
    requests.exceptions.SSLError: (ServiceUnavailable, "could not be reached over TLS"),
    requests.ConnectionError: (ServiceUnavailable, "could not be reached"),
    requests.exceptions.ChunkedEncodingError: (ServiceUnavailable, _INCOMPLETE),
    requests.exceptions.RetryError: (ServiceUnavailable, "failed after the last retry"),
    # A proxy variable is not a URL, or support for the type of proxy is not installed.
    requests.exceptions.InvalidURL: _MISCONFIGURED,
    requests.exceptions.InvalidSchema: _MISCONFIGURED,
    requests.RequestException: (UnexpectedResponse, "did not complete the request"),
    urllib3_exceptions.TimeoutError: (ServiceUnavailable, _TIMED_OUT),
    urllib3_exceptions.ProtocolError: (ServiceUnavailable, _INCOMPLETE),
    urllib3_exceptions.SSLError: (ServiceUnavailable, _INCOMPLETE),
    urllib3_exceptions.LocationValueError: _MISCONFIGURED,
    urllib3_exceptions.HTTPError: (UnexpectedResponse, "returned an unreadable response"),
    # A certificate file, or the password of a proxy, cannot be used.
    OSError: _MISCONFIGURED,
    UnicodeError: _MISCONFIGURED,
}

# User name and password in the URL of a proxy.
_CREDENTIALS = re.compile(r"//[^/\s]*@")


def parse_upload_response(response: requests.Response, cdn_url: str) -> Picture | ServiceError:
    """
    Return the ``Picture`` whose URL is in a successful response to an upload.

    Return ``UnexpectedResponse`` if there is no URL, or one that is not on the CDN. It is not
    raised here, because its traceback would contain variables with the response.
    """
    body = _read_body(response)
    try:
        payload = json.loads(body)["payload"]
        # Both keys are documented, with the same value. Some responses have only "url" (observed).
        return Picture.parse(payload.get("url") or payload["picture_url"], cdn_url)
    except InvalidPicture:
        problem = f"its URL is not that of an image on {cdn_url}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        problem = "it contains no URL"
    message = _message(UnexpectedResponse, response, body, problem)
    return UnexpectedResponse(message, status=response.status_code)


def upload_error(response: requests.Response) -> ServiceError:
    """Return the error for a response to an upload whose status is not 2xx."""
    status = response.status_code
    if status in (401, 403):
        return AuthenticationFailed(_message(AuthenticationFailed, response), status=status)
    if 400 <= status < 500 and status not in (408, 420, 425, 429):
        return UploadRejected(_message(UploadRejected, response), status=status)
    return _other_error(response)


def cdn_error(response: requests.Response, picture: Picture) -> GroupMeImageError:
    """Return the error for a response of the CDN whose status is not 200."""
    if response.status_code in (403, 404):  # The CDN returns 403 for missing images (observed).
        _read_error_body(response)  # A connection is reused only after its response has been read.
        return PictureNotFound(
            f"{picture.url} was not found on the CDN (HTTP {response.status_code})"
        )
    return _other_error(response)


def require_image(headers: Mapping[str, str], picture: Picture) -> None:
    """Raise ``UnexpectedResponse`` if these response headers are not those of an image."""
    content_type = headers.get("Content-Type", "")
    if _PAGE_TYPE.match(content_type):
        raise UnexpectedResponse(
            f"{picture.url} is not an image, but {content_type:.100}", status=200
        )


def _other_error(response: requests.Response) -> ServiceError:
    status = response.status_code
    if status in (420, 429):
        return RateLimited(
            _message(RateLimited, response),
            status=status,
            retry_after=BoundedRetry().get_retry_after(response.raw),
        )
    is_temporary = status in (408, 425, *range(500, 600))
    error_class = ServiceUnavailable if is_temporary else UnexpectedResponse
    return error_class(_message(error_class, response), status=status)


def _message(
    error_class: type[ServiceError],
    response: requests.Response,
    body: bytes | None = None,
    problem: str = "",
) -> str:
    """
    Return the message of an error, such as "HOST is unavailable (HTTP 503): overloaded".

    ``problem`` is added to the status. ``body`` is the body of the response, if it has been read.
    """
    if body is None:
        body = _read_error_body(response)
    host = urlsplit(response.url).netloc
    details = "; ".join(filter(None, [f"HTTP {response.status_code}", problem]))
    service_message = _service_error_message(body, response.request.headers.get(ACCESS_HEADER))
    reason = f": {service_message}" if service_message else ""
    return f"{host} {_MESSAGES[error_class]} ({details}){reason}"


def _service_error_message(body: bytes, token: str | None) -> str:
    """Return the error message in a response, shortened and without the token."""
    try:
        # GroupMe's main API sends errors in this form (assumed of the image service).
        text = "; ".join(map(str, json.loads(body)["meta"]["errors"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace"))
    return _sanitize(text, token)


def _token_pattern(token: str | None) -> re.Pattern[str] | None:
    """Return the pattern of a token in messages, or ``None`` if there is no token."""
    if not token:
        return None
    pattern = re.escape(token)
    return re.compile(pattern if len(token) >= _MIN_SECRET_LENGTH else rf"(?<!\w){pattern}(?!\w)")


def _sanitize(text: str, token: str | None) -> str:
    """Return a response or an error as one short line without the token and other credentials."""
    if pattern := _token_pattern(token):
        text = pattern.sub("[access token]", text)
    text = " ".join(_CREDENTIALS.sub("//", text).split())[:_MAX_ERROR_TEXT_LENGTH]
    return "".join(char if char.isprintable() else "?" for char in text)


def _read_error_body(response: requests.Response) -> bytes:
    with suppress(ServiceError):  # The status is reported even if the body cannot be read.
        return _read_body(response)
    return b""


def _read_body(response: requests.Response) -> bytes:
    """Return the body, truncated after about ``MAX_RESPONSE_SIZE`` bytes."""
    # The variables of _read() may contain the token. They are not in the traceback of a converted
    # error, because convert_network_errors removes the traceback of the original one.
    with convert_network_errors(response.url, response.request.headers.get(ACCESS_HEADER)):
        return _read(response)


def _read(response: requests.Response) -> bytes:
    body = b""
    deadline = time.monotonic() + MAX_RESPONSE_TIME
    # read1() returns what has arrived; read() would wait for a full chunk.
    while chunk := response.raw.read1(8192, decode_content=True):
        body += chunk
        if len(body) > MAX_RESPONSE_SIZE:
            break
        if time.monotonic() > deadline:
            response.close()
            raise urllib3_exceptions.TimeoutError(
                f"the response did not end within {MAX_RESPONSE_TIME} seconds"
            )
    return body


class convert_network_errors:  # noqa: N801  # It is used like the functions of contextlib.
    """
    Context manager that converts errors of requests, urllib3, and the system to ``ServiceError``.

    The tracebacks of the original exceptions are removed, because an error page would show the
    headers of the request. (``contextlib.contextmanager`` would restore a traceback.) ``token`` is
    removed from the messages of converted errors, because the service may quote it. By default,
    it is the token of the failed request.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._host = urlsplit(url).netloc
        self._token = token

    def __enter__(self) -> None:
        self._outer_error = sys.exception()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        chain = _exception_chain(error, self._outer_error)
        for link in chain:
            link.__traceback__ = None
        if isinstance(error, (*_NETWORK_ERRORS,)):
            raise _network_error(error, chain, self._host, self._token) from error


def _network_error(
    error: BaseException, chain: list[BaseException], host: str, token: str | None
) -> ServiceError:
    error_class, message = next(
        value for key, value in _NETWORK_ERRORS.items() if isinstance(error, key)
    )
    token, root = _pop_token(error) or token, _root_cause(chain)
    if isinstance(root, TimeoutError):
        message = _TIMED_OUT
    reason = root.args[-1] if root.args else type(root).__name__
    reason = reason if isinstance(reason, str) else str(root)
    _redact_exceptions(chain, token)
    return error_class(f"{host} {message}: {_sanitize(reason, token)}")


def _exception_chain(
    error: BaseException, outer_error: BaseException | None
) -> list[BaseException]:
    """Return the exception chain, without the exceptions that the caller was already handling."""
    chain: list[BaseException] = []
    remaining = [error]
    while remaining:
        link = remaining.pop()
        if link is not outer_error and link not in chain:
            chain.append(link)
            remaining += [cause for cause in (link.__cause__, link.__context__) if cause]
    return chain


def _root_cause(chain: list[BaseException]) -> BaseException:
    """Return the root cause, which urllib3 keeps in ``args`` and not in ``__cause__``."""
    root = chain[-1]
    while root.args and isinstance(root.args[-1], BaseException):
        root = root.args[-1]
    return root


def _pop_token(error: BaseException) -> str | None:
    """Remove the token from the request that failed, and return it."""
    request = getattr(error, "request", None)
    return request.headers.pop(ACCESS_HEADER, None) if request is not None else None


def _redact_exceptions(chain: list[BaseException], token: str | None) -> None:
    """Replace the arguments and attributes of exceptions that contain the token."""
    pattern = _token_pattern(token)
    for link in chain:
        if pattern and pattern.search(f"{link!r} {link} {vars(link)}"):
            link.args = (_REDACTED,)
            names = [name for name, value in vars(link).items() if pattern.search(repr(value))]
            vars(link).update(dict.fromkeys(names, _REDACTED))
