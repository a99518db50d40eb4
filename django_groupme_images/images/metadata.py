"""
Removal of metadata from image files before the upload.

Metadata is separate from the image data, so nothing is encoded again: the file is read once to
find the parts to keep, and once more when these parts are uploaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from django_groupme_images.exceptions import ImageRejected

from .block_reader import BlockReader
from .formats.malformed import MalformedImage
from .options import ImageOptions
from .rejections import check_size
from .signatures import PREFIX_SIZE, detect_format, display_name
from .streams import Part, SplicedFile, join_parts
from .stripping.gif import gif_parts
from .stripping.jpeg import jpeg_parts
from .stripping.png import png_parts

__all__ = ["STRIPPED_FORMATS", "without_metadata"]

#: The formats of files from which metadata can be removed, as Pillow names them in lower case.
STRIPPED_FORMATS = ("jpeg", "png", "gif")


def without_metadata(file: IO[bytes], *, max_pixels: int = ImageOptions.max_pixels) -> IO[bytes]:
    """
    Return a file with the same image, but without EXIF, XMP, IPTC, comments, and thumbnails.

    All pixels, frames, durations, and the color profile stay. The orientation and Adobe RGB as the
    color space stay as EXIF. Data after the end of the image is removed: the other images of an
    MPO, and the video of a motion photo.

    ``file`` is a seekable binary file. It is at its beginning afterwards, and must stay open while
    the returned file is read. ``file`` itself is returned if there is nothing to remove.

    Only a JPEG without an end marker is decoded, and only if it has at most ``max_pixels`` pixels.
    Raise ``ImageRejected`` if the file has another format, or is damaged before its image data.
    Exceptions of ``file.read()`` are not caught.
    """
    reader = BlockReader(file)
    check_size(reader.size, None)
    name = str(getattr(file, "name", None) or "")
    image_format = detect_format(reader.read(0, PREFIX_SIZE), name, STRIPPED_FORMATS)
    try:
        parts = join_parts(_parts_to_keep(file, reader, image_format, max_pixels))
    except MalformedImage as reason:
        raise ImageRejected(
            f"the metadata of the file cannot be removed: {reason}. {_advice(image_format)}, or "
            "turn off 'strip_metadata'.",
            code="metadata",
        ) from None
    finally:
        file.seek(0)
    is_whole = parts == [range(reader.size)]
    return file if is_whole else SplicedFile(file, parts)  # type: ignore[return-value]


def _parts_to_keep(
    file: IO[bytes], reader: BlockReader, image_format: str | None, max_pixels: int
) -> Iterable[Part]:
    if image_format == "JPEG":
        return jpeg_parts(file, reader, max_pixels)
    if image_format == "PNG":
        return png_parts(reader)
    if image_format == "GIF":
        return gif_parts(reader)
    if image_format is None:
        raise MalformedImage("its format is unknown")
    raise MalformedImage(f"its format, {display_name(image_format)}, is not supported")


def _advice(image_format: str | None) -> str:
    if image_format is None or image_format.lower() in STRIPPED_FORMATS:
        return "Save it again with an image editor"
    return "Remove its format from 'allowed_formats' and add it to 'convert_formats'"
