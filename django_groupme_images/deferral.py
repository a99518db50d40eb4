"""Deferred uploads: a row that is committed with a file in the fallback is sent as a task."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_save
from django.dispatch import receiver

from .names import is_file_name

__all__ = ["upload_later", "upload_tasks"]

# On a file: what was sent. One task is enough, however often this instance of its row is saved.
_SENT = "_groupme_images_sent"


def upload_tasks() -> ModuleType:
    """The module ``tasks``. Raises ``ImproperlyConfigured`` if the project has no use for it."""
    try:
        return import_module(f"{__package__}.tasks")
    except ImportError:
        raise ImproperlyConfigured(
            "Tasks need Django 6.0 or newer, or the package django-tasks."
        ) from None
    except Exception as error:  # of two frameworks, with errors of their own
        raise ImproperlyConfigured(f"Tasks cannot be sent: {error}") from error


@receiver(post_save, dispatch_uid="django_groupme_images.deferral")
def upload_later(
    *,
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Have the files of a row moved, as soon as the row is committed."""
    if raw:
        return
    waiting: dict[tuple[type[Model], str], list[FieldFile]] = {}
    for field in _deferred(sender):
        if update_fields is None or field.name in update_fields:
            file = getattr(instance, field.attname)
            if is_file_name(file.name):
                key = field.model._meta.pk.value_to_string(instance)
                waiting.setdefault((field.model, key), []).append(file)

    def send() -> None:
        for (model, key), files in waiting.items():
            _send(model, key, using, files)

    if waiting:
        # What keeps a task from being sent is logged; groupme_upload finds the row all the same.
        transaction.on_commit(send, using=using, robust=True)


def _send(model: type[Model], key: str, database: str, files: list[FieldFile]) -> None:
    row = model._meta.label, key, database
    names = [(file, file.name) for file in files if getattr(file, _SENT, None) != (file.name, row)]
    if not names:
        return
    result = upload_tasks().upload_row.enqueue(*row)
    for file, name in names:
        setattr(file, _SENT, (name, row))
        if result.is_finished and not result.errors:
            # By a backend that runs tasks at once: what is in memory must not undo it.
            file.name = result.return_value.get(file.field.name, name)


def _deferred(model: type[Model]) -> Iterator[FileField]:
    for field in model._meta.concrete_fields:
        if isinstance(field, FileField) and getattr(field.storage, "deferred", False) is True:
            yield field
