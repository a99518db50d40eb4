"""Mirrors: names and validation of the copies of images in another storage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from django.core.files import File
from django.core.files.storage import Storage

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.formats.exif import orientation
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.streams import as_seekable
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.file import GroupMeFile

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from django_groupme_images.client.client import GroupMeClient
    from django_groupme_images.storage.backend import GroupMeStorage

__all__ = ["MIRROR_FOLDER", "InvalidCopy", "Mirror"]

#: The folder that contains the copies. A site visitor who enters a URL chooses the name of a copy,
#: and must not be able to choose another file of the storage.
MIRROR_FOLDER = "groupme-pictures"

# Pre-releases named copies after the ID alone, which has 32 digits in all observed URLs.
_OLD_NAME = re.compile("[0-9a-f]{32}")

# The EXIF orientations that rotate an image by 90 or 270 degrees.
_ROTATED_ORIENTATIONS = frozenset({5, 6, 7, 8})


class InvalidCopy(Exception):
    """A copy or a download is not the image of its URL, or the image's storage rejects it."""


class Mirror:
    """A storage that contains copies of images."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def copy_names(self, picture: Picture) -> Iterator[str]:
        """Return the names of the existing copies of an image, the current name first."""
        old = [picture.id] if _OLD_NAME.fullmatch(picture.id) else []
        return filter(self._storage.exists, [_copy_name(picture), *old])

    def has_copy(self, picture: Picture, size: int) -> bool:
        """Return whether a copy has at least ``size`` bytes. A shorter copy is incomplete."""
        return any(self._storage.size(name) >= size for name in self.copy_names(picture))

    def save_copy(self, picture: Picture, client: GroupMeClient, storage: GroupMeStorage) -> None:
        """
        Download an image, and save a copy of it.

        ``storage`` is the storage of the image, whose options contain the allowed formats.
        Raise ``InvalidCopy`` if the CDN's response is not the image of the URL, and the
        exceptions of the client and of the mirror's storage.
        """
        fetch, head = partial(client.download, picture), partial(client.head, picture)
        with GroupMeFile(picture, fetch, head) as file:
            for _ in file.chunks():
                pass  # Complete the download first, so that a broken one does not replace a copy.
            formats = [picture.format] if picture.format else storage.allowed_formats
            _check_copy(file, picture, ImageOptions(allowed_formats=formats))
            self._replace(_copy_name(picture), file)

    @contextmanager
    def open_copy(
        self, name: str, picture: Picture, storage: GroupMeStorage
    ) -> Iterator[File[bytes]]:
        """
        Open a copy that can be uploaded to ``storage``.

        Raise ``InvalidCopy`` if that storage does not accept the copy, or if the copy is not
        the image of the URL.
        """
        with self._storage.open(name) as copy, as_seekable(copy) as content:
            file = File(content, name)
            _check_copy(file, picture, storage.image_options)
            yield file

    def _replace(self, name: str, file: File[bytes]) -> None:
        if self._storage.exists(name):
            self._storage.delete(name)
        if (saved := self._storage.save(name, file)) != name:
            self._storage.delete(saved)
            raise OSError(f"the mirror saved the copy as {saved!r} instead of {name!r}")


def _copy_name(picture: Picture) -> str:
    return f"{MIRROR_FOLDER}/{picture.url.rpartition('/')[2]}"


def _check_copy(file: File[bytes], picture: Picture, options: ImageOptions) -> None:
    """Raise ``InvalidCopy`` if a file is not an accepted image, or not the image of the URL."""
    try:
        image = inspect_image(file, options)
    except ImageRejected as error:
        raise InvalidCopy(str(error)) from None
    if picture.format is not None:
        _check_match(image, picture)


def _check_match(image: ImageFile, picture: Picture) -> None:
    """Raise ``InvalidCopy`` if the URL contains another format or other dimensions."""
    found, size = str(image.format), f"{image.width}×{image.height}"
    if found.lower() != picture.format:
        raise InvalidCopy(f"its format is {found}, which does not match {picture.url}")
    # It is unknown whether the dimensions in a URL of the service are those of the file or those
    # of the displayed image, so both are accepted.
    is_rotated = orientation(image.info.get("exif", b"")) in _ROTATED_ORIENTATIONS
    sizes = [image.size, image.size[::-1]] if is_rotated else [image.size]
    if (picture.width, picture.height) not in sizes:
        raise InvalidCopy(f"its size is {size} pixels, which does not match {picture.url}")
