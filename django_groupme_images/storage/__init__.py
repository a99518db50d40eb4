"""The storage that keeps files on GroupMe's image service."""

from django_groupme_images.conf import GroupMeStorageOptions

from .backend import ALIAS, GroupMeStorage, groupme_storage
from .file import GroupMeFile

__all__ = ["ALIAS", "GroupMeFile", "GroupMeStorage", "GroupMeStorageOptions", "groupme_storage"]
