"""Find the file fields, the models, and the GroupMe storages of a project."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from django.apps import apps
from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.files.storage import DefaultStorage, storages
from django.db import connections
from django.db.models import FileField, Model
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string

from .storage.backend import ALIAS, GroupMeStorage, groupme_storage

__all__ = [
    "databases",
    "file_fields",
    "groupme_aliases",
    "groupme_fields",
    "groupme_storages",
    "is_groupme_alias",
    "is_groupme_storage",
    "models_in",
    "uses_groupme_storage",
]

logger = logging.getLogger(__name__)

# The aliases of lazy storages, so that their classes can be read from the settings.
_ALIASES = {DefaultStorage: DEFAULT_STORAGE_ALIAS, type(groupme_storage): ALIAS}

# Packages that contain no GroupMeStorage. Their modules are not imported, because some import
# a large SDK.
_OTHER_PACKAGES = ("django.", "storages.")


def is_groupme_storage(storage: object) -> bool | None:
    """
    Return whether a storage is a ``GroupMeStorage``, without evaluating a lazy one.

    Return ``None`` if this is unknown, because a lazy storage of another app is not evaluated.
    """
    cls = type(storage)  # because isinstance() evaluates lazy objects
    if not issubclass(cls, LazyObject):
        return issubclass(cls, GroupMeStorage)
    wrapped = storage._wrapped  # type: ignore[attr-defined]
    if wrapped is not empty:
        return is_groupme_storage(wrapped)
    return is_groupme_alias(_ALIASES[cls]) if cls in _ALIASES else None


def is_groupme_alias(alias: str) -> bool:
    """Return whether ``STORAGES[alias]`` is a ``GroupMeStorage``, even if it cannot be created."""
    try:
        path = settings.STORAGES[alias]["BACKEND"]
        backend = None if path.startswith(_OTHER_PACKAGES) else import_string(path)
    except Exception:  # noqa: BLE001  # A module of the project may raise anything.
        return alias == ALIAS  # so that a check reports the backend that cannot be imported
    return isinstance(backend, type) and issubclass(backend, GroupMeStorage)


def file_fields(model: type[Model]) -> Iterator[FileField]:
    """Yield the file fields that the model declares or inherits from an abstract model."""
    for field in model._meta.local_fields:
        if isinstance(field, FileField):
            yield field


def uses_groupme_storage(field: FileField, *, evaluate: bool = False) -> bool | None:
    """
    Return whether the storage of the field is a ``GroupMeStorage``.

    Return ``None`` if this is unknown, because the storage is a lazy one of another app. If
    ``evaluate`` is true, evaluate such a storage, and return false if it cannot be created.
    """
    try:
        result = is_groupme_storage(field.storage)
        if result is None and evaluate:
            result = isinstance(field.storage, GroupMeStorage)
    except Exception as error:  # noqa: BLE001  # A storage of the project may raise anything.
        if not evaluate:
            return None
        logger.warning("%s is skipped, because its storage could not be created: %r", field, error)
        return False
    return result


def groupme_fields(
    models: Iterable[type[Model]] | None = None, *, evaluate: bool = False
) -> Iterator[FileField]:
    """Yield the file fields that use a ``GroupMeStorage``, by default those of all models."""
    for model in apps.get_models() if models is None else models:
        for field in file_fields(model):
            if uses_groupme_storage(field, evaluate=evaluate):
                yield field


def databases() -> list[str]:
    """Return the aliases of all configured databases."""
    # Without a configured default database, Django has a placeholder of an unknown vendor.
    return [alias for alias in connections if connections[alias].vendor != "unknown"]


def models_in(database: str, *, views: bool = False) -> Iterator[type[Model]]:
    """Yield the models whose tables, or with ``views`` also whose views, are in a database."""
    introspection = connections[database].introspection
    # MySQL may list names in lower case.
    tables = {name.casefold() for name in introspection.table_names(include_views=views)}
    for model in apps.get_models():
        table = model._meta.db_table
        # Introspection does not list quoted names, which contain a schema. Those tables are assumed
        # to exist: a failing query is better than overlooking a table.
        if '"' in table or introspection.identifier_converter(table).casefold() in tables:
            yield model


def groupme_storages(*, evaluate: bool = False) -> Iterator[GroupMeStorage]:
    """Yield every ``GroupMeStorage`` in ``STORAGES`` and of the model fields, each once."""
    fields = groupme_fields(evaluate=evaluate)
    from_fields = (cast("GroupMeStorage", field.storage) for field in fields)
    seen: list[GroupMeStorage] = []
    from_settings = (cast("GroupMeStorage", storages[alias]) for alias in groupme_aliases())
    for storage in chain(from_settings, from_fields):
        if storage not in seen:
            seen.append(storage)
            yield storage


def groupme_aliases() -> Iterator[str]:
    """Return the aliases of GroupMe storages in ``STORAGES``, even if they cannot be created."""
    return filter(is_groupme_alias, settings.STORAGES)
