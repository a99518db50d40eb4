"""Admin integration: the widget for images, thumbnails in lists, and uploads after validation."""

from django_groupme_images.forms.admin_widgets import AdminGroupMeImageInput

from .thumbnails import thumbnail
from .uploads import GroupMeImageAdminMixin

__all__ = ["AdminGroupMeImageInput", "GroupMeImageAdminMixin", "thumbnail"]
