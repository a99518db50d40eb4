"""The options that decide how image files are checked and changed before an upload."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["ImageOptions"]


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """
    Options of a storage that concern the content of image files.

    ``conf.ConfiguredStorage`` documents them and has their defaults. Formats have Pillow's names in
    lower case, where ``"jpeg"`` includes MPO files. Formats in ``allowed_formats`` are not
    converted, even if they are in ``convert_formats``.
    """

    allowed_formats: Collection[str]
    convert_formats: Collection[str] = ()
    max_upload_size: int | None = None
    max_pixels: int = 64_000_000
    max_dimension: int | None = None
    strip_metadata: bool = False

    @property
    def accepted_formats(self) -> list[str]:
        """The allowed formats, followed by the others that are converted."""
        return list(dict.fromkeys([*self.allowed_formats, *self.convert_formats]))

    def is_converted(self, image_format: str) -> bool:
        """Return whether files of a format, in upper or lower case, are converted."""
        image_format = image_format.lower()
        return image_format in self.convert_formats and image_format not in self.allowed_formats
