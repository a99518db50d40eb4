"""
An overlay for tests: files that the app writes to a fallback storage stay in memory.

Code that uses that storage directly finds them, too, but writes real files. Blocks can be nested.
Files that are written or deleted in a block are as before when it ends.
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from collections import ChainMap, defaultdict
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any, NamedTuple, TypeAlias, cast

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.timezone import now

from .fallback import overlays
from .sharing import Unshared, share, stop_sharing

__all__ = ["OverlayStorage", "files_in_memory"]


class _Stored(NamedTuple):
    content: bytes
    modified: datetime


# By name; None hides a file of an outer block that was deleted in an inner one.
_Files: TypeAlias = MutableMapping[str, _Stored | None]

# Held between the choice of a name and its use.
_naming = threading.Lock()


class OverlayStorage(Storage):
    """
    A storage in memory on top of a real one, which has all files that are not in memory.

    Writing never changes the real storage, and no file gets the name of a real one. Deleting a
    real file does delete it. The overlay equals the real storage, because both stand for the
    same place.
    """

    def __init__(self, storage: Storage, files: _Files) -> None:
        self._storage = storage
        self._real = cast("Storage", Unshared(storage))
        self._files = files

    def __eq__(self, other: object) -> bool:
        other = other._storage if isinstance(other, OverlayStorage) else other
        return bool(self._storage == other)

    def __hash__(self) -> int:
        return hash(self._storage)

    def exists(self, name: str) -> bool:
        return self._stored(name) is not None or self._real.exists(name)

    def size(self, name: str) -> int:
        stored = self._stored(name)
        return len(stored.content) if stored else self._real.size(name)

    def url(self, name: str | None) -> str:
        return self._real.url(name)

    def path(self, name: str) -> str:
        """Return the path of a real file. Raise ``NotImplementedError`` for a file in memory."""
        if self._stored(name):
            raise NotImplementedError(f"{name!r} has no path, because it is in memory")
        return self._real.path(name)

    def get_accessed_time(self, name: str) -> datetime:
        stored = self._stored(name)
        return stored.modified if stored else self._real.get_accessed_time(name)

    def get_created_time(self, name: str) -> datetime:
        stored = self._stored(name)
        return stored.modified if stored else self._real.get_created_time(name)

    def get_modified_time(self, name: str) -> datetime:
        stored = self._stored(name)
        return stored.modified if stored else self._real.get_modified_time(name)

    def get_valid_name(self, name: str) -> str:
        return self._real.get_valid_name(name)

    def generate_filename(self, filename: str | os.PathLike[str]) -> str:
        return self._real.generate_filename(filename)

    def delete(self, name: str) -> None:
        if name and self._stored(name):
            self._files[_key(name)] = None
        else:
            self._real.delete(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        prefix = f"{_key(path)}/".removeprefix("./")
        below = [
            name.removeprefix(prefix).partition("/")
            for name, stored in list(self._files.items())
            if stored and name.startswith(prefix)
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
        stored = self._stored(name)
        if stored is None:
            return self._real.open(name, mode)
        return ContentFile(stored.content if "b" in mode else stored.content.decode(), name)

    def _open_for_writing(self, name: str, mode: str) -> File[Any]:
        exists = self.exists(name)
        if "x" in mode and exists:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        content: Any = b"" if "b" in mode else ""
        if "r" in mode or ("a" in mode and exists):
            with self.open(name, "rb" if "b" in mode else "r") as file:
                content = file.read()
        draft = _Draft(content, name, self._keep)
        draft.seek(0, os.SEEK_END if "a" in mode else os.SEEK_SET)
        return draft

    def _save(self, name: str, content: IO[bytes]) -> str:
        data = b"".join(content.chunks())  # type: ignore[attr-defined]  # save() made it a File
        with _naming:
            name = self.get_available_name(name)  # because another thread may have taken it
            return self._keep(name, data)

    def _keep(self, name: str, content: bytes) -> str:
        self._files[_key(name)] = _Stored(content, now())
        return _key(name)

    def _stored(self, name: str) -> _Stored | None:
        """Return the file in memory, or ``None`` if there is none and the real storage decides."""
        return self._files.get(_key(name))


class _Draft(ContentFile):  # type: ignore[type-arg]  # bytes or str
    """A file that was opened for writing, and that is kept when it is closed."""

    def __init__(self, content: Any, name: str, keep: Callable[[str, bytes], str]) -> None:
        super().__init__(content, name)
        self._keep = keep

    def close(self) -> None:
        content = self.file.getvalue()  # type: ignore[attr-defined]
        self._keep(str(self.name), content if isinstance(content, bytes) else content.encode())


class _Layer:
    """The files that were written in one block."""

    def __init__(self) -> None:
        self._places: dict[Hashable, dict[str, _Stored | None]] = defaultdict(dict)

    def __call__(self, alias: str, storage: Storage) -> Storage:
        share(alias, storage)
        layers = (layer for layer in reversed(overlays) if isinstance(layer, _Layer))
        place = _place(alias, storage)
        return OverlayStorage(storage, ChainMap(*(layer._places[place] for layer in layers)))


@contextmanager
def files_in_memory(enabled: bool = True) -> Iterator[None]:
    """
    Keep files that are written to fallback storages in memory during a ``with`` block.

    If not ``enabled``, fallback storages are used as they are, even within another block.
    """
    layer = _Layer() if enabled else lambda alias, storage: storage
    overlays.append(layer)
    try:
        yield
    finally:
        overlays.remove(layer)
        if not overlays:
            stop_sharing()


def _place(alias: str, storage: Storage) -> Hashable:
    """Return what identifies a storage, of which override_settings(STORAGES=...) makes another."""
    return str(storage.location) if isinstance(storage, FileSystemStorage) else alias


def _key(name: str) -> str:
    return posixpath.normpath(str(name).replace("\\", "/"))
