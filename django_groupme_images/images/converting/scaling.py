"""Scaling of decoded images with little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .colors import display_mode, to_display_mode

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["REDUCING_GAP", "resized", "scaled", "scaled_size"]

# Images are first reduced quickly to at least this multiple of the final size, and then resampled
# with high quality.
REDUCING_GAP = 2

# The maximum number of pixels that are converted at a time, unless a row has more. With smaller
# bands, the filter coefficients, which Pillow computes for each band, take longer.
_BAND_PIXELS = 2_000_000

# Pixels are multiplied with their alpha before they are mixed with others. Otherwise, the colors of
# transparent pixels, which are usually black or white, would become visible at edges.
_PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}


def scaled_size(width: int, height: int, max_dimension: int) -> tuple[int, int]:
    """Return the size in pixels of an image whose longer side becomes ``max_dimension``."""
    scale = max_dimension / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(image: Image, max_dimension: int) -> Image:
    """
    Return the image with 8 bits per channel, so that its longer side is ``max_dimension`` pixels.

    The mode of the result is that of ``display_mode()``. The image itself is returned if it has
    this mode and is not larger.
    """
    if max(image.size) <= max_dimension:
        return to_display_mode(image)
    return scaled(image, scaled_size(*image.size, max_dimension))


def scaled(
    image: Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image:
    """
    Return the image with 8 bits per channel, scaled down to a size in pixels.

    ``box`` is the part of the image that becomes the result: left, top, right, and bottom, where
    left and top are 0. By default, it is the whole image. ``info`` is the same, except that a
    transparent color becomes an alpha channel. If the image is large, it is freed and cannot be
    used afterwards.
    """
    from PIL.Image import Resampling

    image.load()
    if image.mode[0] in "IF":  # The range of the values depends on the whole image.
        image = to_display_mode(image)
    mode = display_mode(image)
    if image.mode == mode and mode not in _PREMULTIPLIED:
        return image.resize(size, Resampling.LANCZOS, box, REDUCING_GAP)
    return _scaled_in_bands(image, size, box or (0, 0, *image.size))


def _scaled_in_bands(
    image: Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> Image:
    """
    Scale an image whose mode has to be converted.

    Pillow would convert the whole image first, which takes as much memory as the image itself. This
    function converts bands of the image instead, and scales them to their final width. As in
    Pillow, the height is scaled afterwards.
    """
    from PIL import Image
    from PIL.Image import Resampling

    factor = (_reducing_factor(box[2], size[0]), _reducing_factor(box[3], size[1]))
    width, height = box[2] / factor[0], box[3] / factor[1]
    mode = display_mode(image)
    mixing_mode = _PREMULTIPLIED.get(mode, mode)
    column = Image.new(mixing_mode, (size[0], -(-image.height // factor[1])))
    rows = factor[1] * max(1, _BAND_PIXELS // (image.width * factor[1]))
    for top in range(0, image.height, rows):
        band = to_display_mode(image.crop((0, top, image.width, min(top + rows, image.height))))
        band = band if mode == mixing_mode else band.convert(mixing_mode)
        band = band if factor == (1, 1) else band.reduce(factor)
        band_box = (0, 0, width, band.height)
        band = band.resize((size[0], band.height), Resampling.LANCZOS, band_box)
        column.paste(band, (0, top // factor[1]))
    result = column.resize(size, Resampling.LANCZOS, (0, 0, size[0], height)).convert(mode)
    result.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return result


def _reducing_factor(length: float, result_length: int) -> int:
    return max(1, int(length / result_length / REDUCING_GAP))
