"""Encoding of images that were converted or scaled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from django_groupme_images.images.bands import in_bands

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["without_opaque_alpha", "write_jpeg", "write_png"]

# A quality at which differences from the original are not visible.
_JPEG_QUALITY = 90


def without_opaque_alpha(image: Image) -> Image:
    """
    Return the image without its alpha channel if no pixel is transparent.

    If the image is large and has such a channel, it is freed.
    """
    if not image.mode.endswith("A") or image.getchannel("A").getextrema() != (255, 255):
        return image
    return in_bands(image, lambda band: band.convert(band.mode[:-1]))


def write_jpeg(image: Image, output: IO[bytes], *, is_full_color: bool = False) -> None:
    """
    Write a JPEG without metadata, except for the color profile of the image.

    ``is_full_color`` keeps the resolution of the colors, which Pillow halves by default. HEIF,
    WebP, and AVIF from phones and websites already have half the resolution.
    """
    options = {"subsampling": "4:4:4"} if is_full_color else {}
    profile = image.info.get("icc_profile")
    image.save(output, "JPEG", quality=_JPEG_QUALITY, icc_profile=profile, **options)


def write_png(
    image: Image, output: IO[bytes], color_chunks: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """
    Write a PNG without metadata, except for the color profile of the image.

    ``color_chunks`` are the types and contents of other chunks that describe its colors.
    """
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for chunk_type, data in color_chunks:
        chunks.add(chunk_type, data)
    image.save(output, "PNG", icc_profile=image.info.get("icc_profile"), pnginfo=chunks)
