"""Read the alternative text of an image from its model instance, without a query."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Manager, Model
from django.db.models.fields.files import FieldFile
from django.db.models.fields.related_descriptors import (
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)

from .dimensions import is_deferred

__all__ = ["alt_field_problem", "alternative_text"]

_RELATED = Manager, ReverseManyToOneDescriptor, ReverseOneToOneDescriptor


def alternative_text(file: FieldFile) -> str:
    """
    Return the value of the ``alt_field`` as a string, or ``""`` if there is none.

    Reading it makes no query. The result is therefore ``""`` for a deferred field, and for a
    property while any field of the instance is deferred, because the property may read that field.
    """
    name = getattr(file.field, "alt_field", None)
    if name is None:
        return ""
    # The file of a form has no instance.
    values = getattr(file.instance, "__dict__", {})
    value = values[name] if name in values else _class_attribute(file.instance, name)
    return "" if value is None else str(value)


def _class_attribute(instance: Any, name: Any) -> Any:
    """Return the value of a property or a class attribute of a model instance, or ``None``."""
    if not isinstance(instance, Model) or alt_field_problem(type(instance), name):
        return None
    return None if is_deferred(instance, name) else getattr(instance, name)


def alt_field_problem(model: type[Model], name: Any) -> str:
    """Return why a model's image fields cannot have this ``alt_field``, or an empty string."""
    if not isinstance(name, str):
        return "is not a string"
    label = model._meta.label
    attribute = getattr(model, name, None)
    if _is_relation(model, name) or isinstance(attribute, _RELATED):
        return f"names a relation or manager of {label}, which cannot be read without a query"
    if not hasattr(model, name):
        return f"does not name a field or property of {label}"
    return f"names a method of {label}" if callable(attribute) else ""


def _is_relation(model: type[Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).is_relation)
    except FieldDoesNotExist:
        return False
