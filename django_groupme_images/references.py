"""Which files are still referenced, by a row of any model or as the default of a field."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from django.apps import apps
from django.core.files.storage import Storage
from django.db import router
from django.db.models import Field, FileField, FilePathField, Model

from .columns import Column
from .project import databases, models_in
from .report import worded

__all__ = ["ReferencesUnknown", "default_names", "referenced"]

T = TypeVar("T")

# A normalized name, split at its slashes.
_Parts: TypeAlias = tuple[str, ...]

# A stored name, and the storage of its field, if the field has one.
_Reference: TypeAlias = tuple[str, Storage | None]


class ReferencesUnknown(RuntimeError):
    """A table or a default could not be read, so no file can be considered unused."""


def referenced(source: Storage, names: Iterable[str]) -> set[str]:
    """
    Return those of the names whose files in ``source`` a row or a default may reference.

    All rows of all file fields in all databases count, including those that a manager hides.
    The names may be written differently, and may belong to another storage of the same files,
    see :class:`_Files`. Raises ``ReferencesUnknown``.
    """
    files = _Files(source, names)
    for name, storage in _references():
        files.mark(name, storage)
    return files.used


def default_names(field: Field[Any, Any]) -> Iterator[str]:
    """
    Return the names of the files that are defaults of a field. Calls a callable default.

    Raises ``ReferencesUnknown`` if the database computes the default.
    """
    defaults = []
    if field.has_default():
        defaults.append(field.get_default())
    if field.has_db_default():
        default = getattr(field.db_default, "value", field.db_default)
        if hasattr(default, "resolve_expression"):
            raise ReferencesUnknown(f"{field} has a default that the database computes")
        defaults.append(default)
    for default in defaults:
        if name := getattr(default, "name", default):
            yield str(name)


class _Files:
    """
    Files in a storage, and those of them that are ``used``.

    A name refers to a file if one of their normalized names is the end of the other, compared
    by whole parts: storages may add a prefix (such as ``location``), or start in different
    folders. It also refers to the file if both have a path, and the paths are the same after
    symbolic links have been resolved. Normalized names ignore case and Unicode normalization.
    So a file may be considered used that is not, but not the other way around.
    """

    def __init__(self, source: Storage, names: Iterable[str]) -> None:
        self.used: set[str] = set()
        self._folders: dict[str, str] = {}
        self._whole: dict[_Parts, set[str]] = defaultdict(set)
        self._ends: dict[_Parts, set[str]] = defaultdict(set)
        self._paths: dict[_Parts, set[str]] = defaultdict(set)
        for name in names:
            parts = _normalized(name)
            if not parts:  # This is not the name of a file, for example ".".
                self.used.add(name)
            self._whole[parts].add(name)
            for end in _ends(parts):
                self._ends[end].add(name)
            if path := self._path(source, name):
                self._paths[path].add(name)

    def mark(self, name: str, storage: Storage | None) -> None:
        """Note that something references this name in this storage."""
        parts = _normalized(name)
        if parts[-1:] not in self._ends:  # This is quick, and true for nearly all names.
            return
        self.used.update(self._ends.get(parts, ()))
        for end in _ends(parts):
            self.used.update(self._whole.get(end, ()))
        if path := self._path(storage, name):
            self.used.update(self._paths.get(path, ()))

    def _path(self, storage: Storage | None, name: str) -> _Parts:
        """Return the path of a file without symbolic links; empty if it has none."""
        try:
            folder, file = os.path.split(storage.path(name))  # type: ignore[union-attr]
        except Exception:  # noqa: BLE001  # Storages may raise anything here, such as AttributeError.
            return ()
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return _normalized(f"{self._folders[folder]}/{file}")


def _normalized(name: str) -> _Parts:
    name = posixpath.normpath(name.replace("\\", "/"))
    if name.isascii():
        name = name.lower()
    else:
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Windows ignores dots and spaces at the end of a part. The parts ".." remain.
    parts = (part if part == ".." else part.rstrip(". ") for part in name.split("/"))
    return tuple(part for part in parts if part)


def _ends(parts: _Parts) -> Iterator[_Parts]:
    return (parts[start:] for start in range(len(parts)))


def _references() -> Iterator[_Reference]:
    for field in (field for model in apps.get_models() for field in _fields(model)):
        storage = getattr(field, "storage", None)
        yield from ((name, storage) for name in _read(str(field), default_names(field)))
    for database, models in _tables().items():
        for model in models:
            for field in _fields(model):
                column = Column(model, field, database)
                storage = getattr(field, "storage", None)
                where = f"{column} in the database {database!r}"
                yield from ((name, storage) for name in _read(where, _stored(column)))


def _tables() -> dict[str, list[type[Model]]]:
    """Return the models whose tables each database has, if no table is missing."""
    tables = {name: list(_read(name, models_in(name, views=True))) for name in databases()}
    for model in apps.get_models():
        database = router.db_for_write(model)
        # Before a migration, the rows may be in a table of another name.
        is_expected = model._meta.managed and router.allow_migrate_model(database, model)
        if is_expected and any(_fields(model)) and model not in tables[database]:
            raise ReferencesUnknown(
                f"The database {database!r} has no table of {model._meta.label}. Run migrate."
            )
    return tables


def _fields(model: type[Model]) -> Iterator[Any]:
    for field in model._meta.local_fields:
        if isinstance(field, FileField | FilePathField):
            yield field


def _stored(column: Column) -> Iterator[str]:
    rows = column.having(addresses=False)
    return map(str, rows.values_list(column.field.attname, flat=True).iterator())


def _read(where: str, items: Iterable[T]) -> Iterator[T]:
    try:
        yield from items
    except Exception as error:
        raise ReferencesUnknown(f"{where} cannot be read: {worded(error)}") from error
