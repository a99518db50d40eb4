"""Operations on decoded images in horizontal bands, so that no second large image is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

__all__ = ["in_bands", "pixel_digest", "read_rows", "upright"]

# Pillow needs up to 4 bytes for a pixel, and 2 images of this size need at most 130 MB. Above it,
# the result is written to a temporary file in bands, and the original is freed before it is read.
_MAX_PIXELS_AT_ONCE = 16_000_000

# The number of pixels in a band, unless one row has more. Bands fit into the processor's cache.
_BAND_PIXELS = 250_000


def in_bands(image: Image, convert: Callable[[Image], Image]) -> Image:
    """
    Return the result of a function that converts each pixel without regard to the others.

    A large image is freed and cannot be used afterwards. The ``info`` of the result is that of the
    image.
    """
    image.load()
    if image.width * image.height <= _MAX_PIXELS_AT_ONCE:
        return convert(image)
    return _replaced(image, image.size, (convert(image.crop(box)) for box in _bands(*image.size)))


def upright(image: Image, orientation: int) -> Image:
    """
    Return the image so that it is upright without its EXIF orientation, which is from 1 to 8.

    A large image is freed and cannot be used afterwards. The image itself is returned if it is
    already upright.
    """
    from PIL.Image import Transpose

    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    if orientation not in methods:
        return image
    method = methods[orientation]
    if image.width * image.height <= _MAX_PIXELS_AT_ONCE:
        return image.transpose(method)
    return _upright_in_bands(image, orientation, method)


def _upright_in_bands(image: Image, orientation: int, method: Transpose) -> Image:
    width, height = image.size
    is_turned, is_reversed = orientation >= 5, orientation in (3, 4, 7, 8)
    size = (height, width) if is_turned else (width, height)

    def source(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        top, bottom = box[1], box[3]
        if is_reversed:
            top, bottom = size[1] - bottom, size[1] - top
        return (top, 0, bottom, height) if is_turned else (0, top, width, bottom)

    return _replaced(
        image, size, (image.crop(source(box)).transpose(method) for box in _bands(*size))
    )


def pixel_digest(image: Image) -> bytes:
    """Return a digest of the pixels."""
    digest = blake2b()
    for box in _bands(*image.size):
        digest.update(image.crop(box).tobytes())
    return digest.digest()


def _bands(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _replaced(image: Image, size: tuple[int, int], bands: Iterator[Image]) -> Image:
    """Return an image of these bands, which are cut from ``image``. The latter is freed."""
    from PIL.Image import new

    info = image.info
    with tempfile.TemporaryFile() as file:
        for band in bands:
            mode = band.mode
            file.write(band.tobytes())
        image.close()
        result = new(mode, size, None)  # None avoids initializing the pixels.
        read_rows(file, result, file.tell() // size[1])
    result.info = info
    return result


def read_rows(file: IO[bytes], image: Image, stride: int) -> None:
    """Read the pixels of an image from a file. A row of it has ``stride`` bytes."""
    from PIL.Image import frombytes

    file.seek(0)
    for box in _bands(*image.size):
        size = (image.width, box[3] - box[1])
        data = file.read(stride * size[1])
        image.paste(frombytes(image.mode, size, data, "raw", image.mode, stride), box)
