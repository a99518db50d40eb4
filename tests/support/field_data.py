"""Files to assign to image fields, and what the database and the emulator have received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models

from . import emulator_pictures as pictures

PHOTO = pictures.plain()


def content_file(name: str = "cat.jpg", data: bytes = PHOTO) -> ContentFile[bytes]:
    return ContentFile(data, name)


def uploaded_file(name: str = "cat.jpg", content: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/jpeg")


def stored_value(instance: models.Model, field_name: str = "photo") -> Any:
    """Return the value of a field from the row of an instance."""
    rows = type(instance)._default_manager.filter(pk=instance.pk)
    return rows.values_list(field_name, flat=True).get()


def upload_count(list_requests: Callable[[], list[str]]) -> int:
    """Return the number of uploads among the requests that the fixture ``list_requests`` lists."""
    return sum(entry.startswith("POST") for entry in list_requests())


def stored_dimensions(instance: models.Model) -> Any:
    """Return the values of the columns ``width`` and ``height`` from the row of an instance."""
    rows = type(instance)._base_manager.filter(pk=instance.pk)
    return rows.values_list("width", "height").get()
