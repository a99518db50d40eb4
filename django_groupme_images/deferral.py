"""Deferred uploads: a row that is committed with a file in the fallback is sent as a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import FileField, Model
from django.db.models.signals import post_save
from django.dispatch import receiver

from .names import is_file_name

__all__ = ["upload_later"]


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
    declaring: set[type[Model]] = set()
    for field in () if raw else _deferred(sender):
        if update_fields is None or field.name in update_fields:
            value = vars(instance).get(field.attname)  # not there if it was not loaded
            if is_file_name(getattr(value, "name", value)):
                declaring.add(field.model)

    def send() -> None:
        for model in declaring:
            _send(model, instance, using)

    if declaring:
        # What keeps a task from being sent is logged; groupme_upload finds the row all the same.
        transaction.on_commit(send, using=using, robust=True)


def _send(model: type[Model], instance: Model, database: str) -> None:
    from .tasks import upload_row

    pk = model._meta.pk.value_to_string(instance)
    result = upload_row.enqueue(model._meta.label, pk, database)
    if result.is_finished and not result.errors:
        # By a backend that runs tasks at once: what is in memory must not undo it.
        for name, url in result.return_value.items():
            getattr(instance, name).name = url


def _deferred(model: type[Model]) -> Iterator[FileField]:
    for field in model._meta.concrete_fields:
        if isinstance(field, FileField) and getattr(field.storage, "deferred", False) is True:
            yield field
