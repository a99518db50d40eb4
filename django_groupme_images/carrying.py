"""The former module of ``CARRIED_FOR``, for old imports."""

from .forms import CARRIED_FOR

__all__ = ["CARRIED_FOR"]
