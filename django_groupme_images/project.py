"""What a project consists of: its file fields, its tables, and its GroupMe storages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import connections
from django.db.models import FileField, Model
from django.utils.module_loading import import_string

from .storage import ALIAS, GroupMeStorage

__all__ = [
    "databases",
    "file_fields",
    "groupme_aliases",
    "groupme_storages",
    "is_on_groupme",
    "models_in",
]


def file_fields(model: type[Model]) -> Iterator[FileField]:
    """Return the file fields that the model declares or inherits from an abstract model."""
    for field in model._meta.local_fields:
        if isinstance(field, FileField):
            yield field


def is_on_groupme(field: FileField) -> bool:
    """Return whether the storage of the field is a ``GroupMeStorage``."""
    return isinstance(field.storage, GroupMeStorage)


def databases() -> list[str]:
    """Return the alias of each database."""
    # Django has a placeholder for a default database that a project does not configure.
    return [alias for alias in connections if connections[alias].vendor != "unknown"]


def models_in(database: str, *, views: bool = False) -> Iterator[type[Model]]:
    """Return the models whose tables the database has; with ``views``, also those of views."""
    introspection = connections[database].introspection
    # MySQL may list names in lower case.
    tables = {name.casefold() for name in introspection.table_names(include_views=views)}
    for model in apps.get_models():
        table = model._meta.db_table
        # A quoted name, with a schema, is in no list. A query that fails is better than a table
        # that is overlooked.
        if '"' in table or introspection.identifier_converter(table).casefold() in tables:
            yield model


def groupme_storages() -> Iterator[GroupMeStorage]:
    """Return every ``GroupMeStorage`` of ``STORAGES`` and of a model field, once."""
    of_fields = (field.storage for model in apps.get_models() for field in file_fields(model))
    seen: list[GroupMeStorage] = []
    for storage in chain((storages[alias] for alias in groupme_aliases()), of_fields):
        if isinstance(storage, GroupMeStorage) and storage not in seen:
            seen.append(storage)
            yield storage


def groupme_aliases() -> Iterator[str]:
    """Return the aliases in ``STORAGES`` of GroupMe storages, including broken ones."""
    for alias, parameters in settings.STORAGES.items():
        try:
            backend = import_string(parameters.get("BACKEND", ""))
        except ImportError:
            backend = GroupMeStorage if alias == ALIAS else None
        if isinstance(backend, type) and issubclass(backend, GroupMeStorage):
            yield alias
