"""
Jinja2 versions of the template tags and filters. Add the extension to the template engine::

    "OPTIONS": {"extensions": ["django_groupme_images.jinja2.GroupMeImages"]}

Then use the functions and filters in templates::

    {{ groupme_image(member.photo, "avatar", alt=member.name, class="round") }}
    {{ groupme_url(member.photo, "large") }}
    {{ member.photo|groupme_preview }}
"""

from __future__ import annotations

from functools import partial
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension

from . import rendering
from .pictures import VARIANTS

__all__ = ["GroupMeImages"]


class GroupMeImages(Extension):
    """Extension that adds ``groupme_image()``, ``groupme_url()``, and a filter for each variant."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(groupme_image=groupme_image, groupme_url=groupme_url)
        for variant in VARIANTS:
            environment.filters[f"groupme_{variant}"] = partial(groupme_url, variant=variant)


def groupme_url(value: Any, variant: str | None = None, default: str = "") -> str:
    """
    Return the URL of the original, or of a variant.

    Raise ``ValueError`` for an unknown variant.
    """
    return rendering.url(value=value, variant=variant, default=default)


def groupme_image(
    value: Any, variant: str | None = None, default: str = "", **attributes: Any
) -> str:
    """
    Return an ``<img>`` element. Keyword arguments become attributes.

    Raise ``ValueError`` for an unknown variant, or for a name that an HTML attribute cannot have.
    """
    return rendering.image(value=value, variant=variant, default=default, attributes=attributes)
