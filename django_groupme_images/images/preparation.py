"""Preparation of image files for the upload: convert, shrink, or strip them."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mimetypes import guess_type
from typing import IO

from .converting.conversion import convert_image
from .converting.shrinking import shrink_image
from .metadata import without_metadata
from .options import ImageOptions
from .rejections import check_format
from .signatures import PREFIX_SIZE, UNREADABLE_FORMATS, detect_format
from .streams import MAX_SIZE_IN_MEMORY

__all__ = ["PreparedImage", "prepared_image"]

_EXTENSIONS = {"jpeg": ".jpg"}


@dataclass(frozen=True)
class PreparedImage:
    """
    An image file as it is uploaded.

    ``new_format`` is its format, for example ``"jpeg"``, if it was encoded again.
    """

    file: IO[bytes]
    new_format: str | None = None

    def rename(self, name: str) -> str:
        """Return the file name, with an extension of the new format if the file has one."""
        if not self.new_format or guess_type(name)[0] == f"image/{self.new_format}":
            return name
        extension = _EXTENSIONS.get(self.new_format, f".{self.new_format}")
        return posixpath.splitext(name)[0] + extension


@contextmanager
def prepared_image(file: IO[bytes], options: ImageOptions) -> Iterator[PreparedImage]:
    """
    Yield an image file converted, shrunk, or stripped according to the options.

    ``file`` is a seekable binary file. It stays open, and is yielded itself, at its beginning, if
    there is nothing to change. Files whose format is unknown are not changed.

    Raise ``ImageRejected`` if the file cannot be changed as required, or if the image service
    cannot accept its format. Exceptions of the file's own methods are also raised.
    """
    with tempfile.SpooledTemporaryFile(MAX_SIZE_IN_MEMORY) as output:
        if new_format := _encode(file, options, output):
            output.seek(0)
            yield PreparedImage(output, new_format)
            return
    file.seek(0)
    yield PreparedImage(
        without_metadata(file, max_pixels=options.max_pixels) if options.strip_metadata else file
    )


def _encode(file: IO[bytes], options: ImageOptions, output: IO[bytes]) -> str | None:
    """Write the converted or shrunk image, and return its format, or ``None`` if it is neither."""
    file.seek(0)
    name = str(getattr(file, "name", None) or "")
    image_format = detect_format(file.read(PREFIX_SIZE), name, options.accepted_formats)
    if image_format in UNREADABLE_FORMATS:
        check_format(image_format, options.allowed_formats)
    if image_format and options.is_converted(image_format):
        return convert_image(file, image_format, options, output)
    if image_format and options.max_dimension:
        return shrink_image(file, image_format, options, output)
    return None
