"""The reasons for which image files are rejected, as ``ImageRejected``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django_groupme_images.exceptions import ImageRejected

from .streams import ContentReadError

__all__ = ["check_format", "check_pixels", "check_size", "damage_as_rejection", "too_many_pixels"]


def check_size(size: int, max_size: int | None) -> None:
    """Raise ``ImageRejected`` if a size in bytes is zero, or larger than ``max_size``."""
    if size == 0:
        raise ImageRejected("the file is empty", code="empty")
    if max_size is not None and size > max_size:
        raise ImageRejected(
            f"the file has {size:,} bytes, more than the {max_size:,} allowed",
            code="too_large",
            size=size,
            limit=max_size,
        )


def check_format(image_format: str, allowed_formats: Collection[str]) -> None:
    """Raise ``ImageRejected`` unless the format, in upper or lower case, is allowed."""
    if image_format.lower() not in allowed_formats:
        from .signatures import display_name

        raise ImageRejected(
            f"the format {display_name(image_format)} is not allowed",
            code="format_not_allowed",
            format=image_format,
            allowed=allowed_formats,
        )


def check_pixels(pixels: int, limit: int | None) -> None:
    """Raise ``ImageRejected`` if an image has more pixels than ``limit``, unless it is ``None``."""
    if limit is not None and pixels > limit:
        raise too_many_pixels(pixels, limit)


def too_many_pixels(pixels: int, limit: int) -> ImageRejected:
    """Return the exception for an image that has more pixels than ``limit``."""
    return ImageRejected(
        f"the image has {pixels:,} pixels, more than the {limit:,} allowed",
        code="too_many_pixels",
        pixels=pixels,
        limit=limit,
    )


@contextmanager
def damage_as_rejection(message: str = "the file is damaged or incomplete") -> Iterator[None]:
    """
    Raise ``ImageRejected`` with the code ``truncated`` for the exceptions of a decoder.

    The exceptions are not converted if the file could not be read, or if memory is exhausted.
    """
    try:
        yield
    except (ContentReadError, ImageRejected, MemoryError):
        raise
    except Exception as error:
        # Decoders raise many types, even ZeroDivisionError, and projects turn warnings into errors.
        raise ImageRejected(message, code="truncated") from error
