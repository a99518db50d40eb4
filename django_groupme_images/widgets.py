"""The former module of ``GroupMeImageInput``, for old imports."""

from .forms import GroupMeImageInput

__all__ = ["GroupMeImageInput"]
