"""Pillow plugin that decodes still WebP images with little memory. It is not registered."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from functools import cache
from typing import IO, Any

from PIL import ImageFile, WebPImagePlugin

from django_groupme_images.images.bands import read_rows

__all__ = ["WebPImageFile"]

# libwebp's functions that decode a still image, by the mode of the result.
_FUNCTIONS = {"RGB": "WebPDecodeRGBInto", "RGBA": "WebPDecodeRGBAInto"}


class WebPImageFile(WebPImagePlugin.WebPImageFile):
    """
    A WebP file.

    Pillow decodes still images with libwebp's decoder for animations, which takes 16 bytes per
    pixel and twice the time of libwebp's other decoder.
    """

    _was_tried = _is_decoded = False

    def load(self) -> Any:
        """Decode the current frame unless it is already decoded."""
        if not self._was_tried and not self.is_animated:
            self._was_tried = True
            function = _libwebp_function(self.mode)
            if self.fp and function:
                self._load_still(self.fp, function)
        return ImageFile.ImageFile.load(self) if self._is_decoded else super().load()

    def _load_still(self, source: IO[bytes], function: Callable[..., int | None]) -> None:
        source.seek(0)
        stride = self.width * len(self.mode)
        with tempfile.TemporaryFile() as file:
            pixels = bytearray(stride * self.height)
            if _decode(function, source.read(), pixels, stride):
                file.write(pixels)
                del pixels
                self._is_decoded, self.fp = True, None
                self.load_prepare()
                read_rows(file, self, stride)


def _decode(
    function: Callable[..., int | None], data: bytes, pixels: bytearray, stride: int
) -> bool:
    """Return whether the function could decode the data. It cannot decode animations."""
    buffer = (ctypes.c_char * len(pixels)).from_buffer(pixels)
    return bool(function(data, len(data), buffer, len(pixels), stride))


@cache
def _libwebp_function(mode: str) -> Callable[..., int | None] | None:
    """Return a function of the libwebp that Pillow uses, or ``None`` if it is not exported."""
    from PIL import _webp

    try:
        function = getattr(ctypes.CDLL(_webp.__file__), _FUNCTIONS[mode])
    except (AttributeError, OSError):  # On Windows, Pillow contains libwebp without its names.
        return None
    size = ctypes.c_size_t
    function.argtypes = [ctypes.c_char_p, size, ctypes.c_void_p, size, ctypes.c_int]
    function.restype = ctypes.c_void_p
    return function  # type: ignore[no-any-return]
