"""Whether a file is an image that can be uploaded, told before a byte is sent."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext_lazy as _

from .bodies import Body, Unreadable
from .gif import check_blocks
from .optional_formats import check_riff, end_of_pixels
from .structure import check_chunks, check_segments
from .views import limited_view

if TYPE_CHECKING:
    from django.core.files import File
    from PIL.ImageFile import ImageFile

__all__ = ["check_format", "check_image", "listed", "shown"]

_MESSAGES = {
    "too_large": _("“%(name)s” has %(size)s; at most %(limit)s can be uploaded. Make it smaller."),
    "invalid_image": _("“%(name)s” is not an image. Choose a picture saved as %(allowed)s."),
    "format_not_allowed": _("“%(name)s” is a picture saved as %(format)s. Save it as %(allowed)s."),
    "too_many_pixels": _(
        "“%(name)s” has %(pixels)s pixels; at most %(limit)s can be uploaded. Make it smaller."
    ),
    "truncated": _("“%(name)s” is cut off or damaged. Copy it again from where it came from."),
}

# No format is decoded: it would tell little more (to Pillow, a JPEG whose second half is zeros
# is fine), and a small hostile file makes it take hours, or hundreds of megabytes.
_STRUCTURES = {
    "JPEG": check_segments,
    "PNG": check_chunks,
    "GIF": check_blocks,
    "WEBP": check_riff,
}

# What breaks a line, turns the text after it around, or cannot be encoded.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def check_image(
    file: File[bytes], *, allowed_formats: Collection[str], max_size: int | None
) -> ImageFile:
    """
    The image that the file is, to ask for its size, mode or format: it has no pixels.

    ``allowed_formats`` are Pillow's names in lower case (the MPO files of many phones are
    ``"jpeg"``), ``max_size`` is in bytes. As in Pillow, an image may have twice
    ``PIL.Image.MAX_IMAGE_PIXELS``, but without a warning. The ``info`` of the image does not
    contain metadata beyond about 512 KB.

    Raises ``ValidationError`` with the code ``too_large``, ``invalid_image``,
    ``format_not_allowed``, ``too_many_pixels`` or ``truncated``, and whatever reading the
    file raises. The file is read in place, stays open, and is at its beginning afterwards.
    """
    name = PurePath(str(file.name or "?")).name
    try:
        if max_size is not None and (size := file.size or 0) > max_size:
            raise _error(name, "too_large", **_sizes(size, max_size))
        source = io.BufferedReader(_Raw(file))
        found = _format(source, allowed_formats)
        if found is None:
            raise _error(name, "invalid_image", allowed=listed(allowed_formats))
        check_format(name, found, allowed_formats)
        return _read(source, found, name)
    except Unreadable as error:
        raise error.reason from None
    finally:
        file.seek(0)


def check_format(name: str, found: str, allowed_formats: Collection[str]) -> None:
    """Raise ``ValidationError`` with the code ``format_not_allowed`` unless it is allowed."""
    if found.lower() not in allowed_formats:
        allowed = listed(allowed_formats)
        raise _error(name, "format_not_allowed", format=found.upper(), allowed=allowed)


def listed(formats: Collection[str]) -> str:
    """The formats in words, such as "JPEG, PNG or GIF", in the language of the moment."""
    return get_text_list([name.upper() for name in formats])


def shown(name: str) -> str:
    """A file's name, or an address, as an error may show it: harmless, and not too long."""
    name = _HARMFUL.sub("�", name)
    return name if len(name) <= 100 else f"{name[:80]}…{name[-19:]}"


class _Raw(io.RawIOBase):
    """The caller's file for Pillow, which may close this."""

    def __init__(self, file: File[bytes]) -> None:
        self._body = Body(file)

    def readable(self) -> bool:
        return True

    seekable = readable

    def readinto(self, buffer: Any) -> int:
        self.seek(0, io.SEEK_CUR)
        # For a Body, a file that is read past its end has shrunk; formats of offsets lead there.
        left = len(self._body) - self._body.tell()
        data = self._body.read(len(buffer)) if left > 0 else b""
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            # The caller moves the file, too, before a validator asks for the frames of a GIF.
            offset, whence = self._body.tell() + offset, io.SEEK_SET
        return self._body.seek(offset, whence)


def _format(file: IO[bytes], allowed: Collection[str]) -> str | None:
    # By its signature alone: a stranger's file should not meet the decoder of a format that is
    # not allowed. EPS runs Ghostscript, and ICO and WebP decode or allocate when opened.
    from PIL import Image

    Image.init()
    prefix = file.read(16).ljust(16, b"\0")  # some look at single bytes of it
    found = [name for name, (_, accept) in Image.OPEN.items() if accept and accept(prefix)]
    return min(found, key=lambda name: name.lower() not in allowed, default=None)


def _read(file: IO[bytes], found: str, name: str) -> ImageFile:
    from PIL.Image import DecompressionBombError

    try:
        return _read_to_end(file, found)
    except DecompressionBombError as error:
        pixels, limit = (_number(int(count)) for count in re.findall(r"\d+", str(error)))
        raise _error(name, "too_many_pixels", pixels=pixels, limit=limit) from error
    except Unreadable:
        raise
    except Exception as error:  # warnings, too, where the project makes errors of them
        raise _error(name, "truncated") from error


def _read_to_end(file: IO[bytes], found: str) -> ImageFile:
    from PIL import Image

    if check_structure := _STRUCTURES.get(found):
        check_structure(file)  # which includes that the metadata can be removed
    image, limit = _opened(file, found), Image.MAX_IMAGE_PIXELS
    if limit and (pixels := image.width * image.height) > 2 * limit:
        raise Image.DecompressionBombError(f"{pixels} > {2 * limit:.0f}")
    if not check_structure and end_of_pixels(image) > file.seek(0, io.SEEK_END):
        raise EOFError("a file without all of its pixels")
    image.fp = None  # as verify() does
    return image


def _opened(file: IO[bytes], found: str) -> ImageFile:
    # Not by Image.open(), which warns of what is larger than MAX_IMAGE_PIXELS, as many phones'
    # photographs are. Before Python 3.14 (and there by default, too) catch_warnings() changes
    # the filters of all threads. Nor are the further images of an MPO looked for: their list
    # is often flawed, and Pillow warns of it.
    from PIL import Image, JpegImagePlugin

    view = limited_view(file, found)
    view.seek(0)
    jpeg = JpegImagePlugin.JpegImageFile
    return jpeg(view) if found == "JPEG" else Image.OPEN[found][0](view, "")


def _error(name: str, code: str, **params: str) -> ValidationError:
    return ValidationError(_MESSAGES[code], code=code, params={"name": shown(name), **params})


def _sizes(size: int, limit: int) -> dict[str, str]:
    sizes = filesizeformat(size), filesizeformat(limit)
    if sizes[0] == sizes[1]:
        sizes = _("%s bytes") % _number(size), _("%s bytes") % _number(limit)
    return {"size": sizes[0], "limit": sizes[1]}


def _number(number: int) -> str:
    return number_format(number, force_grouping=True)
