"""Metadata that affects how an image is displayed, and is therefore not removed."""

from __future__ import annotations

import re

from django_groupme_images.images.formats.exif import (
    adobe_color_space,
    display_exif,
    find_orientation,
)

__all__ = ["MAX_METADATA_SIZE", "kept_exif"]

# Only this many bytes of EXIF or XMP are searched. A segment of a JPEG contains less, and the PNG
# specification does not limit their size.
MAX_METADATA_SIZE = 128 * 1024

# The orientation in XMP, as an attribute or as an element. XMP is not parsed, because parsers of
# XML are slow or unsafe with malicious files.
_XMP_ORIENTATION = re.compile(
    rb"""tiff:Orientation\s{0,9}(?:=\s{0,9}["']|>)\s{0,9}([1-8])\s{0,9}["'<]"""
)


def kept_exif(exif: bytes, xmp: bytes, *, has_profile: bool) -> bytes:
    """
    Return EXIF that contains only the orientation and the color space of an image.

    ``exif`` and ``xmp`` are its metadata, or ``b""``. A valid orientation in EXIF takes precedence
    over XMP. ``has_profile`` is true if a color profile defines the colors. Return ``b""`` if the
    image is upright, and a profile or nothing defines its colors.
    """
    orientation = find_orientation(exif) or _xmp_orientation(xmp)
    return display_exif(orientation, 0 if has_profile else adobe_color_space(exif))


def _xmp_orientation(xmp: bytes) -> int:
    match = _XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else 1
