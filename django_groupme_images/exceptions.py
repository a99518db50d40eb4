"""
What can go wrong, as one tree::

    GroupMeImageError
    ├── InvalidPicture (ValueError)            a name or URL that is no picture of the CDN
    ├── PictureNotFound (FileNotFoundError)    the CDN says 403 or 404
    └── ServiceError                           the service, or the way to it, failed
        ├── AuthenticationFailed               401 or 403 on an upload, or no token was given
        ├── UploadRejected                     other 4xx; also too large, or empty
        ├── RateLimited                        420 or 429
        ├── ServiceUnavailable                 5xx, 408, 425, timeout, connection, certificates
        │   └── FallbackFailed (OSError)       and the fallback could not save the file either
        └── UnexpectedResponse                 an answer that the service should not give

and the ``except`` blocks that this is drawn for::

    try:
        member.save()
    except ServiceError as error:
        if error.retryable:
            ...  # later may be better
        else:
            ...  # this picture, or this token, will not do

Every exception pickles, and none ever holds an access token. A mistake in the
settings is no ``GroupMeImageError`` but Django's ``ImproperlyConfigured``.
"""

__all__ = [
    "AuthenticationFailed",
    "FallbackFailed",
    "GroupMeImageError",
    "InvalidPicture",
    "PictureNotFound",
    "RateLimited",
    "ServiceError",
    "ServiceUnavailable",
    "UnexpectedResponse",
    "UploadRejected",
]


class GroupMeImageError(Exception):
    """The base of every error that this app raises at run time."""


class InvalidPicture(GroupMeImageError, ValueError):
    """A name or URL that is not the URL of a picture on the configured CDN."""


class PictureNotFound(GroupMeImageError, FileNotFoundError):
    """The CDN has no such picture (any more): it answered 403 or 404."""


class ServiceError(GroupMeImageError):
    """
    The image service, or the network on the way to it, failed.

    ``status`` is the HTTP status that the service answered with, or ``None`` if
    it gave no answer. ``retryable`` says whether the same call may succeed later
    without anything being changed.
    """

    retryable = False

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AuthenticationFailed(ServiceError):
    """The service did not accept the access token, or the one who was asked gave none."""


class UploadRejected(ServiceError):
    """The service, or a limit of this app, refused the picture as it is."""


class RateLimited(ServiceError):
    """
    Too many requests: the service answered 420 or 429.

    ``retry_after`` is how many seconds it asked to wait, or ``None`` if it did not say.
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
    The service failed (5xx, 408, 425), did not respond in time, or could not be reached.

    This includes certificates that do not verify, and certificate files or proxy settings of this
    machine that cannot be used.
    """

    retryable = True


class FallbackFailed(ServiceUnavailable, OSError):
    """
    The fallback storage could not save a file that was not uploaded.

    The message has both causes. ``status`` is that of the failed upload, or ``None``. It is also
    an ``OSError``, as when any other storage cannot save a file.
    """


class UnexpectedResponse(ServiceError):
    """An answer outside the contract: a redirect, no JSON, no URL, a URL off the CDN."""
