"""Thumbnails in the lists and forms of the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.core.signals import setting_changed
from django.db.models.constants import LOOKUP_SEP
from django.dispatch import receiver
from django.forms.utils import pretty_name
from django.utils.safestring import SafeString

from django_groupme_images import rendering
from django_groupme_images.forms.widgets import LATE_THUMBNAILS_SCRIPT
from django_groupme_images.pictures import Picture, known_variant, variant_size
from django_groupme_images.storage.backend import groupme_storage
from django_groupme_images.storage.names import picture_from_value

__all__ = ["thumbnail"]

# The largest JPEG or GIF, in pixels. Each variant of it has the maximum size of that variant.
_MAX_DIMENSIONS = 65535, 65535


def thumbnail(
    field: str,
    *,
    variant: str = "avatar",
    alt: str | Callable[[Any], str] | None = None,
    description: Any = None,
) -> Callable[[Any], Any]:
    """
    Return a thumbnail column for ``list_display`` and ``readonly_fields``.

    ``field`` is the name of an image field. It may be that of a related object, as in
    ``"album__cover"``; then add the relation to ``list_select_related``. ``alt`` is the alternative
    text, or a callable that returns it for a model instance. It defaults to the value of the
    field's ``alt_field``, or else to the header of the column. ``description`` is that header, and
    defaults to the name of the field. Rendering a thumbnail makes no query and no request. Its HTML
    includes the script that requests late thumbnails again, because a column cannot add media to
    its page.

    Raise ``ValueError`` for an unknown variant.
    """
    known_variant(variant)
    header = description or pretty_name(field.replace(LOOKUP_SEP, "_"))
    get_attributes = _attributes_getter(alt, header, variant)

    @admin.display(description=header, ordering=field)
    @_followed_by_script
    def column(instance: Any) -> SafeString:
        value = _field_value(instance, field)
        image = picture_from_value(value, groupme_storage) or value
        return rendering.img_tag(
            partial(get_attributes, instance, value, image), value=image, variant=variant
        )

    column.__name__ = f"thumbnail_{field}"
    return column


def _followed_by_script(
    column: Callable[[Any], SafeString],
) -> Callable[[Any], SafeString]:
    """Append the script to the HTML of a column, unless it is empty."""

    @wraps(column)
    def column_with_script(instance: Any) -> SafeString:
        html = column(instance)
        return html and html + _late_thumbnails_script()

    return column_with_script


@cache  # Rendering the element takes longer than rendering the image.
def _late_thumbnails_script() -> SafeString:
    return SafeString(LATE_THUMBNAILS_SCRIPT)  # nosec B703  # Django has escaped its URL.


@receiver(setting_changed)
def _forget_script_url(**_: object) -> None:
    """Render the script again, because tests may override the settings of static files."""
    _late_thumbnails_script.cache_clear()


def _attributes_getter(
    alt: Any, header: Any, variant: str
) -> Callable[[Any, Any, Any], dict[str, str]]:
    """Return a function from an instance, its value, and its image to a thumbnail's attributes."""
    # A callable depends on the instance, and a lazy string on the active language.
    default = header if alt is None else alt
    shared = rendering.html_attributes({"alt": default}) if isinstance(default, str) else None
    # A file of unknown dimensions, which may be pending, must not be larger than a thumbnail.
    max_height = max(variant_size(variant, *_MAX_DIMENSIONS))
    height_limit = {"height": rendering.html_attribute("height", max_height)}

    def get_attributes(instance: Any, value: Any, image: Any) -> dict[str, str]:
        if alt is None and (text := rendering.alternative_text(value)):
            html = rendering.html_attributes({"alt": text})
        else:
            text = default(instance) if callable(default) else default
            html = shared or rendering.html_attributes({"alt": text})
        has_dimensions = isinstance(image, Picture) or any(rendering.file_dimensions(image))
        return html if has_dimensions else html | height_limit

    return get_attributes


def _field_value(instance: Any, path: str) -> Any:
    """Return the value of a field, or ``None`` if a related object on the path is missing."""
    value = instance
    try:
        for name in path.split(LOOKUP_SEP):
            value = value if value is None else getattr(value, name)
    except ObjectDoesNotExist:
        return None
    return value
