"""
``{% load groupme_images %}``: a skin over ``rendering.py``.

It is thin, but for ``{% groupme_image %}``, which does beforehand what is the same for all rows.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template import library
from django.template.base import FilterExpression, Node, Parser, Token
from django.template.context import Context

from .. import rendering

register = template.Library()


@register.filter
def groupme_preview(value: Any) -> str:
    """``{{ photo|groupme_preview }}``: the URL of 200x200 pixels, or nothing."""
    return rendering.url(value=value, variant="preview")


@register.filter
def groupme_large(value: Any) -> str:
    """``{{ photo|groupme_large }}``: the URL of at most 960x960 pixels, or nothing."""
    return rendering.url(value=value, variant="large")


@register.filter
def groupme_avatar(value: Any) -> str:
    """``{{ photo|groupme_avatar }}``: the URL of 60x60 pixels, or nothing."""
    return rendering.url(value=value, variant="avatar")


@register.simple_tag
def groupme_url(value: Any, variant: str | None = None, default: str = "") -> str:
    """``{% groupme_url photo "large" %}``: the URL of a variant, or of the original."""
    try:
        return rendering.url(value=value, variant=variant, default=default)
    except ValueError as error:
        raise _mistake("groupme_url", error) from error


@register.tag
def groupme_image(parser: Parser, token: Token) -> Node:
    """
    ``{% groupme_image photo "avatar" alt=member.name class="round" %}``: an ``<img>``.

    Keyword arguments become attributes: ``data_x=1`` is ``data-x="1"``, ``True`` a bare
    attribute, and ``None`` removes one, ``loading=None`` for example.
    """
    tag: library.SimpleNode = _arguments.tags["groupme_image"](parser, token)
    try:
        parameters, attributes = tag.func(*tag.args, **tag.kwargs)
        return ImageNode(parameters, attributes, tag.target_var)
    except (TypeError, ValueError) as error:  # a parameter that is given twice; a name of none
        raise _mistake("groupme_image", error) from error


# The tag as Django's simple_tag() would have it, which knows how to read arguments.
_arguments = template.Library()


@_arguments.simple_tag(name="groupme_image")
def _read(
    value: Any, variant: Any = None, default: Any = None, **attributes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters that are given, and the attributes."""
    parameters = {"value": value, "variant": variant, "default": default}
    return {name: given for name, given in parameters.items() if given}, attributes


class ImageNode(Node):
    """An ``<img>``; what the template itself says of it is written once for all pictures."""

    def __init__(
        self,
        parameters: dict[str, FilterExpression],
        attributes: dict[str, FilterExpression],
        target: str | None,
    ) -> None:
        self._target = target
        self._parameters = parameters
        named = {rendering.attribute_name(name): given for name, given in attributes.items()}
        self._later = {name: given for name, given in named.items() if not _is_literal(given)}
        literals = {name: given.var for name, given in named.items() if _is_literal(given)}
        self._written = rendering.written(dict.fromkeys(named) | literals)

    def render(self, context: Context) -> str:
        parameters = {name: value.resolve(context) for name, value in self._parameters.items()}
        try:
            html = rendering.image_with(lambda: self._attributes(context), **parameters)
        except ValueError as error:
            raise _mistake("groupme_image", error) from error
        if self._target is None:
            return html
        context[self._target] = html
        return ""

    def _attributes(self, context: Context) -> dict[str, str]:
        if not self._later:
            return self._written
        return self._written | {
            name: rendering.attribute(name, given.resolve(context))
            for name, given in self._later.items()
        }


def _is_literal(expression: FilterExpression) -> bool:
    """Whether it is a text in quotes, and not one to translate: that depends on who looks."""
    return isinstance(expression.var, str) and not expression.filters


def _mistake(tag: str, error: Exception) -> template.TemplateSyntaxError:
    return template.TemplateSyntaxError(f"{tag}: {error}")
