"""Admin integration: the widget, thumbnails, a filter, an action, and uploads after validation."""

from django_groupme_images.forms.admin_widgets import AdminGroupMeImageInput

from .actions import upload_now
from .filters import GroupMeImageFilter
from .thumbnails import thumbnail
from .uploads import GroupMeImageAdminMixin

__all__ = [
    "AdminGroupMeImageInput",
    "GroupMeImageAdminMixin",
    "GroupMeImageFilter",
    "thumbnail",
    "upload_now",
]
