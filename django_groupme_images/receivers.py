"""Signal receiver that enqueues an upload task for each saved instance with pending files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_save
from django.dispatch import receiver

from .discovery import uses_groupme_storage
from .storage.names import is_committed, is_file_name

__all__ = ["enqueue_uploads", "import_tasks"]

# The attribute of a field file with the file name and the row of its last task, so that saving an
# instance repeatedly enqueues one task only.
_ENQUEUED = "_groupme_images_enqueued"


def import_tasks() -> ModuleType:
    """Return the module ``tasks``. Raise ``ImproperlyConfigured`` if it cannot be imported."""
    try:
        import django_groupme_images.tasks
    except ImportError:
        raise ImproperlyConfigured(
            "Background uploads require Django 6.0 or later, or the package django-tasks."
        ) from None
    except Exception as error:  # The two frameworks raise different exceptions.
        raise ImproperlyConfigured(f"The upload tasks could not be created: {error}") from error
    return django_groupme_images.tasks


@receiver(post_save, dispatch_uid="django_groupme_images.deferral")
def enqueue_uploads(
    *,
    instance: Any = None,
    raw: bool = False,
    using: str | None = None,
    update_fields: Collection[str] | None = None,
    **kwargs: Any,
) -> None:
    """
    Enqueue the uploads of an instance's pending files once its row is committed.

    Any argument may be missing, and the instance may be of any type, because projects also send
    this signal themselves.
    """
    if raw or not isinstance(instance, Model) or instance.pk is None:
        return
    pending = _pending_files_by_row(instance, update_fields)
    if not pending:
        return
    database = using or router.db_for_write(instance.__class__, instance=instance)

    def enqueue() -> None:
        for (model, pk), files in pending.items():
            _enqueue(model, pk, database, files)

    # Errors are only logged, because groupme_upload uploads the pending files later.
    transaction.on_commit(enqueue, using=database, robust=True)


def _enqueue(model: type[Model], pk: str, database: str, files: dict[str, FieldFile]) -> None:
    """Enqueue one task for the files of a row, by field name, that have no task yet."""
    row = model._meta.label, pk, database
    names = {
        field: file.name
        for field, file in files.items()
        if getattr(file, _ENQUEUED, None) != (file.name, row)
    }
    if not names:
        return
    result = import_tasks().upload_row.enqueue(*row)
    for field, name in names.items():
        setattr(files[field], _ENQUEUED, (name, row))
        if result.is_finished and not result.errors:
            # The task has run immediately. Saving the instance again must not undo the upload.
            files[field].name = result.return_value.get(field, name)


def _pending_files_by_row(
    instance: Model, update_fields: Collection[str] | None
) -> dict[tuple[type[Model], str], dict[str, FieldFile]]:
    """Return the pending files of each row by field name. A key is a model and a primary key."""
    # An inherited field is in the row of a parent model.
    pending: dict[tuple[type[Model], str], dict[str, FieldFile]] = {}
    for field, file in _pending_files(instance, update_fields):
        pk = field.model._meta.pk.value_to_string(instance)
        pending.setdefault((field.model, pk), {})[field.name] = file
    return pending


def _pending_files(
    instance: Model, update_fields: Collection[str] | None
) -> Iterator[tuple[FileField, FieldFile]]:
    """Yield the pending files that were saved with an instance to a ``deferred`` storage."""
    for field in instance._meta.concrete_fields:
        if not isinstance(field, FileField) or not uses_groupme_storage(field):
            continue
        storage: Any = field.storage
        is_saved_now = update_fields is None or field.name in update_fields
        is_loaded = field.attname not in instance.get_deferred_fields()
        if storage.deferred is True and is_saved_now and is_loaded:
            file = getattr(instance, field.attname)
            if is_committed(file) and is_file_name(file.name):
                yield field, file
