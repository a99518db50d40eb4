"""Opening of image files with Pillow and pillow-heif, without side effects of ``Image.open()``."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.rejections import check_pixels
from django_groupme_images.images.signatures import display_name

from .limits import LimitedReader
from .readable import open_view

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["check_decoder", "is_decodable", "open_image", "open_within", "webp_size"]

_REMEDIES = {
    "HEIF": "Install django-groupme-images[heif], or save",
    "AVIF": "Install Pillow 11.3 or later with support for AVIF, or save",
    "WEBP": "Install Pillow with support for WebP, or save",
}


def is_decodable(image_format: str) -> bool:
    """
    Return whether the installed libraries can decode a format.

    ``image_format`` is Pillow's name of the format, in upper or lower case.
    """
    from PIL import Image, features

    name = image_format.lower()
    if name == "heif":
        return _has_heif()
    if name in ("avif", "webp"):
        # In versions without the feature, features.check() warns.
        return name in features.modules and features.check_module(name)
    Image.init()
    return name.upper() in Image.OPEN


def _has_heif() -> bool:
    try:
        import pillow_heif

        pillow_heif.libheif_version()
    except ImportError:
        return False
    return True


def check_decoder(image_format: str) -> None:
    """Raise ``ImageRejected`` unless the installed libraries can decode a format."""
    if not is_decodable(image_format):
        image_format = image_format.upper()
        remedy = _REMEDIES.get(image_format, "Save")
        raise ImageRejected(
            f"{display_name(image_format)} cannot be decoded. {remedy} the image as JPEG.",
            code="no_decoder",
            format=image_format,
        )


def open_image(file: IO[bytes], image_format: str, max_pixels: int | None = None) -> ImageFile:
    """
    Open an image without decoding its pixels, whose number is not limited here.

    ``image_format`` is Pillow's name of the format. No warnings are issued, and ``info`` does not
    contain metadata beyond about 512 KB, or metadata that Pillow rejects. ``load()`` decodes the
    image and reads from ``file``. With ``max_pixels``, the end of the file may be missing. A JPEG
    may then have at most this number of pixels.

    Raise ``ImageRejected`` with the code ``no_decoder`` if a library is missing, and various
    exceptions if the file is damaged. Exceptions of ``file.read()`` are not caught.
    """
    check_decoder(image_format)
    image_class = _image_class(image_format)

    def open_file(view: IO[bytes]) -> ImageFile:
        image = image_class(view, "")
        if isinstance(view, LimitedReader):
            view.lift_limits()
        return image

    return open_view(file, image_format, open_file, max_pixels)


def open_within(file: IO[bytes], image_format: str, max_pixels: int | None) -> ImageFile:
    """
    Open an image like :func:`open_image`, unless it has more than ``max_pixels`` pixels.

    Raise ``ImageRejected`` with the code ``too_many_pixels`` in that case.
    """
    # Opening a WebP allocates memory for its pixels.
    if image_format == "WEBP" and (size := webp_size(file)):
        check_pixels(size[0] * size[1], max_pixels)
    image = open_image(file, image_format)
    check_pixels(image.width * image.height, max_pixels)
    return image


def _image_class(image_format: str) -> type[ImageFile]:
    # Image.open() warns about images with more than MAX_IMAGE_PIXELS pixels, such as the photos of
    # many phones. Warnings cannot be suppressed here: catch_warnings() changes the filters of all
    # threads before Python 3.14, and by default also in later versions. Opening an MPO as a JPEG
    # skips the list of its other images, which is often invalid and causes another warning.
    from PIL import Image, JpegImagePlugin

    if image_format == "JPEG":
        return JpegImagePlugin.JpegImageFile
    if image_format == "HEIF":
        from .heif import HeifImageFile

        return HeifImageFile
    if image_format == "WEBP":
        from .webp import WebPImageFile

        return WebPImageFile
    Image.init()
    return Image.OPEN[image_format][0]  # type: ignore[return-value]


def webp_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the width and height of a WebP in pixels, or ``None`` if its header is invalid."""
    file.seek(0)
    header = file.read(30)
    if header[12:16] == b"VP8 " and header[23:26] == b"\x9d\x01\x2a":
        return _little(header[26:28]) & 0x3FFF, _little(header[28:30]) & 0x3FFF
    if header[12:16] == b"VP8L" and header[20:21] == b"\x2f":
        bits = _little(header[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if header[12:16] == b"VP8X":
        return _little(header[24:27]) + 1, _little(header[27:30]) + 1
    return None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
