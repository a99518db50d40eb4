"""
Render the URL of an image, or an ``<img>`` element, for the template tags of Django and Jinja2.

URLs and dimensions come from the stored name or the model instance, so rendering performs no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from django.db.models.fields.files import FieldFile
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from .dimensions import dimensions_from_instance
from .field_files import GroupMeImageFieldFile
from .pictures import CROPPED_SIZES, Picture, fitted, html_url, known_variant, variant_size
from .storage.backend import groupme_storage
from .storage.names import file_url, picture_from_value

__all__ = ["image", "url"]


def url(*, value: Any, variant: str | None = None, default: str = "") -> str:
    """
    Return the URL of an image, or of one of its variants.

    ``value`` is a field's value, a ``Picture``, a URL, or ``None``. ``variant`` is ``"preview"``,
    ``"large"``, ``"avatar"``, or ``None`` for the original. A file that is not on the image service
    has the same URL for every variant. If there is no URL, return ``default``. Raise ``ValueError``
    for an unknown variant.
    """
    if picture := picture_from_value(value, groupme_storage):
        return picture.url if variant is None else picture.variant_url(variant)
    if variant is not None:
        known_variant(variant)
    return file_url(value) or default or ""


def image(
    *,
    value: Any,
    variant: str | None = None,
    default: str = "",
    attributes: Mapping[str, Any],
) -> SafeString:
    """
    Return an ``<img>`` element, or ``default`` if there is no image.

    ``value`` and ``variant`` are those of :func:`url`. The element has a ``width`` and a ``height``
    if they are known, so that the page does not shift while the image loads. The original and
    ``"large"`` also have ``srcset`` and ``sizes``, because these two show the whole image. Every
    element has an ``alt``: by default, the value of the field's ``alt_field``, or else ``""``.

    ``attributes`` are added, and take precedence. ``data_x`` becomes ``data-x``. ``True`` renders
    an attribute without a value. ``None`` and ``False`` remove an attribute. An empty string also
    removes ``srcset``.

    Raise ``ValueError`` for an unknown variant, or for a name that an HTML attribute cannot have.
    """
    return img_tag(
        lambda: html_attributes(attributes), value=value, variant=variant, default=default
    )


def img_tag(
    get_attributes: Callable[[], Mapping[str, str]],
    *,
    value: Any,
    variant: str | None = None,
    default: str = "",
) -> SafeString:
    """
    Return an ``<img>`` element as :func:`image` does, with attributes that are HTML already.

    ``get_attributes`` returns the result of :func:`html_attributes`. It is called only if there is
    an image, because computing an attribute may cost a query.
    """
    if variant is not None:
        known_variant(variant)
    picture = picture_from_value(value, groupme_storage)
    attributes = (
        _picture_attributes(picture, variant) if picture else _file_attributes(value, variant)
    )
    if not attributes["src"]:
        return conditional_escape(default or "")
    own_attributes = get_attributes()
    attributes["alt"] = own_attributes.get("alt") or default_alt(value)
    attributes.update(own_attributes)
    if "sizes" in attributes and not attributes.get("srcset"):
        del attributes["sizes"]
    html = f"<img{''.join(attributes.values())}>"
    return SafeString(html)  # nosec B703  # Every attribute is checked or escaped.


class ThumbnailTemplate:
    """
    ``<img>`` elements of a variant that is cropped, with attributes that are merged only once.

    The size of such a variant does not depend on the image. ``attributes`` are HTML by name, or
    ``None`` for those that :meth:`render` gets; ``names`` contains their names in this order.
    """

    def __init__(self, variant: str, attributes: Mapping[str, str | None]) -> None:
        width, height = CROPPED_SIZES[variant]
        sizes = {"width": f' width="{width}"', "height": f' height="{height}"'}
        merged = {**sizes, "alt": None, **attributes}
        self.names = [name for name, html in merged.items() if html is None]
        rest = ("%s" if html is None else html.replace("%", "%%") for html in merged.values())
        self._format = f'<img src="%s.{variant}"{"".join(rest)}>'

    @staticmethod
    def supports(variant: Any, names: Collection[str]) -> bool:
        """Return whether an element with these attributes consists of independent parts."""
        return variant in CROPPED_SIZES and not {"src", "srcset", "sizes"} & {*names}

    def render(self, picture: Picture, attributes: Iterable[str]) -> str:
        """Return the element of an image. ``attributes`` are HTML."""
        return self._format % (html_url(picture), *attributes)


def alternative_text(value: Any) -> str:
    """Return the value of the ``alt_field``, or ``""`` if ``value`` is not a field's value."""
    return value.alt if isinstance(value, GroupMeImageFieldFile) else ""


def default_alt(value: Any) -> str:
    """Return the ``alt`` of an element without its own, as HTML."""
    text = alternative_text(value)
    return html_attribute("alt", text) if text else ' alt=""'


def html_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the attributes of an ``<img>`` element as HTML, by their names in HTML.

    For example, ``{"data_x": 1}`` adds ``{"data-x": ' data-x="1"'}`` to the default attributes.
    Raise ``ValueError`` for a name that an HTML attribute cannot have.
    """
    html = {}
    for name, value in attributes.items():
        html_name = html_attribute_name(name)
        html[html_name] = html_attribute(html_name, value)
    html.setdefault("loading", ' loading="lazy"')
    html.setdefault("decoding", ' decoding="async"')
    return html


def html_attribute(name: str, value: Any) -> str:
    """Return an attribute as HTML, or an empty string if its value removes it."""
    if value is True:
        return f" {name}"
    if value is None or value is False or (name == "srcset" and not value):
        return ' alt=""' if name == "alt" else ""
    return f' {name}="{_escaped(value)}"'


def _escaped(value: Any) -> str:
    # Most values are integers or strings, and conditional_escape() checks for other types first.
    if type(value) is int:
        return str(value)
    if type(value) is str:
        return escape(value)
    # Safe HTML, such as a literal in a template, may contain quotes, which end an attribute.
    # This calls the method of str, because that of Jinja2's Markup escapes the replacement.
    return str.replace(conditional_escape(value), '"', "&quot;")


@lru_cache(maxsize=256)
def html_attribute_name(name: str) -> str:
    """
    Return the name of an HTML attribute for the name of a keyword argument.

    Raise ``ValueError`` if no attribute can have this name.
    """
    html_name = name.rstrip("_").replace("_", "-")
    if not re.fullmatch(r"[A-Za-z:@][A-Za-z0-9:.@-]*", html_name):
        raise ValueError(f"{name!r:.100} cannot be the name of an HTML attribute")
    # HTML ignores case, and browsers use the first of two attributes. "ALT" must replace "alt".
    return html_name.lower()


def file_dimensions(value: Any) -> tuple[int | None, int | None]:
    """
    Return width and height of a field's file from its model instance, without I/O.

    They come from the dimension fields. Both are ``None`` unless both are known.
    """
    dimensions = dimensions_from_instance(value) if isinstance(value, FieldFile) else (None, None)
    return dimensions if all(dimensions) else (None, None)


def _picture_attributes(picture: Picture, variant: str | None) -> dict[str, str]:
    if variant:
        src = picture.variant_url(variant)
        width, height = picture.variant_size(variant)
    else:
        src, width, height = picture.url, picture.width, picture.height
    attributes = _source_attributes(src, width, height)
    if width is not None and variant not in ("preview", "avatar"):
        attributes["srcset"] = html_attribute("srcset", _srcset(picture, src))
        attributes["sizes"] = f' sizes="(max-width: {width}px) 100vw, {width}px"'
    return attributes


def _file_attributes(value: Any, variant: str | None) -> dict[str, str]:
    """Return the attributes of a file that is not on the image service, scaled to the variant."""
    width, height = file_dimensions(value)
    if variant and width and height:
        # The file is not cropped, so the variant limits only its longer side.
        width, height = fitted(width, height, max(variant_size(variant, width, height)))
    return _source_attributes(file_url(value), width, height)


def _source_attributes(src: str, width: int | None, height: int | None) -> dict[str, str]:
    return {
        "src": html_attribute("src", src or None),
        "width": html_attribute("width", width),
        "height": html_attribute("height", height),
    }


def _srcset(picture: Picture, src: str) -> str:
    """Return the URLs that show the whole image, with their widths in pixels."""
    large_width, _ = picture.variant_size("large")
    if large_width == picture.width:
        return f"{src} {large_width}w"
    return f"{picture.large_url} {large_width}w, {picture.url} {picture.width}w"
