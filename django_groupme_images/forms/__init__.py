"""The form fields for images, their widgets, and a mixin for formsets."""

from .after_validation import GroupMeImageFormSetMixin
from .fields import GroupMeImageFormField
from .multiple import GroupMeMultipleImageFormField
from .multiple_widget import GroupMeMultipleImageInput
from .signing import CARRIED_FOR, SIGNED_PICTURE_MAX_AGE
from .widgets import GroupMeImageInput

__all__ = [
    "CARRIED_FOR",
    "SIGNED_PICTURE_MAX_AGE",
    "GroupMeImageFormField",
    "GroupMeImageFormSetMixin",
    "GroupMeImageInput",
    "GroupMeMultipleImageFormField",
    "GroupMeMultipleImageInput",
]
