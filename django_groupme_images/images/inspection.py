"""Inspection of image files before the upload: size, format, completeness, number of pixels."""

from __future__ import annotations

import io
import re
from pathlib import PurePath
from typing import IO, TYPE_CHECKING

from django_groupme_images.exceptions import ImageRejected

from .completeness.file_sizes import min_file_size
from .completeness.structure import check_gif, check_jpeg, check_png, check_webp
from .opening.decoding import open_within
from .options import ImageOptions
from .pillow_file import pillow_file
from .rejections import check_format, check_size, damage_as_rejection, too_many_pixels
from .signatures import PREFIX_SIZE, detect_format

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["inspect_image"]

# These functions parse the structure of a file. They decode its pixels only if its end is missing.
# Decoding other files would detect little more (Pillow accepts a JPEG whose second half is zeros),
# and can take hours or hundreds of megabytes for a small malicious file.
_STRUCTURE_CHECKS = {
    "JPEG": check_jpeg,
    "PNG": check_png,
    "GIF": check_gif,
    "WEBP": check_webp,
}


def inspect_image(file: IO[bytes], options: ImageOptions) -> ImageFile:
    """
    Check an image file, and return it as a Pillow image whose pixels cannot be loaded.

    As in Pillow, an image may have up to twice ``PIL.Image.MAX_IMAGE_PIXELS`` pixels, but no
    warning is issued. A JPEG of any size is accepted, because it can be decoded at an eighth of its
    size. The ``info`` of the image does not contain metadata beyond about 512 KB.

    Raise ``ImageRejected`` if the file is not accepted. Exceptions of the file's own methods are
    also raised. The file stays open, and is at its beginning afterwards.
    """
    try:
        with pillow_file(file) as source:
            check_size(source.seek(0, io.SEEK_END), options.max_upload_size)
            return _open_complete(source, _accepted_format(source, file, options), options)
    finally:
        file.seek(0)


def _accepted_format(source: IO[bytes], file: IO[bytes], options: ImageOptions) -> str:
    """Return the format of the file. Raise ``ImageRejected`` if it is not accepted."""
    source.seek(0)
    name = PurePath(str(getattr(file, "name", None) or "")).name
    image_format = detect_format(source.read(PREFIX_SIZE), name, options.accepted_formats)
    if image_format is None:
        raise ImageRejected(
            "the file is not an image of a known format",
            code="invalid_image",
            allowed=options.allowed_formats,
        )
    if not options.is_converted(image_format):
        check_format(image_format, options.allowed_formats)
    return image_format


def _open_complete(file: IO[bytes], image_format: str, options: ImageOptions) -> ImageFile:
    """Return the image. Raise ``ImageRejected`` if it is damaged or too large."""
    check_structure = _STRUCTURE_CHECKS.get(image_format)
    with damage_as_rejection():
        if check_structure:
            # This also ensures that the metadata can be removed.
            check_structure(file, options.max_pixels)
        image = _opened(file, image_format, _pixel_limit(image_format, options))
        if not check_structure and min_file_size(image) > file.seek(0, io.SEEK_END):
            raise EOFError("the file does not contain all of its pixels")
    image.fp = None  # Pixels cannot be loaded afterwards, as after Image.verify().
    return image


def _opened(file: IO[bytes], image_format: str, limit: int | None) -> ImageFile:
    from PIL.Image import DecompressionBombError

    try:
        return open_within(file, image_format, limit)
    except DecompressionBombError as error:
        # Only its message contains the size of a GIF's frame.
        pixels, max_pixels = map(int, re.findall(r"\d+", str(error)))
        raise too_many_pixels(pixels, max_pixels) from error


def _pixel_limit(image_format: str, options: ImageOptions) -> int | None:
    from PIL import Image

    if options.is_converted(image_format):
        return options.max_pixels
    if image_format == "JPEG" or not Image.MAX_IMAGE_PIXELS:
        return None  # A JPEG can be decoded at an eighth of its size.
    return int(2 * Image.MAX_IMAGE_PIXELS)
