"""What the template tags of Django and Jinja2 render: from a picture's URL alone, at no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from .names import is_saved, known_picture, picture_of
from .pictures import Picture, fitted, known_variant, variant_size
from .storage import groupme_storage

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "attribute",
    "attribute_name",
    "image",
    "image_with",
    "own_url",
    "picture_in",
    "size_of_file",
    "url",
    "written",
]


_SIDES = ("width", "height")


def url(*, value: Any, variant: str | None = None, default: str = "") -> str:
    """
    The URL of a picture, or of a variant of it.

    ``value`` is a field's value, a ``Picture``, a URL or nothing. What is not on the
    service has its own URL for every variant, and ``default`` if it has none.
    Raises ``ValueError`` if there is no such variant.
    """
    if variant is not None:
        known_variant(variant)
    picture = picture_in(value)
    if picture is None:
        return own_url(value) or default or ""
    return picture.variant_url(variant) if variant else picture.url


def image(
    *,
    value: Any,
    variant: str | None = None,
    default: str = "",
    attributes: Mapping[str, Any],
) -> SafeString:
    """
    An ``<img>`` of a picture, or ``default`` where ``url`` would give its own.

    The sizes are known, so that a page does not jump when the pictures come. The original and
    ``"large"`` have ``srcset`` and ``sizes``, too: their renderings show all of the picture.
    ``attributes`` are added to those made here and beat them: ``data_x`` becomes
    ``data-x``, ``True`` a bare attribute, and ``None`` or ``False`` removes one, as what is
    empty does with ``srcset``. There is always an ``alt``. Raises ``ValueError`` if there is
    no such variant, or a name that no attribute can have.
    """
    return image_with(lambda: written(attributes), value=value, variant=variant, default=default)


def image_with(
    attributes: Callable[[], Mapping[str, str]],
    *,
    value: Any,
    variant: str | None = None,
    default: str = "",
) -> SafeString:
    """
    What :func:`image` gives, for attributes that are :func:`written` already.

    They are asked for where there is a picture alone: to write one may cost a query.
    """
    if variant is not None:
        known_variant(variant)
    picture = picture_in(value)
    made = _of_picture(picture, variant) if picture else _of_file(value, variant)
    if not made["src"]:
        return conditional_escape(default or "")
    made.update(attributes())
    if "sizes" in made and not made.get("srcset"):
        del made["sizes"]
    html = f"<img{''.join(made.values())}>"
    return SafeString(html)  # nosec B703  # every part is checked or escaped


def written(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Attributes of an ``<img>`` by their names in HTML, each as it stands there."""
    texts = {"alt": ' alt=""'}
    for given, value in attributes.items():
        name = attribute_name(given)
        texts[name] = attribute(name, value)
    texts.setdefault("loading", ' loading="lazy"')
    texts.setdefault("decoding", ' decoding="async"')
    return texts


def attribute(name: str, value: Any) -> str:
    """One attribute as it stands in HTML, or nothing if its value removes it."""
    if value is True:
        return f" {name}"
    if value is None or value is False or (name == "srcset" and not value):
        return ' alt=""' if name == "alt" else ""
    return f' {name}="{_quotable(value)}"'


def _quotable(value: Any) -> str:
    # Most are one of these two, and Django's function asks first what else they could be.
    if type(value) is int:
        return str(value)
    if type(value) is str:
        return escape(value)
    # Safe HTML, such as a literal in a template, may hold quotes, which end an attribute.
    # str's own method, because Jinja2's markup would escape what it replaces with.
    return str.replace(conditional_escape(value), '"', "&quot;")


@lru_cache(maxsize=256)
def attribute_name(name: str) -> str:
    """How it is spelled in HTML. Raises ``ValueError`` if no attribute can have this name."""
    spelled = name.rstrip("_").replace("_", "-")
    if not re.fullmatch(r"[A-Za-z:@][A-Za-z0-9:.@-]*", spelled):
        raise ValueError(f"{name!r:.100} cannot be the name of an HTML attribute")
    return spelled.lower()  # "ALT" is the "alt" that is there already; of two, the first counts


def picture_in(value: Any, storage: Storage = groupme_storage) -> Picture | None:
    """The picture of a field's value, of a form's file, or of a URL on the storage's CDN."""
    if isinstance(value, Picture):
        return value
    if isinstance(value, FieldFile):
        return picture_of(value)
    if isinstance(value, str | Promise):
        return known_picture(str(value), storage)
    return getattr(value, "picture", None) if isinstance(value, File) else None


def own_url(value: Any) -> str:
    """The URL of a file that is not on the service, or nothing if it has none."""
    if not isinstance(value, FieldFile):
        return (getattr(value, "url", None) or "") if isinstance(value, File) else ""
    if not value or not is_saved(value):
        return ""
    try:
        return value.url
    except (ValueError, NotImplementedError):
        return ""


def size_of_file(value: Any) -> tuple[int, int] | tuple[None, None]:
    """Width and height of a field's file, if its row has columns that hold them, at no I/O."""
    if not isinstance(value, FieldFile):
        return None, None
    # Not getattr(), because a deferred column would cost a query. A file may be of no row yet.
    row = getattr(value.instance, "__dict__", {})
    width, height = (row.get(getattr(value.field, f"{side}_field", "")) for side in _SIDES)
    return (width, height) if width and height else (None, None)


def _of_picture(picture: Picture, variant: str | None) -> dict[str, str]:
    if variant:
        source = picture.variant_url(variant)
        width, height = picture.variant_size(variant)
    else:
        source, width, height = picture.url, picture.width, picture.height
    made = _written_source(source, width, height)
    if width is not None and variant not in ("preview", "avatar"):
        made["srcset"] = attribute("srcset", _srcset(picture, source))
        made["sizes"] = f' sizes="(max-width: {width}px) 100vw, {width}px"'
    return made


def _of_file(value: Any, variant: str | None) -> dict[str, str]:
    """Of a file that is not on the service: as large as the variant, with all there is in it."""
    width, height = size_of_file(value)
    if variant and width and height:
        width, height = fitted(width, height, max(variant_size(variant, width, height)))
    return _written_source(own_url(value), width, height)


def _written_source(url: str, width: int | None, height: int | None) -> dict[str, str]:
    return {
        "src": attribute("src", url or None),
        "width": attribute("width", width),
        "height": attribute("height", height),
    }


def _srcset(picture: Picture, source: str) -> str:
    """The renderings that show the whole picture, for the browser to choose by their width."""
    large_width, _ = picture.variant_size("large")
    if large_width == picture.width:
        return f"{source} {large_width}w"
    return f"{picture.large_url} {large_width}w, {picture.url} {picture.width}w"
