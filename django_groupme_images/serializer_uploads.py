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


def _upload_all(serializer: Any, values: Any) -> None:
    """Upload the images in the valid values of a serializer, and in nested values and lists."""
    for key, value, field in _items(serializer, values):
        try:
            if image_field := getattr(value, "_groupme_field", None):
                image_field.upload_valid(value)
            else:
                _upload_all(field, value)
        except ValidationError as error:
            raise ValidationError(
                {getattr(field, "field_name", "") or key: error.detail}
            ) from error


def _items(serializer: Any, values: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each key, the value, and the field that the value is from, if it is from one."""
    if isinstance(values, Mapping):
        fields = {field.source: field for field in getattr(serializer, "fields", {}).values()}
        for key, value in values.items():
            yield key, value, fields.get(key)
    elif isinstance(values, list):
        for key, value in enumerate(values):
            yield key, value, getattr(serializer, "child", None)
