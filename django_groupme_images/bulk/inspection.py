"""Predict, without making a request, whether the upload of an existing file will be rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from django.core.files.base import ContentFile
from django.core.files.storage import Storage

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.metadata import STRIPPED_FORMATS
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.preparation import prepared_image
from django_groupme_images.images.streams import UploadBody, as_seekable

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from django_groupme_images.storage.backend import GroupMeStorage

__all__ = ["FileInspection", "inspect_file"]

# Each worker reads one such file at a time.
_MAX_BYTES_IN_MEMORY = 1_000_000


@dataclass(frozen=True)
class FileInspection:
    """
    The size of a file in bytes, and the reason why it is likely to be rejected, or ``""``.

    If the file cannot be read, ``size`` is 0, and ``error`` describes the exception.
    """

    size: int = 0
    rejection: str = ""
    error: str = ""


def inspect_file(source: Storage, name: str, storage: GroupMeStorage) -> FileInspection:
    """
    Inspect a file in ``source`` that is to be uploaded to ``storage``.

    The file is checked as in a form, and prepared as for the upload if the result depends on that.
    The image service may still accept a file that fails these checks, or reject a file that passes
    them. Raise ``ImproperlyConfigured`` if an option of ``storage`` is invalid. Exceptions of
    ``source`` are also raised.
    """
    storage.validate_image_options()
    with source.open(name) as content, as_seekable(content) as file:
        size = len(UploadBody(file))
        try:
            _check(_read_if_small(file, size, name), storage.image_options)
        except ImageRejected as error:
            return FileInspection(size, str(error))
        return FileInspection(size)


def _read_if_small(file: IO[bytes], size: int, name: str) -> IO[bytes]:
    """
    Return the file, or its content in memory if it is small.

    The checks read a file in many small parts. After each part, a thread waits for the others,
    which takes longer than the checks.
    """
    if size > _MAX_BYTES_IN_MEMORY:
        return file
    file.seek(0)
    return cast("IO[bytes]", ContentFile(file.read(), name))


def _check(file: IO[bytes], options: ImageOptions) -> None:
    """Raise ``ImageRejected`` if a file is likely to be rejected."""
    image = inspect_image(file, options)
    if _depends_on_preparation(image, options):
        with prepared_image(file, options):
            pass


def _depends_on_preparation(image: ImageFile, options: ImageOptions) -> bool:
    """Return whether only the preparation, which may decode the image, can reject the file."""
    image_format = str(image.format).lower()
    if options.is_converted(image_format):
        # The file is converted to JPEG or PNG, depending on its pixels.
        return not {"jpeg", "png"} <= set(options.allowed_formats)
    if options.strip_metadata:
        # The inspection does not check whether the metadata can be removed.
        return True
    # A huge image may have to be decoded to shrink it.
    is_huge = image.width * image.height > options.max_pixels
    return image_format in STRIPPED_FORMATS and bool(options.max_dimension) and is_huge
