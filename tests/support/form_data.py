"""A form, and data to submit to forms and formsets."""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.core.files import File
from django.core.signing import TimestampSigner, b62_encode

from django_groupme_images.forms import SIGNED_PICTURE_MAX_AGE
from tests.testapp.models import Member


class MemberForm(forms.ModelForm):
    class Meta:
        model = Member
        fields = ["name", "photo"]


def formset_data(prefix: str, *rows: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    """Return the data and the files of a formset with these rows."""
    data = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0, **more}
    files = {}
    for number, row in enumerate(rows):
        for name, value in row.items():
            (files if isinstance(value, File) else data)[f"{prefix}-{number}-{name}"] = value
    return data, files


def photo_set_data(*rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    """Return the data and files of an album's photos in one dict, for Django's test client."""
    data, files = formset_data("photo_set", *rows, **{"photo_set-INITIAL_FORMS": initial})
    return data | files


class ExpiredSigner(TimestampSigner):
    """A signer whose tokens have already expired."""

    def timestamp(self) -> str:
        return b62_encode(int(time.time() - SIGNED_PICTURE_MAX_AGE.total_seconds() - 10))
