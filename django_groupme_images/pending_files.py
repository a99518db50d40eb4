"""Copy a form's pending file if another row already references it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from weakref import WeakValueDictionary

from django.apps import apps
from django.db import models, router
from django.db.models.fields.files import FieldFile
from django.utils.crypto import get_random_string

from .discovery import is_groupme_storage
from .field_files import ForeignFile, GroupMeImageDescriptor

__all__ = ["copy_if_in_another_row"]

# Pending files of instances that are being saved, by fallback alias and name.
# bulk_create() prepares all instances before it saves any, so a query does not find them.
_claims: WeakValueDictionary[tuple[str | None, str], FieldFile] = WeakValueDictionary()


def copy_if_in_another_row(instance: models.Model, field: models.FileField) -> None:
    """
    Replace a pending file of a form with a copy of it, if another row already has the file.

    Saving the instance then saves the copy. A form can be submitted twice with the same signed
    token. If two requests do that at the same time, neither finds the row of the other, and both
    rows keep the same file.
    """
    file: Any = vars(instance).get(field.attname)
    if getattr(file, "submitted_name", None) is None:
        return
    fallback_alias = getattr(field.storage, "fallback", None)
    claim = _claims.setdefault((fallback_alias, file.name), file)
    is_own_claim = claim is file or (claim.instance == instance and claim.field is field)
    if not is_own_claim or _is_in_another_row(instance, field, file.name):
        from .forms.uploads import pending_file  # The forms are not imported at startup.

        name = f"{get_random_string(7)}_{posixpath.basename(file.name)}"
        vars(instance)[field.attname] = ForeignFile(pending_file(file.name, field.storage), name)


def _is_in_another_row(instance: models.Model, field: models.FileField, name: str) -> bool:
    """Return whether a row other than that of the instance has the pending file of this name."""
    own_database = router.db_for_write(type(instance), instance=instance)
    for other in _fields_with_same_fallback(field):
        is_own_table = other.model is field.model
        database = own_database if is_own_table else router.db_for_write(other.model)
        rows: models.QuerySet[Any] = models.QuerySet(other.model, using=database)
        rows = rows.filter(**{other.attname: name})
        if other is field:
            rows = rows.exclude(pk=getattr(instance, field.model._meta.pk.attname))
        if rows.exists():
            return True
    return False


def _fields_with_same_fallback(field: models.FileField) -> list[Any]:
    """Return all fields, including this one, whose rows may have the same pending file."""
    fallback_alias = getattr(field.storage, "fallback", None)
    fields: Iterator[Any] = (
        field
        for model in apps.get_models()
        if model._meta.managed
        for field in model._meta.local_fields
    )
    return [
        other
        for other in fields
        if issubclass(getattr(other, "descriptor_class", object), GroupMeImageDescriptor)
        and is_groupme_storage(other.storage)
        and other.storage.fallback == fallback_alias
    ]
