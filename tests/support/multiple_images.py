"""A form with a field for several images, and data to submit to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from django_groupme_images.forms import GroupMeMultipleImageFormField

from . import emulator_pictures as pictures
from .field_data import uploaded_file


class AlbumForm(forms.Form):
    title = forms.CharField()
    photos = GroupMeMultipleImageFormField(max_files=4)


def images(*names: str) -> list[SimpleUploadedFile]:
    """Return images with these names, of different widths: 1, 2, 3, … pixels."""
    return [
        uploaded_file(name, pictures.plain(size=(width, 1))) for width, name in enumerate(names, 1)
    ]


def submit(
    form_class: Any,
    files: Sequence[Any] = (),
    tokens: Sequence[str] = (),
    *,
    removed: Sequence[str] = (),
    title: str = "Trip",
    more: dict[str, str] | None = None,
    **kwargs: Any,
) -> Any:
    """Return a form with the data of a request."""
    data = QueryDict(mutable=True)
    data.update({"title": title, **(more or {})})
    data.setlist("photos-uploaded", list(tokens))
    data.setlist("photos-remove", list(removed))
    return form_class(data, MultiValueDict({"photos": list(files)}), **kwargs)


def tokens_of(form: Any, name: str = "photos") -> list[str]:
    """Return the values of the hidden inputs in the widget's HTML."""
    pattern = rf'<input type="hidden" name="{form.add_prefix(name)}-uploaded" value="([^"]*)"'
    return [unescape(token) for token in re.findall(pattern, str(form[name]))]


def widths(values: Any) -> list[int | None]:
    """Return the widths of the uploaded images in a cleaned value."""
    return [getattr(value, "picture", value).width for value in values]
