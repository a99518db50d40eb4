"""The former module of ``GroupMeFile``, for old imports."""

from .storage import GroupMeFile

__all__ = ["GroupMeFile"]
