"""
Template tags and filters that ``{% load groupme_images %}`` adds.

``{% groupme_image %}`` renders attributes that are the same for all rows once, when the template
is compiled. Everything else is in ``rendering.py``.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template import library
from django.template.base import FilterExpression, Node, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from django_groupme_images import rendering
from django_groupme_images.rendering import ThumbnailTemplate
from django_groupme_images.storage.backend import groupme_storage
from django_groupme_images.storage.names import picture_from_value

register = template.Library()


@register.filter
def groupme_preview(value: Any) -> str:
    """``{{ photo|groupme_preview }}``: the URL of the thumbnail of 200×200 pixels, or ``""``."""
    return rendering.url(value=value, variant="preview")


@register.filter
def groupme_large(value: Any) -> str:
    """``{{ photo|groupme_large }}``: the URL of a variant of at most 960×960 pixels, or ``""``."""
    return rendering.url(value=value, variant="large")


@register.filter
def groupme_avatar(value: Any) -> str:
    """``{{ photo|groupme_avatar }}``: the URL of the thumbnail of 60×60 pixels, or ``""``."""
    return rendering.url(value=value, variant="avatar")


@register.simple_tag
def groupme_url(value: Any, variant: str | None = None, default: str = "") -> str:
    """``{% groupme_url photo "large" %}``: the URL of the original, or of a variant."""
    try:
        return rendering.url(value=value, variant=variant, default=default)
    except ValueError as error:
        raise _syntax_error("groupme_url", error) from error


@register.tag
def groupme_image(parser: Parser, token: Token) -> Node:
    """
    ``{% groupme_image photo "avatar" alt=member.name class="round" %}``: an ``<img>`` element.

    Keyword arguments become attributes: ``data_x=1`` renders ``data-x="1"``. ``True`` renders an
    attribute without a value. ``None`` removes an attribute, for example ``loading=None``. ``alt``
    defaults to the value of the field's ``alt_field``.
    """
    tag: library.SimpleNode = _arguments.tags["groupme_image"](parser, token)
    try:
        parameters, attributes = tag.func(*tag.args, **tag.kwargs)
        return ImageNode(parameters, attributes, tag.target_var)
    except (TypeError, ValueError) as error:
        # An argument was given twice, or an attribute has an invalid name.
        raise _syntax_error("groupme_image", error) from error


# Django's simple_tag() parses the arguments of the tag.
_arguments = template.Library()


@_arguments.simple_tag(name="groupme_image")
def _split_arguments(
    value: Any, variant: Any = None, default: Any = None, **attributes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of ``rendering.img_tag()`` that the tag has, and the attributes."""
    parameters = {"value": value, "variant": variant, "default": default}
    return {name: expression for name, expression in parameters.items() if expression}, attributes


class ImageNode(Node):
    """Node of ``{% groupme_image %}``. Attributes with literal values are rendered only once."""

    def __init__(
        self,
        parameters: dict[str, FilterExpression],
        attributes: dict[str, FilterExpression],
        target_var: str | None,
    ) -> None:
        self._target_var = target_var
        self._value = parameters.pop("value")
        self._parameters = parameters
        expressions = {
            rendering.html_attribute_name(name): expression
            for name, expression in attributes.items()
        }
        literals = {name: each.var for name, each in expressions.items() if _is_literal(each)}
        self._dynamic = {name: each for name, each in expressions.items() if name not in literals}
        # A dynamic attribute is empty here, so that it keeps its position.
        self._html = rendering.html_attributes(dict.fromkeys(expressions) | literals)
        variant = parameters.get("variant")
        self._thumbnail = None
        if variant and _is_literal(variant) and ThumbnailTemplate.supports(variant.var, self._html):
            html = self._html | dict.fromkeys(self._dynamic)
            self._thumbnail = ThumbnailTemplate(variant.var, html)

    def render(self, context: Context) -> str:
        value = self._value.resolve(context)
        if self._thumbnail and (picture := picture_from_value(value, groupme_storage)):
            dynamic = [
                rendering.html_attribute(name, self._dynamic[name].resolve(context))
                if name in self._dynamic
                else rendering.default_alt(value)
                for name in self._thumbnail.names
            ]
            html = self._thumbnail.render(picture, dynamic)
        else:
            html = self._image(value, context)
        if self._target_var is None:
            return html
        context[self._target_var] = SafeString(html)  # nosec B703  # Its attributes are escaped.
        return ""

    def _image(self, value: Any, context: Context) -> SafeString:
        parameters = {name: each.resolve(context) for name, each in self._parameters.items()}
        try:
            return rendering.img_tag(lambda: self._attributes(context), value=value, **parameters)
        except ValueError as error:
            raise _syntax_error("groupme_image", error) from error

    def _attributes(self, context: Context) -> dict[str, str]:
        if not self._dynamic:
            return self._html
        return self._html | {
            name: rendering.html_attribute(name, expression.resolve(context))
            for name, expression in self._dynamic.items()
        }


def _is_literal(expression: FilterExpression) -> bool:
    """Return whether this is a quoted string that does not depend on the active language."""
    return isinstance(expression.var, str) and not expression.filters


def _syntax_error(tag: str, error: Exception) -> template.TemplateSyntaxError:
    return template.TemplateSyntaxError(f"{tag}: {error}")
