"""Copies of images in another storage: their names, and whether one is the image of its URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import Storage

from .bodies import rewindable
from .exif import orientation
from .files import GroupMeFile
from .intake import check_file
from .options import options_of
from .pictures import Picture
from .validation import check_image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from .client import GroupMeClient
    from .storage import GroupMeStorage

__all__ = ["FOLDER", "BadCopy", "Mirror"]

#: The folder that holds the copies. A site visitor who enters a URL chooses the name of a copy,
#: and must not be able to choose another file of the storage.
FOLDER = "groupme-pictures"

# Version 1.0 named copies after the ID alone, which has 32 digits in all URLs of the service.
_OLD_NAME = re.compile("[0-9a-f]{32}")

# The EXIF orientations of images that are displayed on their side.
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


class BadCopy(Exception):
    """The file is not the image of its URL."""


class Mirror:
    """The copies in a storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def names(self, picture: Picture) -> Iterator[str]:
        """The names of the image's copies: it may have an old one, too."""
        old = [picture.id] if _OLD_NAME.fullmatch(picture.id) else []
        return filter(self._storage.exists, [_name(picture), *old])

    def has(self, picture: Picture, size: int) -> bool:
        """Whether there is a copy of at least ``size`` bytes: a shorter one is incomplete."""
        return any(self._storage.size(name) >= size for name in self.names(picture))

    def add(self, picture: Picture, client: GroupMeClient, storage: GroupMeStorage) -> None:
        """
        Download the image, and save a copy of it.

        Raises ``BadCopy`` if the CDN's response is not the image of the URL, and what the
        CDN and the storage raise.
        """
        with GroupMeFile(picture.url, partial(client.download, picture), lambda: 0) as file:
            for _ in file.chunks():
                pass  # so that an interrupted download replaces no copy
            formats = [picture.format] if picture.format else options_of(storage).allowed_formats
            with _bad_copies():
                image = check_image(file, allowed_formats=formats, max_size=None)
            _check_match(image, picture)
            self._replace(_name(picture), file)

    @contextmanager
    def opened(self, name: str, picture: Picture, storage: GroupMeStorage) -> Iterator[File[bytes]]:
        """
        A copy that the image storage accepts as an upload.

        Raises ``BadCopy`` if it does not, or if the copy is not the image of the URL.
        """
        with self._storage.open(name) as copy, rewindable(copy) as content:
            file = File(content, name)
            with _bad_copies():
                check_file(file, storage)
            _check_match(file.image, picture)  # type: ignore[attr-defined]
            yield file

    def _replace(self, name: str, file: File[bytes]) -> None:
        if self._storage.exists(name):
            self._storage.delete(name)
        if (saved := self._storage.save(name, file)) != name:
            self._storage.delete(saved)
            raise OSError(f"the mirror saved the copy as {saved!r} instead of {name!r}")


def _name(picture: Picture) -> str:
    return f"{FOLDER}/{picture.url.rpartition('/')[2]}"


@contextmanager
def _bad_copies() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise BadCopy(" ".join(error.messages)) from None


def _check_match(image: ImageFile, picture: Picture) -> None:
    """Raise ``BadCopy`` if the URL contains another format or other dimensions."""
    if picture.format is None:
        return
    found, size = str(image.format), f"{image.width}×{image.height}"
    if found.lower() != picture.format:
        raise BadCopy(f"it is a {found} image, unlike {picture.url}")
    # Whether the dimensions in a URL of the service are those of the file or of the displayed
    # image is unknown, so both are accepted.
    is_on_its_side = orientation(image.info.get("exif", b"")) in _ON_ITS_SIDE
    sizes = [image.size, image.size[::-1]] if is_on_its_side else [image.size]
    if (picture.width, picture.height) not in sizes:
        raise BadCopy(f"it has {size} pixels, unlike {picture.url}")
