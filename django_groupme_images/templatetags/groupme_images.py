"""``{% load groupme_images %}``: a thin skin over ``rendering.py``."""

from __future__ import annotations

from typing import Any

from django import template

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
        raise template.TemplateSyntaxError(f"groupme_url: {error}") from error


@register.simple_tag
def groupme_image(
    value: Any, variant: str | None = None, default: str = "", **attributes: Any
) -> str:
    """``{% groupme_image photo "avatar" alt=member.name class="round" %}``: an ``<img>``."""
    try:
        return rendering.image(value=value, variant=variant, default=default, attributes=attributes)
    except ValueError as error:
        raise template.TemplateSyntaxError(f"groupme_image: {error}") from error
