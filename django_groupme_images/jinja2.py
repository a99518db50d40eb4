"""
The template tags for Jinja2, a thin skin over ``rendering.py``::

    "OPTIONS": {"extensions": ["django_groupme_images.jinja2.GroupMeImages"]}

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
    """Adds ``groupme_image()``, ``groupme_url()`` and a filter for each variant."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(groupme_image=groupme_image, groupme_url=groupme_url)
        for variant in VARIANTS:
            environment.filters[f"groupme_{variant}"] = partial(groupme_url, variant=variant)


def groupme_url(value: Any, variant: str | None = None, default: str = "") -> str:
    """The URL of a variant, or of the original. Raises ``ValueError`` for an unknown one."""
    return rendering.url(value=value, variant=variant, default=default)


def groupme_image(
    value: Any, variant: str | None = None, default: str = "", **attributes: Any
) -> str:
    """
    An ``<img>``; keyword arguments become attributes.

    Raises ``ValueError`` for an unknown variant, or a name that no attribute can have.
    """
    return rendering.image(value=value, variant=variant, default=default, attributes=attributes)
