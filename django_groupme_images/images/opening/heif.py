"""Pillow plugin that decodes HEIF files with little memory. It is not registered."""

from __future__ import annotations

import tempfile
from typing import Any

import pillow_heif
from PIL import ImageFile

from django_groupme_images.images.bands import read_rows

__all__ = ["HeifImageFile"]


class HeifImageFile(ImageFile.ImageFile):
    """
    The primary image of a HEIF file.

    libheif rotates and mirrors the image as its container specifies, so the orientation in its EXIF
    must be ignored. ``info`` contains ``icc_profile`` or ``nclx_profile`` if the file has one.

    pillow-heif's own plugin keeps a second copy of the pixels in memory, so that it needs 7 bytes
    per pixel. Registering it would change which files other code can open.
    """

    format = "HEIF"
    format_description = "HEIF image"

    _heif: pillow_heif.HeifFile | None = None

    def _open(self) -> None:
        # Values of more than 8 bits are reduced to 8, except in grayscale images.
        self._heif = pillow_heif.open_heif(self.fp, remove_stride=False)
        self._size, self._mode = self._heif.size, self._heif.mode
        names = {"icc_profile", "nclx_profile"}
        self.info = {name: self._heif.info[name] for name in names & self._heif.info.keys()}
        self.tile = []

    def load(self) -> Any:
        """Decode the image unless it is already decoded."""
        if self._heif:
            with tempfile.TemporaryFile() as file:
                file.write(self._heif.data)
                # The size in the header may have been wrong.
                self._size, stride = self._heif.size, self._heif.stride
                self._heif = self.fp = None
                self.load_prepare()
                read_rows(file, self, stride)
        return super().load()
