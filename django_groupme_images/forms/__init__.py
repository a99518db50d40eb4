"""The form field for images, its widget, and a mixin for formsets."""

from .after_validation import GroupMeImageFormSetMixin
from .fields import GroupMeImageFormField
from .signing import CARRIED_FOR, SIGNED_PICTURE_MAX_AGE
from .widgets import GroupMeImageInput

__all__ = [
    "CARRIED_FOR",
    "SIGNED_PICTURE_MAX_AGE",
    "GroupMeImageFormField",
    "GroupMeImageFormSetMixin",
    "GroupMeImageInput",
]
