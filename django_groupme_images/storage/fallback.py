"""The fallback storage, which stores files that are not on GroupMe's image service (yet)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import IO, Any, Concatenate, ParamSpec, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.files.storage import FileSystemStorage, Storage, storages

from django_groupme_images.conf import ConfiguredStorage
from django_groupme_images.exceptions import FallbackFailed, ServiceError
from django_groupme_images.images.streams import CHUNK_SIZE

from .names import is_file_name

__all__ = [
    "StorageWithFallback",
    "falls_back",
    "get_fallback_storage",
    "save_pending",
    "storage_overrides",
]

P = ParamSpec("P")
S = TypeVar("S", bound="StorageWithFallback")
T = TypeVar("T")

#: Test hook: functions that return the storage to use, from an alias and the storage of that
#: alias. If the list is not empty, the last one is called.
storage_overrides: list[Callable[[str, Storage], Storage]] = []


def get_fallback_storage(alias: str) -> Storage:
    """Return the storage of an alias, or the storage that replaces it in a test."""
    return storage_overrides[-1](alias, storages[alias]) if storage_overrides else storages[alias]


def falls_back(
    method: Callable[Concatenate[S, Any, P], T],
) -> Callable[Concatenate[S, Any, P], T]:
    """Decorate a method of a storage to call the fallback storage for names of pending files."""

    @wraps(method)
    def wrapper(storage: S, name: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        fallback = storage.fallback_storage if is_file_name(name) else None
        if fallback is None:
            return method(storage, name, *args, **kwargs)
        return cast("T", getattr(fallback, method.__name__)(name, *args, **kwargs))

    return cast("Callable[Concatenate[S, Any, P], T]", wrapper)


class StorageWithFallback(ConfiguredStorage):
    """
    Base class of ``GroupMeStorage`` with its fallback storage.

    If ``fallback`` is set, stored names that are not URLs are files in that storage.
    """

    @property
    def fallback_storage(self) -> Storage | None:
        """
        The fallback storage, or ``None`` if there is none.

        Raise ``ImproperlyConfigured`` if its alias is unknown or that of a ``GroupMeStorage``,
        or if ``deferred`` is true although there is no fallback.
        """
        alias = self.options()["fallback"].validated(self)
        if alias is None:
            if self.options()["deferred"].validated(self):
                raise ImproperlyConfigured(
                    "The option 'deferred' requires a fallback storage, but the option 'fallback' "
                    "is not set."
                )
            return None
        storage = storages[alias]
        if storage is self:
            raise ImproperlyConfigured(
                f"The fallback {alias!r} must not be the GroupMe storage itself."
            )
        if isinstance(storage, ConfiguredStorage):
            raise ImproperlyConfigured(f"The fallback {alias!r} must not be a GroupMeStorage.")
        return get_fallback_storage(alias)


def save_pending(
    fallback: Storage,
    name: str,
    content: IO[bytes],
    max_length: int | None,
    upload_error: ServiceError | None = None,
) -> str:
    """
    Save content to the fallback storage, and return its name of at most ``max_length`` characters.

    If the storage fails, raise ``FallbackFailed``. Its message contains that of ``upload_error``,
    the reason why the content is not on the image service, and its status is the same.
    """
    if not is_file_name(name):
        name = posixpath.basename(name)  # It is the URL of an image that is saved again.
    name = fallback.generate_filename(name)
    try:
        saved_name = _save_completely(fallback, name, content, max_length)
    except SuspiciousOperation:
        raise
    except Exception as error:
        raise _fallback_failed(error, upload_error) from error
    if not is_file_name(saved_name):
        raise ImproperlyConfigured(
            f"The fallback storage returned the name {saved_name!r}, which looks like the URL of "
            "an uploaded image. Return a path instead."
        )
    return saved_name


def _fallback_failed(error: Exception, upload_error: ServiceError | None) -> FallbackFailed:
    causes = [str(upload_error)] if upload_error else []
    causes.append(f"the fallback storage could not save the file: {error}")
    status = upload_error.status if upload_error else None
    return FallbackFailed("; ".join(causes), status=status)


def _save_completely(
    fallback: Storage, name: str, content: IO[bytes], max_length: int | None
) -> str:
    """Save the content. If that fails, delete the incomplete file."""
    # Other storages write either the complete file or nothing.
    if not isinstance(fallback, FileSystemStorage):
        return fallback.save(name, content, max_length)
    name = fallback.get_available_name(name, max_length)
    try:
        return fallback.save(name, content, max_length)
    except OSError:
        with suppress(OSError):
            if _is_incomplete_copy(content, fallback, name):
                fallback.delete(name)
        raise


def _is_incomplete_copy(content: IO[bytes], storage: Storage, name: str) -> bool:
    """
    Return whether a file contains the beginning of the content, but not all of it.

    Such a file is the result of a failed save. Any other file of this name was saved by another
    process in the meantime.
    """
    content.seek(0)
    with storage.open(name) as file:
        while chunk := file.read(CHUNK_SIZE):
            if content.read(len(chunk)) != chunk:
                return False
    return bool(content.read(1))
