"""The admin: a column of thumbnails, and the widget that hands in a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ObjectDoesNotExist
from django.db.models.constants import LOOKUP_SEP
from django.forms.utils import pretty_name

from . import rendering
from .pictures import known_variant, variant_size
from .widgets import GroupMeImageInput

__all__ = ["AdminGroupMeImageInput", "thumbnail"]


_LARGEST = 65535, 65535  # pixels


class AdminGroupMeImageInput(GroupMeImageInput, AdminFileWidget):
    """The widget in the admin's dress; a ``GroupMeImageField`` has it there by itself."""

    template_name = "groupme_images/widgets/admin_image_input.html"


def thumbnail(
    field: str,
    *,
    variant: str = "avatar",
    alt: str | Callable[[Any], str] | None = None,
    description: Any = None,
) -> Callable[[Any], Any]:
    """
    A thumbnail of a picture, for ``list_display`` and ``readonly_fields``.

    ``field`` is the name of a picture's field, of a related object too
    (``"album__cover"``, which wants ``list_select_related``). ``alt`` is what stands for
    the picture where it is not seen: a text, or what a callable says of the row; by default
    the column's header. ``description`` is that header, by default the field's name. Costs
    no query and no request.

    Raises ``ValueError`` if there is no such variant.
    """
    known_variant(variant)
    header = description or pretty_name(field.replace(LOOKUP_SEP, "_"))
    text = alt or header
    # The same for every row, unless it depends on the row, or on who looks.
    same = rendering.written({"alt": text}) if isinstance(text, str) else None

    @admin.display(description=header, ordering=field)
    def column(row: Any) -> str:
        value = _value(row, field)
        picture = rendering.picture_in(value)

        def attributes() -> dict[str, str]:
            written = same or rendering.written({"alt": text(row) if callable(text) else text})
            if picture or any(rendering.size_of_file(value)):
                return written
            # A file that waits in the fallback storage, and may be as large as a wall.
            most = max(variant_size(variant, *_LARGEST))
            return written | {"height": rendering.attribute("height", most)}

        return rendering.image_with(attributes, value=picture or value, variant=variant)

    column.__name__ = f"thumbnail_{field}"
    return column


def _value(row: Any, field: str) -> Any:
    try:
        for name in field.split(LOOKUP_SEP):
            row = row if row is None else getattr(row, name)
    except ObjectDoesNotExist:
        return None
    return row
