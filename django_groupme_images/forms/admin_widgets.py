"""The widget for images in the admin, and in admin themes. Requires the admin to be installed."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

from django.contrib.admin.widgets import AdminFileWidget

from .widgets import GroupMeImageInput

__all__ = ["AdminGroupMeImageInput", "admin_widget_for"]


class AdminGroupMeImageInput(GroupMeImageInput, AdminFileWidget):
    """Admin-styled version of the widget, which the admin uses by default."""

    template_name = "groupme_images/widgets/admin_image_input.html"


class _AdminThemeInput(GroupMeImageInput):
    """Base class that adds the widget's behavior to the file input of an admin theme."""

    def _accepted_types(self) -> str:
        return "image/*"  # Django's default; Unfold displays previews for this value only.


def admin_widget_for(widget: Any) -> Any:
    """
    Return a version of an admin's file widget that keeps uploads, or ``widget`` if it is another.

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
