"""The field of a form that orders model instances, which the admin's script fills in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import F
from django.db.models.expressions import OrderBy
from django.forms.formsets import ORDERING_FIELD_NAME

__all__ = ["ordering_field"]


def ordering_field(form: forms.BaseForm) -> str:
    """
    Return the name of the number field that orders the form among others, or an empty string.

    That is the field of a formset with ``can_order``, or else the first number field of the form in
    the ``ordering`` of its model. The name starts with a hyphen if the order is descending.
    """
    if ORDERING_FIELD_NAME in form.fields:
        return ORDERING_FIELD_NAME
    model = getattr(getattr(form, "_meta", None), "model", None)
    names = map(_signed_name, model._meta.ordering if model else [])
    return next((name for name in names if _is_number(form, name.removeprefix("-"))), "")


def _signed_name(ordering: Any) -> str:
    """Return the name of a field in the ``ordering`` of a model, or an empty string."""
    sign, expression = "", ordering
    if isinstance(ordering, OrderBy):
        sign, expression = "-" if ordering.descending else "", ordering.expression
    name = getattr(expression, "name", "") if isinstance(expression, F) else expression
    return f"{sign}{name}" if isinstance(name, str) else ""


def _is_number(form: forms.BaseForm, name: str) -> bool:
    return isinstance(form.fields.get(name), forms.IntegerField)
