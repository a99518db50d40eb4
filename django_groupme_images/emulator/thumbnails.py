"""Image validation and thumbnails with Pillow."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from PIL import ExifTags, Image
from PIL.Image import Resampling
from PIL.JpegImagePlugin import JpegImageFile

from django_groupme_images.images.bands import upright
from django_groupme_images.images.formats.headers import JpegHeader, read_header
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.opening.decoding import open_image
from django_groupme_images.images.signatures import PREFIX_SIZE, detect_format
from django_groupme_images.pictures import variant_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["ImageInfo", "NotAnImage", "make_thumbnail", "read_image_info"]

# The orientations that swap width and height.
_SIDEWAYS = {5, 6, 7, 8}

# Images are first reduced quickly to at least this multiple of the thumbnail's size, and then
# resampled with high quality, as with the argument ``reducing_gap`` of Pillow.
_REDUCING_GAP = 2

# The maximum number of pixels that are converted at a time.
_BAND_PIXELS = 1_000_000

# Formats whose files are accepted even if their end is missing or their metadata is invalid, and
# the maximum number of pixels of a JPEG without an end marker.
_REPAIRED_FORMATS, _MAX_PIXELS_WITHOUT_END = ("JPEG", "PNG", "GIF"), 64_000_000

_INCOMPLETE = "the body is not a complete image"


class NotAnImage(ValueError):
    """The file is not an image that Pillow can read safely, or its format is not accepted."""


@dataclass(frozen=True)
class ImageInfo:
    """
    The format, size, and orientation of an image.

    ``format`` is Pillow's name of the format. ``size`` is the width and height of the stored
    pixels; ``is_sideways`` is true if the EXIF orientation swaps them.
    """

    format: str
    size: tuple[int, int]
    is_sideways: bool

    @property
    def displayed_size(self) -> tuple[int, int]:
        """The width and height in pixels with the EXIF orientation applied."""
        return self.size[::-1] if self.is_sideways else self.size


def read_image_info(path: Path, formats: Mapping[str, str]) -> ImageInfo:
    """
    Return information about a complete image.

    ``formats`` maps Pillow's names of the accepted formats to their names in URLs. Raise
    ``NotAnImage`` if the file is not a complete image, if its format is not accepted, or if it
    is not a JPEG and has more than ``PIL.Image.MAX_IMAGE_PIXELS`` pixels.
    """
    try:
        with _opened(path) as image:
            _check_pixel_count(image)
            _check_format(image, formats)
            format_name, size = str(image.format), image.size
            # A JPEG is decoded at an eighth of its size, which is faster and still reads all of it.
            _draft(image, (1, 1))
            image.load()
            return ImageInfo(format_name, size, _orientation(image) in _SIDEWAYS)
    except NotAnImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAnImage("the image has too many pixels") from error
    except Exception as error:  # Pillow raises many types for broken files.
        raise NotAnImage(_INCOMPLETE) from error


def make_thumbnail(path: Path, variant: str, format_name: str) -> bytes:
    """Return a variant of an image, turned upright, in a format that Pillow can write."""
    with _opened(path) as original:
        orientation = _orientation(original)
        size = original.size
        if orientation in _SIDEWAYS:
            target = variant_size(variant, *size[::-1])[::-1]
        else:
            target = variant_size(variant, *size)
        image = _reduce(original, target)
        box = (0.0, 0.0, *image.size) if variant == "large" else _center_box(image.size, target)
        image = image.resize(target, Resampling.LANCZOS, box)
    image.info = {}  # Pillow would save the comment and the color profile of the original.
    image = upright(image, orientation)
    if format_name == "jpeg" and image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, format_name)
    return file.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, even if its end is missing or its metadata is invalid."""
    with path.open("rb") as file:
        image_format = detect_format(file.read(PREFIX_SIZE), "", _REPAIRED_FORMATS)
        with _open_repaired(file, image_format) or Image.open(file) as image:
            yield image


def _open_repaired(file: IO[bytes], image_format: str | None) -> Image.Image | None:
    if image_format in _REPAIRED_FORMATS:
        with suppress(MalformedImage):
            return open_image(file, image_format, _MAX_PIXELS_WITHOUT_END)
    return None


def _check_pixel_count(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if image.format == "JPEG":
        return  # It is decoded at an eighth of its size.
    if limit is not None and image.width * image.height > limit:
        raise NotAnImage("the image has too many pixels")


def _check_format(image: Image.Image, formats: Mapping[str, str]) -> None:
    # Check before decoding, because Pillow runs Ghostscript to decode an EPS file.
    if image.format not in formats:
        accepted = ", ".join(sorted(set(formats.values())))
        raise NotAnImage(f"the format {image.format} is not accepted; use {accepted}")


def _reduce(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    """
    Return the first frame as RGB or RGBA, reduced by an integer factor.

    The result is large enough to be resized to ``target`` with high quality. To save memory, the
    pixels of large images are converted and reduced in horizontal bands. To save time, a small
    image is not copied: allocating memory for a copy takes as long as decoding.
    """
    width, height = (_REDUCING_GAP * side for side in target)
    # A JPEG is decoded at a half, a quarter, or an eighth of its size.
    _draft(image, (width, height))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    factor = max(1, min(image.width // width, image.height // height))
    if factor == 1 and image.width * image.height <= _BAND_PIXELS:
        return _to_8_bits(image, mode)
    reduced = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, _BAND_PIXELS // (image.width * factor))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        reduced.paste(_to_8_bits(band, mode).reduce(factor), (0, top // factor))
    return reduced


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    """Let a JPEG be decoded at a reduced size, which is not possible if it is lossless."""
    if isinstance(image, JpegImageFile) and not _is_lossless(cast("IO[bytes]", image.fp)):
        image.draft(None, size)


def _is_lossless(file: IO[bytes]) -> bool:
    try:
        header = read_header(file, "JPEG")
    except MalformedImage:  # Pillow also decodes files that exceed the limits of forms.
        return False
    return isinstance(header, JpegHeader) and header.is_lossless


def _to_8_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255 instead of scaling them.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image if image.mode == mode else image.convert(mode)


def _center_box(
    size: tuple[int, int], target: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return the largest centered box with the aspect ratio of ``target``."""
    scale = min(size[0] / target[0], size[1] / target[1])
    left = max(0.0, (size[0] - scale * target[0]) / 2)
    top = max(0.0, (size[1] - scale * target[1]) / 2)
    return left, top, size[0] - left, size[1] - top


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  Browsers also display images with broken EXIF data.
        return 1
    return orientation if isinstance(orientation, int) else 1
