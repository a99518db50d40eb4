"""The former module of ``GroupMeImageFieldFile``, for old imports and pickles."""

from .field_files import GroupMeImageFieldFile

__all__ = ["GroupMeImageFieldFile"]
