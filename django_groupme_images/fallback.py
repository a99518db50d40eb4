"""The storage behind the storage: it holds every file that is not on the service (yet)."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import IO, TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from .bodies import PIECE, Body, check_size, rewindable
from .exceptions import FallbackFailed, ServiceError
from .names import is_file_name
from .options import ConfiguredStorage
from .reuse import recorded_name, remote_image, reused_name
from .signals import upload_postponed

__all__ = ["FallbackStorage", "of_either", "overlaid", "overlays"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
S = TypeVar("S", bound="FallbackStorage")
T = TypeVar("T")

#: For tests: the last one returns the storage that is used in place of an alias's own.
overlays: list[Callable[[str, Storage], Storage]] = []


def overlaid(alias: str) -> Storage:
    """Return the storage of an alias, or the overlay that a test has put over it."""
    return overlays[-1](alias, storages[alias]) if overlays else storages[alias]


def of_either(
    method: Callable[Concatenate[S, Any, P], T],
) -> Callable[Concatenate[S, Any, P], T]:
    """Make a storage's method ask the fallback storage where the name is that of a file there."""

    @wraps(method)
    def asked(storage: S, name: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        fallback = storage.fallback_storage if is_file_name(name) else None
        if fallback is None:
            return method(storage, name, *args, **kwargs)
        return cast("T", getattr(fallback, method.__name__)(name, *args, **kwargs))

    return cast("Callable[Concatenate[S, Any, P], T]", asked)


class FallbackStorage(ConfiguredStorage):
    """
    Where ``fallback`` names a storage, a stored name that is no address is a file there.

    An upload that fails in a way that may pass puts the file there, and so does every
    ``save()`` where ``deferred`` is true; ``manage.py groupme_upload`` moves it on later.
    """

    if TYPE_CHECKING:

        def save_from_url(self, url: str) -> str: ...

    @property
    def fallback_storage(self) -> Storage | None:
        """
        The fallback storage, or ``None`` where there is none.

        Raises ``ImproperlyConfigured`` if its alias is unknown, or leads to a storage that
        would upload, too.
        """
        alias = self.options()["fallback"].checked(self)
        if alias is None:
            if self.options()["deferred"].checked(self):
                raise ImproperlyConfigured(
                    "With the option 'deferred', files wait in the storage that the option "
                    "'fallback' names, and it names none."
                )
            return None
        storage = storages[alias]
        if storage is self:
            raise ImproperlyConfigured(f"The fallback {alias!r} is the storage itself.")
        if isinstance(storage, ConfiguredStorage):
            raise ImproperlyConfigured(f"The fallback {alias!r} is a storage on GroupMe, too.")
        return overlaid(alias)

    def save(self, name: str | None, content: IO[bytes], max_length: int | None = None) -> str:
        """
        Upload the content, and return its stored name: the URL of the resulting picture.

        If there is a fallback, and the upload fails temporarily or ``deferred`` is true, save the
        content to the fallback storage instead, under a name of at most ``max_length`` characters,
        and return that name. Content that a form has uploaded, and that has not been changed
        since, is not uploaded again.

        Raises ``ServiceError``, or ``FallbackFailed`` if neither storage could save the content.
        The content stays open, and is then at its beginning.
        """
        if reused := reused_name(content, self):
            return reused
        if remote := remote_image(content):
            return self.save_from_url(remote.source)
        if recorded_name(content):
            # Storages move a temporary file, so its path may not exist anymore.
            content = File(content, getattr(content, "name", None))
        fallback = self.fallback_storage
        if fallback is None:
            return self._uploaded(name, content, max_length)
        with rewindable(content) as file:
            name = content.name if name is None else name
            if self.options()["deferred"].checked(self):
                check_size(len(Body(file)), self.options()["max_upload_size"].checked(self))
                return _saved(fallback, name, file, max_length)
            try:
                return self._uploaded(name, file, max_length)
            except ServiceError as error:
                if not error.retryable:
                    raise
                # Its traceback would refer to this frame, and so keep itself and a socket.
                reason = error.with_traceback(None)
            saved = _saved(fallback, name, file, max_length, reason)
        logger.warning("Saved %.200r to the fallback storage as %r: %s", name, saved, reason)
        upload_postponed.send_robust(type(self), storage=self, name=saved, error=reason)
        return saved

    def _uploaded(self, name: str | None, content: IO[bytes], max_length: int | None) -> str:
        return cast("str", super().save(name, content, max_length))


def _saved(
    fallback: Storage,
    name: str,
    content: IO[bytes],
    max_length: int | None,
    reason: ServiceError | None = None,
) -> str:
    """Save to the fallback. Raises ``FallbackFailed`` with the ``reason`` if that fails."""
    if not is_file_name(name):
        name = posixpath.basename(name)  # the URL of a picture that is saved again
    name = fallback.generate_filename(name)
    try:
        saved = _saved_whole(fallback, name, content, max_length)
    except SuspiciousOperation:
        raise
    except Exception as error:
        causes = [str(reason)] if reason else []
        causes.append(f"the fallback storage could not save the file: {error}")
        status = reason.status if reason else None
        raise FallbackFailed("; ".join(causes), status=status) from error
    if not is_file_name(saved):
        raise ImproperlyConfigured(
            f"The fallback storage named a file {saved!r}, which cannot be told from a picture."
        )
    return saved


def _saved_whole(fallback: Storage, name: str, content: IO[bytes], max_length: int | None) -> str:
    """Save the content. If that fails, leave no part of it in the storage."""
    # Other storages write all of a file or nothing.
    if not isinstance(fallback, FileSystemStorage):
        return fallback.save(name, content, max_length)
    name = fallback.get_available_name(name, max_length)
    try:
        return fallback.save(name, content, max_length)
    except OSError:
        with suppress(OSError):
            if _is_part_of(content, fallback, name):
                fallback.delete(name)
        raise


def _is_part_of(content: IO[bytes], storage: Storage, name: str) -> bool:
    """
    Whether a file holds the beginning of the content, and not all of it.

    Then it is what a failed save has left. Any other file of this name was saved by another
    process in the meantime.
    """
    content.seek(0)
    with storage.open(name) as part:
        while chunk := part.read(PIECE):
            if content.read(len(chunk)) != chunk:
                return False
    return bool(content.read(1))
