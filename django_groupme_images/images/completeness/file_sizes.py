"""The size that a file must have to contain all pixels, for formats without compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["min_file_size"]

# The tags of the offsets and sizes of a TIFF's strips, and of its tiles.
_TIFF_DATA_TAGS = [(273, 279), (324, 325)]


def min_file_size(image: ImageFile) -> int:
    """
    Return the size in bytes that the file of an opened image must have to contain all pixels.

    It is known for TIFF and for uncompressed formats. For other formats, the result may be 0.
    """
    ends = [0]
    tags = getattr(image, "tag_v2", {})
    for offsets, sizes in _TIFF_DATA_TAGS:
        ends += map(sum, zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=False))
    # The tiles of an icon are None before Pillow 11.
    for codec, box, offset, args in image.tile or ():
        match args:
            case (_, int(stride), *_) if codec == "raw" and box:
                rows = box[3] - box[1] - 1  # The last row may have no padding.
                ends.append(offset + stride * rows)
    return max(ends)
