"""Find the files that a row of any model, or the default of a field, still references."""

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

from django_groupme_images.discovery import databases, models_in
from django_groupme_images.exceptions import describe_exception

from .columns import Column

__all__ = ["FILES_PER_SEARCH", "ReferencesUnknown", "default_names", "referenced_names"]

#: The number of files whose references are searched at the same time. Each search reads all rows,
#: and keeps the names of the files in memory.
FILES_PER_SEARCH = 10_000

T = TypeVar("T")

# A normalized name, split at its slashes.
_PathParts: TypeAlias = tuple[str, ...]

# A stored name, and the storage of its field, if the field has one.
_Reference: TypeAlias = tuple[str, Storage | None]


class ReferencesUnknown(RuntimeError):
    """A table or a default could not be read, so no file can be considered unused."""


def referenced_names(source: Storage, names: Iterable[str]) -> set[str]:
    """
    Return the names whose files in ``source`` may be referenced by a row or a default.

    All rows of all file fields in all databases are searched, including rows that a manager hides.
    A reference may be written differently, and may belong to another storage of the same files; see
    :class:`_FileMatcher`. Raise ``ReferencesUnknown`` if a table or a default cannot be read.
    """
    matcher = _FileMatcher(source, names)
    for name, storage in _references():
        matcher.add_reference(name, storage)
    return matcher.referenced


def default_names(field: Field[Any, Any]) -> Iterator[str]:
    """
    Yield the names of the files that are defaults of a field. Call a callable default.

    Raise ``ReferencesUnknown`` if the database computes the default.
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


class _FileMatcher:
    """
    Matcher of references with files in a storage, which collects the ``referenced`` files.

    A name refers to a file if one of their normalized names is the end of the other, compared
    by whole parts, because storages may add a prefix (such as ``location``), or start in different
    folders. A name also refers to a file if both have a path, and the paths are the same after
    symbolic links have been resolved. Normalized names ignore case and Unicode normalization. An
    unused file may therefore be considered referenced, but not the other way around.
    """

    def __init__(self, source: Storage, names: Iterable[str]) -> None:
        self.referenced: set[str] = set()
        self._real_folders: dict[str, str] = {}
        self._by_name: dict[_PathParts, set[str]] = defaultdict(set)
        self._by_end: dict[_PathParts, set[str]] = defaultdict(set)
        self._by_path: dict[_PathParts, set[str]] = defaultdict(set)
        for name in names:
            parts = _normalize(name)
            if not parts:  # This is not the name of a file, for example ".".
                self.referenced.add(name)
            self._by_name[parts].add(name)
            for end in _ends(parts):
                self._by_end[end].add(name)
            if path := self._real_path(source, name):
                self._by_path[path].add(name)

    def add_reference(self, name: str, storage: Storage | None) -> None:
        """Mark the files that this name may refer to in this storage as referenced."""
        parts = _normalize(name)
        if parts[-1:] not in self._by_end:  # This is fast, and true for nearly all names.
            return
        self.referenced.update(self._by_end.get(parts, ()))
        for end in _ends(parts):
            self.referenced.update(self._by_name.get(end, ()))
        if path := self._real_path(storage, name):
            self.referenced.update(self._by_path.get(path, ()))

    def _real_path(self, storage: Storage | None, name: str) -> _PathParts:
        """Return the path of a file without symbolic links; empty if it has none."""
        if storage is None:
            return ()
        try:
            folder, file = os.path.split(storage.path(name))
        except Exception:  # noqa: BLE001  # A storage may raise anything.
            return ()
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return _normalize(f"{self._real_folders[folder]}/{file}")


def _normalize(name: str) -> _PathParts:
    name = posixpath.normpath(name.replace("\\", "/"))
    if name.isascii():
        name = name.lower()
    else:
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Windows ignores dots and spaces at the end of a part. The parts ".." remain.
    parts = (part if part == ".." else part.rstrip(". ") for part in name.split("/"))
    return tuple(part for part in parts if part)


def _ends(parts: _PathParts) -> Iterator[_PathParts]:
    return (parts[start:] for start in range(len(parts)))


def _references() -> Iterator[_Reference]:
    for field in (field for model in apps.get_models() for field in _path_fields(model)):
        storage = getattr(field, "storage", None)
        yield from ((name, storage) for name in _read(str(field), default_names(field)))
    for database, models in _models_by_database().items():
        for model in models:
            for field in _path_fields(model):
                column = Column(model, field, database)
                storage = getattr(field, "storage", None)
                location = f"{column} in the database {database!r}"
                yield from ((name, storage) for name in _read(location, _stored_names(column)))


def _models_by_database() -> dict[str, list[type[Model]]]:
    """
    Return the models whose tables each database has.

    Raise ``ReferencesUnknown`` if a table is missing.
    """
    models = {name: list(_read(name, models_in(name, views=True))) for name in databases()}
    for model in apps.get_models():
        database = router.db_for_write(model)
        # Before a migration, the rows may be in a table of another name.
        is_expected = model._meta.managed and router.allow_migrate_model(database, model)
        if is_expected and any(_path_fields(model)) and model not in models[database]:
            raise ReferencesUnknown(
                f"The database {database!r} has no table of {model._meta.label}. Run migrate."
            )
    return models


def _path_fields(model: type[Model]) -> Iterator[Any]:
    for field in model._meta.local_fields:
        if isinstance(field, FileField | FilePathField):
            yield field


def _stored_names(column: Column) -> Iterator[str]:
    rows = column.rows_with_names(urls=False)
    return map(str, rows.values_list(column.field.attname, flat=True).iterator())


def _read(location: str, items: Iterable[T]) -> Iterator[T]:
    """Yield the items. Raise ``ReferencesUnknown`` if reading them fails."""
    try:
        yield from items
    except Exception as error:
        raise ReferencesUnknown(
            f"{location} could not be read: {describe_exception(error)}"
        ) from error
