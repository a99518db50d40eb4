"""
Walk through nested serializers on behalf of a serializer field.

The functions find the model field that a serializer field is for, find the values that it has in
the serializer's instance, and upload images once the outermost serializer is valid. In all of them,
``field`` is a serializer or another field, which may be nested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField
from rest_framework.utils import model_meta

__all__ = [
    "find_instance",
    "find_model_field",
    "iter_values",
    "upload_after_serializer_validation",
]


def find_model_field(field: Any) -> models.FileField | None:
    """Return the model field that a serializer field is for, or ``None`` if there is none."""
    path: list[str] = []
    while field.parent is not None:
        if not _is_list_item(field):
            path = [*field.source_attrs, *path]
        field = field.parent
        if model := getattr(getattr(field, "Meta", None), "model", None):
            return _follow_path(model, path)
    return None


def _follow_path(model: Any, path: list[str]) -> models.FileField | None:
    """Return the file field at the end of a path of relations, or ``None`` if there is none."""
    with suppress(FieldDoesNotExist, KeyError):
        for relation in path[:-1]:
            model = model_meta.get_field_info(model).relations[relation].related_model
        field = model._meta.get_field(path[-1] if path else "")
        return field if isinstance(field, models.FileField) else None
    return None


def find_instance(field: Any) -> Any:
    """Return the instance of the innermost serializer around the field that has an instance."""
    while field is not None:
        if (instance := _own_instance(field)) is not None:
            return instance
        field = field.parent
    return None


def iter_values(field: Any) -> Iterator[Any]:
    """
    Yield the values that the field has in :func:`find_instance`: several if it is in a list.

    Make the same queries as the representation of the instance.
    """
    if (instance := _own_instance(field)) is not None:
        yield instance
    elif field.parent is not None:
        for value in iter_values(field.parent):
            yield from _values_in(value, field)


def _is_list_item(field: Any) -> bool:
    """Return whether this is the child of a list: it has no name, and may repeat its source."""
    return not field.field_name


def _own_instance(field: Any) -> Any:
    """Return the instance that was passed to this serializer, or ``None``."""
    instance = getattr(field, "instance", None)
    # With many=True, DRF also passes the instance of the list to the serializer of its items.
    return None if instance is getattr(field.parent, "instance", None) else instance


def _values_in(value: Any, field: Any) -> Iterable[Any]:
    """Return the values that the field has in a value of its parent."""
    # Some rows have no related row, or are not saved and so have no related rows.
    with suppress(ObjectDoesNotExist, AttributeError, KeyError, ValueError, SkipField):
        return _items(value) if _is_list_item(field) else [field.get_attribute(value)]
    return []


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, models.Manager):
        return value.all()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, Iterable) else []


def upload_after_serializer_validation(serializer: Any, image_field: Any, file: Any) -> None:
    """
    Let the serializer upload the file as the last step of its validation.

    It calls ``image_field.upload_validated(file)`` if the file is in its validated data by then.
    """
    file._groupme_field = image_field
    validate = getattr(serializer, "validate", None)
    if validate and getattr(validate, "func", None) is not _validate_and_upload:
        serializer.validate = partial(_validate_and_upload, serializer, validate)


def _validate_and_upload(serializer: Any, validate: Callable[[Any], Any], values: Any) -> Any:
    values = validate(values)
    _upload_all(serializer, values)
    return values


def _upload_all(field: Any, value: Any) -> None:
    """Upload the images in the validated value of a serializer or another field."""
    if image_field := getattr(value, "_groupme_field", None):
        del value._groupme_field
        image_field.upload_validated(value)
        return
    is_image_list = getattr(field, "uploads_items", False) and isinstance(value, list)
    with field.concurrent_uploads(value) if is_image_list else nullcontext():
        for key, child, item in _children(field, value):
            try:
                _upload_all(child, item)
            except ValidationError as error:
                raise ValidationError({key: error.detail}) from error


def _children(field: Any, value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the key of each item of a validated value, the serializer field, and the item."""
    item_field = getattr(field, "child", None)
    if isinstance(value, Mapping):
        # The declared fields come first, because errors are reported under their names. Other items
        # come next, because validate() may have moved an image to another key.
        for child in getattr(field, "fields", {}).values():
            yield child.field_name, child, _nested_item(value, child.source_attrs)
        yield from ((key, item_field, item) for key, item in value.items())
    elif isinstance(value, list):
        yield from ((index, item_field, item) for index, item in enumerate(value))


def _nested_item(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
