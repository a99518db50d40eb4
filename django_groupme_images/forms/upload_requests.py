"""
Data for the upload requests of the widget's script.

- :data:`UPLOAD_TEXTS`: the messages about the upload of several images.
- :func:`errors_json`: the errors that the script reads from the response.
- :func:`hidden_row_fields`: the hidden fields that the script may omit.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import InlineForeignKeyField
from django.utils.translation import gettext_lazy as _

__all__ = ["UPLOAD_TEXTS", "errors_json", "hidden_row_fields", "is_temporary"]

# The codes of upload errors after which the same file may be accepted later.
_TEMPORARY_CODES = {"busy", "unavailable"}

# The script replaces the placeholders. Browsers may have cached an older script.
UPLOAD_TEXTS = {
    "queued": _("Waiting to be uploaded"),
    "done": _("Uploaded"),
    "retry": _("Retry"),
    "cancel": _("Cancel"),
    "prepared": _("{done} of {total} images prepared"),
    "progress": _("{done} of {total} images uploaded"),
    "someFailed": _(
        "{done} of {total} images uploaded, {failed} failed. Please retry or remove each failed "
        "image, then save."
    ),
    "outage": _(
        "{done} of {total} images uploaded. Several uploads in a row failed, so no more images "
        "were sent. Please save again in a few minutes."
    ),
    "canceled": _(
        "Upload canceled. The form was not saved. {done} of {total} images were uploaded and are "
        "kept for the next time you save."
    ),
    "tooManyFields": _(
        "The form was not saved, because it has too many fields ({count}). The maximum is "
        "{limit}. Please remove some of the new images, save, and then add them again."
    ),
    "loggedOut": _(
        "You have been logged out, so the form was not saved. Please log in on a new page, then "
        "return to this page and save again."
    ),
    "logIn": _("Log in"),
}


def errors_json(bound: Any) -> str:
    """
    Return the errors of a ``BoundValue`` as a JSON array, or an empty string without errors.

    The last item is an object if a later request with the same file may succeed.
    """
    if not bound.errors:
        return ""
    return json.dumps([*bound.errors, *([{"temporary": True}] if bound.is_temporary else [])])


def is_temporary(error: ValidationError) -> bool:
    """Return whether a later request with the same file may succeed."""
    return any(single.code in _TEMPORARY_CODES for single in error.error_list)


def hidden_row_fields(form: Any) -> dict[str, str]:
    """
    Return the names of the hidden fields that a script may omit from a formset's form.

    ``parent`` is the foreign key to the parent, which Django sets itself. ``key`` is the primary
    key, which may be omitted if it is empty, as for new rows.
    """
    fields = form.fields
    parents = [
        name
        for name, field in fields.items()
        if isinstance(field, InlineForeignKeyField) and not field.pk_field
    ]
    model = getattr(getattr(form, "_meta", None), "model", None)
    key = model._meta.pk.name if model else ""
    is_hidden_key = isinstance(fields.get(key), forms.ModelChoiceField) and (
        fields[key].widget.is_hidden
    )
    names = {"parent": parents[0] if parents else "", "key": key if is_hidden_key else ""}
    return {kind: name for kind, name in names.items() if name}
