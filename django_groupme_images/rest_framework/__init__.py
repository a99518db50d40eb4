"""Accept and represent images in the APIs of Django REST framework."""

from .exceptions import PictureServiceUnavailable
from .fields import GroupMeImageSerializerField, register
from .lists import GroupMeImageListField

__all__ = [
    "GroupMeImageListField",
    "GroupMeImageSerializerField",
    "PictureServiceUnavailable",
    "register",
]
