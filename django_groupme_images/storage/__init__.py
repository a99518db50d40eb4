"""The storage that keeps files on GroupMe's image service."""

from .backend import ALIAS, GroupMeStorage, groupme_storage
from .file import GroupMeFile

__all__ = ["ALIAS", "GroupMeFile", "GroupMeStorage", "groupme_storage"]
