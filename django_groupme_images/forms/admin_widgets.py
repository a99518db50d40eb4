"""The widget for images in the admin and in admin themes. It requires ``django.contrib.admin``."""

from __future__ import annotations

import json
import re
from copy import copy
from functools import cache
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminFileWidget
from django.utils.translation import gettext_lazy as _

from .widget_script import SEVERAL_FILES_TEXTS
from .widgets import GroupMeImageInput

__all__ = ["AdminGroupMeImageInput", "admin_widget_for"]


class AdminGroupMeImageInput(GroupMeImageInput, AdminFileWidget):
    """
    Admin-styled version of the widget, which the admin uses by default.

    Its script adds a drop zone for many images to each inline that contains the widget.
    """

    template_name = "groupme_images/widgets/admin_image_input.html"

    class Media:
        css = {"all": ["groupme_images/image_inlines.css"]}
        js = [
            *GroupMeImageInput.Media.js,  # Otherwise, Django may reorder the scripts.
            forms.Script("groupme_images/image_copies.js", defer=True),
            forms.Script("groupme_images/image_order.js", defer=True),
            forms.Script("groupme_images/image_inlines.js", defer=True),
        ]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        # One row of an inline is enough. Only users with add permission have the template of new
        # rows, whose index is "__prefix__".
        is_configured = re.search(r"-(0|__prefix__)-", name)
        context["widget"]["inline"] = self._inline_config_json() if is_configured else ""
        return context

    def _inline_config_json(self) -> str:
        """Return the configuration of the script for inlines as JSON: the order, and messages."""
        texts = {name: str(text) for name, text in INLINE_TEXTS.items()}
        return json.dumps({"order": self.order_name, "texts": texts})


# The script replaces the placeholders. Keys must not change without need, because browsers may have
# cached an older script.
INLINE_TEXTS = SEVERAL_FILES_TEXTS | {
    "choose": _("Choose images or drop them here"),
    "take": _("Choose images or take photos"),
    "adding": _("Adding images: {number} of {count}"),
    "removed": _("“{name}” was removed."),
    "row": _("image {number}"),
    "drag": _("Drag to reorder"),
    "up": _("Move “{name}” up"),
    "down": _("Move “{name}” down"),
}


class _AdminThemeInput(GroupMeImageInput):
    """Base class that adds the widget's behavior to the file input of an admin theme."""

    def _accepted_types(self) -> str:
        return "image/*"  # Django's default; Unfold displays previews for this value only.


def admin_widget_for(widget: Any) -> Any:
    """
    Return a version of an admin's file widget that keeps uploads, or any other ``widget`` itself.

    ``widget`` is a class or an instance, and so is the result. For a subclass of
    ``AdminFileWidget``, such as that of an admin theme, the result is a subclass of it.
    """
    if isinstance(widget, type):
        return _admin_widget_class_for(widget)
    result = copy(widget)
    result.__class__ = _admin_widget_class_for(widget.__class__)
    return result


@cache
def _admin_widget_class_for(widget_class: Any) -> Any:
    if widget_class is AdminFileWidget:
        return AdminGroupMeImageInput
    if not issubclass(widget_class, AdminFileWidget) or issubclass(widget_class, GroupMeImageInput):
        return widget_class
    return type(widget_class.__name__, (widget_class, _AdminThemeInput), {})
