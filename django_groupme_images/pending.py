"""Pending files of forms: each belongs to one row, which another row cannot take over."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from django.apps import apps
from django.db import models, router
from django.db.models.fields.files import FieldFile
from django.utils.crypto import get_random_string

from .descriptors import BorrowedFile
from .intake import waiting_file
from .values import GroupMeImageFieldFile

if TYPE_CHECKING:
    from .fields import GroupMeImageField

__all__ = ["copy_if_used"]

# The values with which rows are saved, by the storage that holds the file, and the name. Rows that
# are saved together are not in the database yet when the second one is prepared.
_claims: WeakValueDictionary[tuple[str | None, str], FieldFile] = WeakValueDictionary()


def copy_if_used(instance: models.Model, field: GroupMeImageField) -> None:
    """
    Let the row save a copy of a form's pending file that another row has already.

    A form can be submitted twice with the same signed token. Two requests at the same moment do
    not see each other's rows, and then both rows have the file.
    """
    file: Any = vars(instance).get(field.attname)
    if getattr(file, "submitted_name", None) is None:
        return
    fallback = getattr(field.storage, "fallback", None)
    claim = _claims.setdefault((fallback, file.name), file)
    is_own = claim.instance is instance and claim.field is field
    if not (claim is file or is_own) or _is_in_another_row(instance, field, file.name):
        name = f"{get_random_string(7)}_{posixpath.basename(file.name)}"
        vars(instance)[field.attname] = BorrowedFile(waiting_file(file.name, field.storage), name)


def _is_in_another_row(instance: models.Model, field: GroupMeImageField, name: str) -> bool:
    own_database = router.db_for_write(type(instance), instance=instance)
    for other in _fields_with_fallback_of(field):
        is_own_table = other.model is field.model
        database = own_database if is_own_table else router.db_for_write(other.model)
        rows: models.QuerySet[Any] = models.QuerySet(other.model, using=database)
        rows = rows.filter(**{other.attname: name})
        if other is field:
            rows = rows.exclude(pk=getattr(instance, field.model._meta.pk.attname))
        if rows.exists():
            return True
    return False


def _fields_with_fallback_of(field: GroupMeImageField) -> list[Any]:
    """The field, and those of other tables and columns that may have the same file."""
    fallback = getattr(field.storage, "fallback", None)
    fields: Iterator[Any] = (
        field
        for model in apps.get_models()
        if model._meta.managed
        for field in model._meta.local_fields
    )
    return [
        other
        for other in fields
        if issubclass(getattr(other, "attr_class", object), GroupMeImageFieldFile)
        and getattr(other.storage, "fallback", None) == fallback
    ]
