"""
The exceptions that this app raises::

    GroupMeImageError
    ├── InvalidPicture (ValueError)            a name or URL that is not an image on the CDN
    │   └── FallbackNotConfigured (FileNotFoundError)    a file name, but there is no fallback
    ├── PictureNotFound (FileNotFoundError)    403 or 404 from the CDN
    └── ServiceError                           the image service, or the network, failed
        ├── AuthenticationFailed               401 or 403 on an upload, or there is no token
        ├── UploadRejected                     other 4xx
        │   └── ImageRejected                  this app rejected the file
        ├── RateLimited                        420 or 429
        ├── ServiceUnavailable                 5xx, 408, 425, timeout, connection, certificates
        │   └── FallbackFailed (OSError)       the fallback could not save the file either
        └── UnexpectedResponse                 a response that does not match the API

Most code only has to distinguish temporary failures from permanent ones::

    try:
        member.save()
    except ServiceError as error:
        if error.retryable:
            ...  # The same upload may succeed later.
        else:
            ...  # The image, or the access token, was rejected.

All exceptions can be pickled. They do not contain the access token, unless it has fewer than eight
characters, as a placeholder may have. Mistakes in the settings raise Django's
``ImproperlyConfigured`` instead of a ``GroupMeImageError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "AuthenticationFailed",
    "FallbackFailed",
    "FallbackNotConfigured",
    "GroupMeImageError",
    "ImageRejected",
    "InvalidPicture",
    "PictureNotFound",
    "RateLimited",
    "ServiceError",
    "ServiceUnavailable",
    "UnexpectedResponse",
    "UploadRejected",
]


class GroupMeImageError(Exception):
    """Base class of all errors that this app raises at run time."""


class InvalidPicture(GroupMeImageError, ValueError):
    """A name or URL is not the URL of an image on the configured CDN."""


class FallbackNotConfigured(InvalidPicture, FileNotFoundError):
    """A row has the name of a file, but the storage has no fallback storage."""


class PictureNotFound(GroupMeImageError, FileNotFoundError):
    """
    The CDN does not have the image (anymore): it responded with 403 or 404.

    403 has been observed for missing images, and 404 is assumed to have the same meaning.
    """


class ServiceError(GroupMeImageError):
    """
    A request failed because of the image service or the network.

    ``status`` is the HTTP status of the response, or ``None`` if there was no response.
    ``retryable`` is true if the failure is temporary: the same call may succeed later.
    """

    retryable = False

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AuthenticationFailed(ServiceError):
    """
    The image service rejected the access token (401 or 403), or no valid token was provided.

    The latter happens, for example, if a callable returns ``None`` instead of a token. GroupMe does
    not document these statuses for the image service. They are assumed, because its main API uses
    401.
    """


class UploadRejected(ServiceError):
    """
    The image service rejected the image, or this app rejected the file or the URL to upload.

    The image service rejects an image with a 4xx status that no other exception stands for.
    """


class ImageRejected(UploadRejected):
    """
    This app rejected a file before it sent anything.

    ``code`` is one of the following, and ``params`` are values that describe the file.

    ======================  =======================================================================
    ``empty``               the file has no content
    ``too_large``           it has more bytes than ``max_upload_size``: ``size``, ``limit``
    ``invalid_image``       it is not an image of a known format: ``allowed``
    ``format_not_allowed``  its ``format``, or the ``new_format`` that it would be converted to, is
                            not one of those ``allowed``
    ``no_decoder``          a library that decodes its format is not installed: ``format``
    ``too_many_pixels``     it has too many pixels to be decoded: ``pixels``, ``limit``
    ``truncated``           it is damaged or incomplete
    ``metadata``            its metadata cannot be removed
    ======================  =======================================================================
    """

    code = ""
    params: Mapping[str, Any] = {}

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", **params: Any
    ) -> None:
        super().__init__(message, status=status)
        if code:
            self.code, self.params = code, params


class RateLimited(ServiceError):
    """
    The image service received too many requests: it responded with 420 or 429.

    Both statuses have been observed on GroupMe's main API, and are assumed of the image service.
    ``retry_after`` is the wait in the header ``Retry-After``, in seconds, or ``None`` if the
    response has none.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class ServiceUnavailable(ServiceError):
    """
    The image service failed (5xx, 408, 425), did not respond in time, or could not be reached.

    This includes certificates that cannot be verified, and certificate files or proxy settings of
    this machine that cannot be used.
    """

    retryable = True


class FallbackFailed(ServiceUnavailable, OSError):
    """
    The fallback storage could not save a file that was not uploaded.

    The message contains both causes. ``status`` is that of the failed upload, or ``None``. The
    class inherits from ``OSError``, which other storages raise if they cannot save a file.
    """


class UnexpectedResponse(ServiceError):
    """
    A response does not match the API of the image service.

    For example, it is a redirect, has no JSON, or contains a URL that is not on the CDN.
    """


def describe_exception(error: BaseException) -> str:
    """Return the class name and the message of an exception, as a reason in a report or a log."""
    return f"{type(error).__name__}: {error}"
