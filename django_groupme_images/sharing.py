"""Storages whose overlay is also found by code that uses them directly, in tests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import django.test.signals  # noqa: F401  # Its receiver, which makes new storages, comes first.
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.core.signals import setting_changed
from django.dispatch import receiver

from .fallback import overlaid, overlays

__all__ = ["Unshared", "share", "stop_sharing"]

# The methods of the real storage that also find files in memory, for tests that use it directly.
_SHARED = (
    "delete",
    "exists",
    "get_accessed_time",
    "get_created_time",
    "get_modified_time",
    "listdir",
    "open",
    "size",
)
# The storages whose methods are shared, with their aliases.
_sharing: list[tuple[str, Storage]] = []


class _Shared:
    """A method of a real storage that asks the overlay first, except to write a file."""

    def __init__(self, alias: str, storage: Storage, name: str) -> None:
        self.original = getattr(storage, name)
        self._alias, self._storage, self._name = alias, storage, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        overlay = overlays[-1](self._alias, self._storage)
        mode = kwargs.get("mode", (*args[1:], "rb")[0])
        is_writing = self._name == "open" and not mode.startswith("r")
        is_real = overlay is self._storage or is_writing
        method = self.original if is_real else getattr(overlay, self._name)
        return method(*args, **kwargs)


class Unshared:
    """A real storage with its own methods."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._storage, name)
        return value.original if isinstance(value, _Shared) else value


def share(alias: str, storage: Storage) -> None:
    """Let the methods of a storage that read and delete files ask its overlay first."""
    if not any(other is storage for _, other in _sharing):
        _sharing.append((alias, storage))
        for name in _SHARED:
            setattr(storage, name, _Shared(alias, storage, name))


def stop_sharing() -> None:
    """Give all storages back their own methods."""
    while _sharing:
        _, storage = _sharing.pop()
        for name in _SHARED:
            delattr(storage, name)


@receiver(setting_changed)
def _share_new_storages(*, setting: str, **kwargs: object) -> None:
    if setting == "STORAGES":
        for alias in {alias for alias, _ in _sharing}:
            with suppress(ImproperlyConfigured):  # The new setting may lack the alias.
                overlaid(alias)
