"""Upload the images of a serializer once all of it is valid, if ``upload_early`` is off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rest_framework.exceptions import ValidationError

__all__ = ["upload_after_validation"]


def upload_after_validation(serializer: Any) -> None:
    """Let the serializer upload its images as the last step of its validation."""
    validate = getattr(serializer, "validate", None)
    if validate and getattr(validate, "func", None) is not _validate_and_upload:
        serializer.validate = partial(_validate_and_upload, serializer, validate)


def _validate_and_upload(serializer: Any, validate: Callable[[Any], Any], values: Any) -> Any:
    values = validate(values)
    _upload_all(serializer, values)
    return values


def _upload_all(field: Any, value: Any) -> None:
    """Upload the images in the valid value of a serializer or another field."""
    if image_field := getattr(value, "_groupme_field", None):
        image_field.upload_valid(value)
        return
    for key, below, item in _items(field, value):
        try:
            _upload_all(below, item)
        except ValidationError as error:
            raise ValidationError({key: error.detail}) from error


def _items(field: Any, value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the name of each item of a value, the item's field, and the item."""
    child = getattr(field, "child", None)
    if isinstance(value, Mapping):
        # First by their fields, under whose names errors are reported; then what a serializer's
        # own validate() has put elsewhere.
        for below in getattr(field, "fields", {}).values():
            yield below.field_name, below, _found(value, below.source_attrs)
        yield from ((key, child, item) for key, item in value.items())
    elif isinstance(value, list):
        yield from ((index, child, item) for index, item in enumerate(value))


def _found(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
