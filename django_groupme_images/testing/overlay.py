"""
In-memory overlay of fallback storages for tests, so that files are not written to a disk.

:func:`files_in_memory` starts a block, and blocks can be nested. In a block, the app uses an
:class:`OverlayStorage`, which keeps its files in memory. The methods of the real storage are
replaced with a :class:`_PatchedMethod`, so that a test that uses it directly also finds these
files. Files that such a test writes are real. At its end, a block discards its files in memory.
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from collections import ChainMap, defaultdict
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, NamedTuple, TypeAlias, cast

import django.test.signals  # noqa: F401  # Its receiver for new storages must run first.
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.timezone import now

from django_groupme_images.storage.fallback import get_fallback_storage, storage_overrides

__all__ = ["OverlayStorage", "files_in_memory"]

# The methods of a real storage that are replaced so that they also find files in memory.
_PATCHED_METHODS = (
    "delete",
    "exists",
    "get_accessed_time",
    "get_created_time",
    "get_modified_time",
    "listdir",
    "open",
    "size",
)

# The aliases and storages with replaced methods.
_patched_storages: list[tuple[str, Storage]] = []

# Held between the choice of a name and its use.
_name_lock = threading.Lock()


class _MemoryFile(NamedTuple):
    """The content of a file in memory, and the time of its last change."""

    content: bytes
    modified: datetime


# Files in memory by name. None marks a file of an outer block that an inner block has deleted.
_Files: TypeAlias = MutableMapping[str, _MemoryFile | None]


@contextmanager
def files_in_memory(enabled: bool = True) -> Iterator[None]:
    """
    Keep files that the app writes to fallback storages in memory during a ``with`` block.

    If ``enabled`` is false, the app uses fallback storages as they are, even in another block.
    """
    layer = _Layer() if enabled else lambda alias, storage: storage
    storage_overrides.append(layer)
    try:
        yield
    finally:
        storage_overrides.remove(layer)
        if not storage_overrides:
            _unpatch_all()


class _Layer:
    """The files in memory of one block, for each storage."""

    def __init__(self) -> None:
        self._files: dict[Hashable, dict[str, _MemoryFile | None]] = defaultdict(dict)

    def __call__(self, alias: str, storage: Storage) -> Storage:
        _patch(alias, storage)
        layers = (layer for layer in reversed(storage_overrides) if isinstance(layer, _Layer))
        key = _storage_key(alias, storage)
        return OverlayStorage(storage, ChainMap(*(layer._files[key] for layer in layers)))


def _storage_key(alias: str, storage: Storage) -> Hashable:
    """Return a key that stays the same if ``override_settings`` creates a new instance."""
    return str(storage.location) if isinstance(storage, FileSystemStorage) else alias


def _normalize_name(name: str) -> str:
    return posixpath.normpath(str(name).replace("\\", "/"))


class OverlayStorage(Storage):
    """
    A storage that writes files to memory, and reads all other files from a real storage.

    New files do not get the name of a real file. Deleting a real file deletes it from the real
    storage. An overlay equals its real storage, because both represent the same location.
    """

    def __init__(self, storage: Storage, files: _Files) -> None:
        self._storage = storage
        self._real = cast("Storage", _UnpatchedStorage(storage))
        self._files = files

    def __eq__(self, other: object) -> bool:
        other = other._storage if isinstance(other, OverlayStorage) else other
        return bool(self._storage == other)

    def __hash__(self) -> int:
        return hash(self._storage)

    def exists(self, name: str) -> bool:
        return self._memory_file(name) is not None or self._real.exists(name)

    def size(self, name: str) -> int:
        file = self._memory_file(name)
        return len(file.content) if file else self._real.size(name)

    def url(self, name: str | None) -> str:
        return self._real.url(name)

    def path(self, name: str) -> str:
        """Return the path of a real file. Raise ``NotImplementedError`` for a file in memory."""
        if self._memory_file(name):
            raise NotImplementedError(f"{name!r} has no path, because it is in memory")
        return self._real.path(name)

    def get_accessed_time(self, name: str) -> datetime:
        file = self._memory_file(name)
        return file.modified if file else self._real.get_accessed_time(name)

    def get_created_time(self, name: str) -> datetime:
        file = self._memory_file(name)
        return file.modified if file else self._real.get_created_time(name)

    def get_modified_time(self, name: str) -> datetime:
        file = self._memory_file(name)
        return file.modified if file else self._real.get_modified_time(name)

    def get_valid_name(self, name: str) -> str:
        return self._real.get_valid_name(name)

    def generate_filename(self, filename: str | os.PathLike[str]) -> str:
        return self._real.generate_filename(filename)

    def delete(self, name: str) -> None:
        if name and self._memory_file(name):
            self._files[_normalize_name(name)] = None
        else:
            self._real.delete(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        prefix = f"{_normalize_name(path)}/".removeprefix("./")
        below = [
            name.removeprefix(prefix).partition("/")
            for name, file in list(self._files.items())
            if file and name.startswith(prefix)
        ]
        try:
            folders, files = self._real.listdir(path)
        except FileNotFoundError:
            if not below:
                raise
            folders, files = [], []
        folders = [*folders, *(name for name, slash, _ in below if slash)]
        files = [*files, *(name for name, slash, _ in below if not slash)]
        return list(dict.fromkeys(folders)), list(dict.fromkeys(files))

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        if set("wax+") & set(mode):
            return self._open_for_writing(name, mode)
        file = self._memory_file(name)
        if file is None:
            return self._real.open(name, mode)
        return ContentFile(file.content if "b" in mode else file.content.decode(), name)

    def _open_for_writing(self, name: str, mode: str) -> File[Any]:
        exists = self.exists(name)
        if "x" in mode and exists:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        content: Any = b"" if "b" in mode else ""
        if "r" in mode or ("a" in mode and exists):
            with self.open(name, "rb" if "b" in mode else "r") as existing:
                content = existing.read()
        file = _WritableFile(content, name, self._store)
        file.seek(0, os.SEEK_END if "a" in mode else os.SEEK_SET)
        return file

    def _save(self, name: str, content: IO[bytes]) -> str:
        data = b"".join(content.chunks())  # type: ignore[attr-defined]  # save() passes a File.
        with _name_lock:
            name = self.get_available_name(name)  # Another thread may have used the name.
            return self._store(name, data)

    def _store(self, name: str, content: bytes) -> str:
        self._files[_normalize_name(name)] = _MemoryFile(content, now())
        return _normalize_name(name)

    def _memory_file(self, name: str) -> _MemoryFile | None:
        """Return the file in memory, or ``None`` if only the real storage can have the file."""
        return self._files.get(_normalize_name(name))


class _WritableFile(ContentFile):  # type: ignore[type-arg]  # The content is bytes or str.
    """A file that is opened for writing, and saved when it is closed."""

    def __init__(self, content: Any, name: str, save: Callable[[str, bytes], str]) -> None:
        super().__init__(content, name)
        self._save = save

    def close(self) -> None:
        content = self.file.getvalue()  # type: ignore[attr-defined]
        self._save(str(self.name), content if isinstance(content, bytes) else content.encode())


class _PatchedMethod:
    """A method of a real storage that uses the overlay, except to write a file."""

    def __init__(self, alias: str, storage: Storage, name: str) -> None:
        self.original = getattr(storage, name)
        self._alias, self._storage, self._name = alias, storage, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        overlay = storage_overrides[-1](self._alias, self._storage)
        mode = kwargs.get("mode", (*args[1:], "rb")[0])
        is_writing = self._name == "open" and not mode.startswith("r")
        is_real = overlay is self._storage or is_writing
        method = self.original if is_real else getattr(overlay, self._name)
        return method(*args, **kwargs)


class _UnpatchedStorage:
    """A real storage with its original methods."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._storage, name)
        return value.original if isinstance(value, _PatchedMethod) else value


def _patch(alias: str, storage: Storage) -> None:
    """Replace the methods of a storage that read and delete files, unless already done."""
    if not any(other is storage for _, other in _patched_storages):
        _patched_storages.append((alias, storage))
        for name in _PATCHED_METHODS:
            setattr(storage, name, _PatchedMethod(alias, storage, name))


def _unpatch_all() -> None:
    """Restore the original methods of all storages."""
    while _patched_storages:
        _, storage = _patched_storages.pop()
        for name in _PATCHED_METHODS:
            delattr(storage, name)


@receiver(setting_changed)
def _patch_new_storages(*, setting: str, **kwargs: object) -> None:
    """Replace the methods of storages that a change of ``STORAGES`` has created."""
    if setting == "STORAGES":
        for alias in {alias for alias, _ in _patched_storages}:
            with suppress(ImproperlyConfigured):  # The new setting may not contain the alias.
                get_fallback_storage(alias)
