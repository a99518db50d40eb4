"""Scaling of JPEG and PNG files that are larger than the option ``max_dimension``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import IO, TYPE_CHECKING

from django_groupme_images.images.bands import upright
from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.exif import adobe_color_space, orientation
from django_groupme_images.images.formats.headers import JpegHeader, PngHeader, read_header
from django_groupme_images.images.formats.png import png_chunks
from django_groupme_images.images.opening.readable import open_view
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.pillow_file import pillow_file
from django_groupme_images.images.rejections import check_pixels, damage_as_rejection
from django_groupme_images.images.streams import BUFFER_SIZE, Part, SplicedFile
from django_groupme_images.images.stripping.jpeg import jpeg_parts_to_scale
from django_groupme_images.images.stripping.png import png_parts

from .color_profiles import adobe_rgb_profile
from .colors import to_display_colors
from .encoding import write_jpeg, write_png
from .scaling import REDUCING_GAP, scaled, scaled_size

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["shrink_image"]

# Chunks of a PNG that describe its colors, apart from its profile, and the sizes of their content.
_COLOR_CHUNKS = {b"cHRM": 32, b"cICP": 4, b"gAMA": 4, b"sRGB": 1}


def shrink_image(
    file: IO[bytes], image_format: str, options: ImageOptions, output: IO[bytes]
) -> str | None:
    """
    Write a scaled copy of a JPEG or PNG whose longer side exceeds ``options.max_dimension`` pixels.

    ``image_format`` is Pillow's name of the format of ``file``. Return the format of the copy,
    ``"jpeg"`` or ``"png"``. If the file does not have to be scaled, write and decode nothing, and
    return ``None``. Animated images and other formats are not scaled.

    The copy is upright, and has the colors of the original but no other metadata. CMYK becomes
    sRGB, and 16 bits per channel become 8.

    ``file`` is a seekable binary file, and its position afterwards is undefined. Raise
    ``ImageRejected`` with the code ``truncated`` if it is damaged, or ``too_many_pixels`` if the
    decoder would need memory for more than ``options.max_pixels`` pixels. Exceptions of the methods
    of ``file`` and ``output`` are also raised.
    """
    if options.max_dimension is None or image_format not in ("JPEG", "PNG"):
        return None
    with pillow_file(file) as source, damage_as_rejection():
        header = read_header(source, image_format)
        if max(header.width, header.height) <= options.max_dimension:
            return None
        size = scaled_size(header.width, header.height, options.max_dimension)
        if isinstance(header, JpegHeader):
            write = partial(write_jpeg, _scaled_jpeg(source, header, size, options.max_pixels))
        elif not header.is_animated:
            image = _scaled_png(source, header, size, options.max_pixels)
            write = partial(write_png, image, color_chunks=list(_color_chunks(source)))
        else:
            return None
    write(output)
    return image_format.lower()


def _scaled_jpeg(
    file: IO[bytes], header: JpegHeader, size: tuple[int, int], max_pixels: int
) -> Image:
    # Image.open() warns about large images, and opens the other images of an MPO.
    from PIL.JpegImagePlugin import JpegImageFile

    scale = _decoding_scale(file, header, size, max_pixels)
    view = _view(file, jpeg_parts_to_scale(BlockReader(file)))
    image = open_view(view, "JPEG", JpegImageFile, max_pixels)
    # With this size, Pillow chooses the same scale.
    image.draft(None, (header.width // scale, header.height // scale))
    return _displayed(scaled(image, size, (0, 0, header.width / scale, header.height / scale)))


def _decoding_scale(
    file: IO[bytes], header: JpegHeader, size: tuple[int, int], max_pixels: int
) -> int:
    """
    Return the divisor of the scale at which a JPEG is decoded before it is scaled to ``size``.

    Raise ``ImageRejected`` if the decoder would need memory for too many pixels.
    """
    scale = header.largest_scale(*(REDUCING_GAP * side for side in size))
    if header.is_decoded_by_row(file):
        if header.pixels(scale) > max_pixels:
            scale = header.largest_scale(*size)
        if header.pixels(scale) <= max_pixels:
            return scale
    check_pixels(header.width * header.height, max_pixels)
    return scale


def _scaled_png(
    file: IO[bytes], header: PngHeader, size: tuple[int, int], max_pixels: int
) -> Image:
    from PIL.PngImagePlugin import PngImageFile

    check_pixels(header.width * header.height, max_pixels)
    view = _view(file, png_parts(BlockReader(file)))
    image = open_view(view, "PNG", PngImageFile, max_pixels)
    if "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        image.info["transparency"] = _to_8_bits(image.info["transparency"], header.bits)
    return _displayed(scaled(image, size))


def _view(file: IO[bytes], parts: list[Part]) -> IO[bytes]:
    return io.BufferedReader(SplicedFile(file, parts), BUFFER_SIZE)


def _to_8_bits(color: int | tuple[int, ...], bits: int) -> int | tuple[int, ...]:
    """Return a transparent color on the scale of the pixels, which Pillow decodes to 8 bits."""
    if isinstance(color, tuple):
        return tuple(value >> bits - 8 for value in color)
    maximum: int = (1 << bits) - 1
    return min(color, maximum) * 255 // maximum  # Some versions of Pillow have changed 1 to 255.


def _color_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the types and contents of chunks. Versions of Pillow before 11.3 do not write cICP."""
    reader = BlockReader(file)
    for chunk_type, chunk in takewhile(lambda part: part[0] != b"IDAT", png_chunks(reader)):
        if len(chunk) - 12 == _COLOR_CHUNKS.get(chunk_type):
            yield chunk_type, reader.read(chunk.start + 8, len(chunk) - 12)


def _displayed(image: Image) -> Image:
    """Return the image upright, and in the color space that its profile or else EXIF names."""
    exif = image.info.get("exif", b"")
    if image.mode.startswith("RGB") and not image.info.get("icc_profile"):
        image.info["icc_profile"] = adobe_rgb_profile() if adobe_color_space(exif) else None
    return upright(to_display_colors(image), orientation(exif))
