"""Accept and represent images in the APIs of Django REST framework."""

from .exceptions import PictureServiceUnavailable
from .fields import GroupMeImageSerializerField, register

__all__ = ["GroupMeImageSerializerField", "PictureServiceUnavailable", "register"]
