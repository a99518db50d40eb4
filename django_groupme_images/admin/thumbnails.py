"""Thumbnails in the lists and forms of the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.core.signals import request_started, setting_changed
from django.db.models.constants import LOOKUP_SEP
from django.dispatch import receiver
from django.forms.utils import pretty_name
from django.utils.safestring import SafeString

from django_groupme_images import rendering
from django_groupme_images.forms.widgets import LATE_THUMBNAILS_SCRIPT
from django_groupme_images.pictures import known_variant, variant_size
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
    get_alt = _alt_getter(alt, header)
    attributes = rendering.html_attributes({"alt": None})
    template = None
    if rendering.ThumbnailTemplate.supports(variant, attributes):
        template = rendering.ThumbnailTemplate(variant, attributes | {"alt": None})

    @admin.display(description=header, ordering=field)
    @_followed_by_script
    def column(instance: Any) -> str:
        value = _field_value(instance, field)
        picture = picture_from_value(value, groupme_storage)
        if picture and template:
            return template.render(picture, [get_alt(instance, value)])
        get_attributes = partial(_attributes, get_alt, instance, value, picture, variant)
        return rendering.img_tag(get_attributes, value=picture or value, variant=variant)

    column.__name__ = f"thumbnail_{field}"
    return column


def _followed_by_script(
    column: Callable[[Any], str],
) -> Callable[[Any], SafeString]:
    """Append the script to the HTML of a column, unless it is empty."""

    @wraps(column)
    def column_with_script(instance: Any) -> SafeString:
        html = column(instance)
        html = html and "".join([html, _late_thumbnails_script()])
        return SafeString(html)  # nosec B703  # The column has escaped the attributes.

    return column_with_script


@cache  # Rendering the element takes longer than rendering the image.
def _late_thumbnails_script() -> SafeString:
    return SafeString(LATE_THUMBNAILS_SCRIPT)  # nosec B703  # Django has escaped its URL.


@receiver([request_started, setting_changed])
def _clear_late_thumbnails_script(**kwargs: Any) -> None:
    # The storage of static files may return another URL later, for example one that expires.
    _late_thumbnails_script.cache_clear()


def _alt_getter(alt: Any, header: Any) -> Callable[[Any, Any], str]:
    """Return a function from an instance and its value to the attribute ``alt``, as HTML."""
    # A callable depends on the instance, and a lazy string on the active language.
    default = header if alt is None else alt
    shared = rendering.html_attribute("alt", default) if isinstance(default, str) else None

    def get_alt(instance: Any, value: Any) -> str:
        if alt is None and (text := rendering.alternative_text(value)):
            return rendering.html_attribute("alt", text)
        text = default(instance) if callable(default) else default
        return shared or rendering.html_attribute("alt", text)

    return get_alt


def _attributes(
    get_alt: Callable[[Any, Any], str], instance: Any, value: Any, picture: Any, variant: str
) -> dict[str, str]:
    """Return the attributes of a thumbnail that is not rendered from a template."""
    html = rendering.html_attributes({"alt": None}) | {"alt": get_alt(instance, value)}
    if picture or any(rendering.file_dimensions(value)):
        return html
    # A file of unknown dimensions, which may be pending, must not be larger than a thumbnail.
    max_height = max(variant_size(variant, *_MAX_DIMENSIONS))
    return html | {"height": rendering.html_attribute("height", max_height)}


def _field_value(instance: Any, path: str) -> Any:
    """Return the value of a field, or ``None`` if a related object on the path is missing."""
    value = instance
    try:
        for name in path.split(LOOKUP_SEP):
            value = value if value is None else getattr(value, name)
    except ObjectDoesNotExist:
        return None
    return value
