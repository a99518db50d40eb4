"""Conversion of image files of other formats to JPEG, PNG, or GIF."""

from __future__ import annotations

from collections.abc import Collection
from typing import IO, TYPE_CHECKING

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.bands import upright
from django_groupme_images.images.formats.exif import orientation
from django_groupme_images.images.opening.decoding import check_decoder, open_within
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.pillow_file import pillow_file
from django_groupme_images.images.rejections import damage_as_rejection
from django_groupme_images.images.signatures import display_name

from .animations import is_animation, write_gif
from .cicp import avif_color_code
from .color_profiles import ColorCode
from .colors import to_display_colors, to_display_mode
from .encoding import without_opaque_alpha, write_jpeg, write_png
from .scaling import resized

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

__all__ = ["convert_image"]

# Screenshots and drawings in these formats have thin colored lines, which halving the resolution of
# the colors would visibly blur.
_FULL_COLOR_FORMATS = ("BMP", "TIFF")


def convert_image(
    file: IO[bytes], image_format: str, options: ImageOptions, output: IO[bytes]
) -> str:
    """
    Write an image file as JPEG, as PNG if it has transparent pixels, or as GIF if it is animated.

    ``image_format`` is Pillow's name of the format of ``file``, in upper case. Return the format of
    the result, ``"jpeg"``, ``"png"``, or ``"gif"``. It has the colors of the original with 8 bits
    per channel, and is upright. It contains no metadata apart from a color profile. It is scaled
    down to ``options.max_dimension``. If GIF is not allowed, it is the first frame of an animation.

    ``file`` and ``output`` are seekable binary files. Raise ``ImageRejected`` with the code
    ``no_decoder``, ``too_many_pixels``, ``format_not_allowed``, or ``truncated``. Exceptions of
    their methods are also raised.
    """
    check_decoder(image_format)
    with pillow_file(file) as source:
        return _converted(source, image_format, options, output)


def _converted(file: IO[bytes], image_format: str, options: ImageOptions, output: IO[bytes]) -> str:
    with damage_as_rejection():
        opened = open_within(file, image_format, options.max_pixels)
    if _is_written_as_gif(opened, file, options, output):
        return "gif"
    with damage_as_rejection():
        image = _decoded(opened, file, options.max_dimension)
    result_format = "png" if image.mode.endswith("A") else "jpeg"
    _check_result_format(image_format, result_format, options.allowed_formats)
    if result_format == "png":
        write_png(image, output)
    else:
        write_jpeg(image, output, is_full_color=image_format in _FULL_COLOR_FORMATS)
    return result_format


def _check_result_format(
    image_format: str, result_format: str, allowed_formats: Collection[str]
) -> None:
    if result_format not in allowed_formats:
        result_name = display_name(result_format)
        raise ImageRejected(
            f"{display_name(image_format)} is converted to {result_name}, which is not allowed",
            code="format_not_allowed",
            format=image_format,
            new_format=result_format,
            allowed=allowed_formats,
        )


def _is_written_as_gif(
    image: ImageFile, file: IO[bytes], options: ImageOptions, output: IO[bytes]
) -> bool:
    """Write an animated image as a GIF. Return whether the image is animated and was written."""
    if "gif" not in options.allowed_formats or not is_animation(image):
        return False
    is_written = write_gif(
        image,
        output,
        source=file,
        max_pixels=options.max_pixels,
        max_dimension=options.max_dimension,
    )
    if not is_written:
        image.seek(0)  # The first frame is used instead.
    return is_written


def _decoded(opened: ImageFile, file: IO[bytes], max_dimension: int | None) -> Image:
    """Return the upright image with 8 bits per channel, without metadata except its profile."""
    # Pillow turns the rotation in the container of an AVIF into an EXIF orientation. It rotates a
    # TIFF itself, and libheif a HEIF.
    value = orientation(opened.info.get("exif", b""))
    code = _color_code(opened, file)
    image = resized(opened, max_dimension) if max_dimension else to_display_mode(opened)
    image.load()
    return upright(without_opaque_alpha(to_display_colors(image, code)), value)


def _color_code(image: ImageFile, file: IO[bytes]) -> ColorCode | None:
    if image.format == "AVIF":
        return avif_color_code(file)
    if nclx := image.info.get("nclx_profile"):
        return ColorCode(nclx["color_primaries"], nclx["transfer_characteristics"])
    return None
