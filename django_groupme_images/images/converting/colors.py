"""Conversion of decoded images to the modes and colors that image viewers display."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, cast

from django_groupme_images.images.bands import in_bands

from .color_profiles import ColorCode, profile_of_code

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

__all__ = ["display_mode", "srgb_transform", "to_display_colors", "to_display_mode"]

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
# These modes have no alpha, and few programs display their colors.
_PRINT_MODES = frozenset({"CMYK", "LAB"})

# The color space that an ICC profile must have to match a mode.
_PROFILE_SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK"}
# Bytes. Larger profiles are not kept. Those of printers have up to 3 MB.
_MAX_PROFILE_SIZE = 4 * 1024 * 1024

# The TIFF tags PhotometricInterpretation and BitsPerSample.
_PHOTOMETRIC, _BITS = 262, 258
_WHITE_IS_ZERO = 0


def display_mode(image: Image) -> str:
    """Return Pillow's mode in which an image is displayed: L, LA, RGB, RGBA, CMYK, or LAB."""
    if image.mode in _PRINT_MODES:
        return image.mode
    mode = "L" if image.mode in _GRAY_MODES else "RGB"
    return f"{mode}A" if image.has_transparency_data else mode


def to_display_mode(image: Image) -> Image:
    """
    Return the image in its ``display_mode()``, or the image itself if it has this mode.

    A transparent color becomes an alpha channel. Values of more than 8 bits are reduced to 8 bits,
    while Pillow's own conversion clips them. If the image is large, it is freed.
    """
    if image.mode == display_mode(image):
        return image
    image.load()
    if image.mode == "I;16" and "transparency" in image.info:
        return _gray_with_alpha(image)
    if image.mode[0] in "IF":
        return in_bands(image, partial(_scaled_gray, *_gray_scale(image)))
    return in_bands(image, lambda band: band.convert(display_mode(image)))


def _gray_scale(image: Image) -> tuple[float, float]:
    """Return the factor and the offset that map the values of a gray image to 8 bits."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        largest = _largest_value(image)
        white = next((value for value in (1, 255, 65535) if largest <= value), largest)
        return 255 / white, 0.5
    bits = 16 if image.mode == "I" else min(tags.get(_BITS, (16,))[0], 16)
    if image.mode == "I" and _largest_value(image) >= 2**16:
        bits = 31
    if image.mode == "I;16" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return -(2.0 ** (8 - bits)), 255.999
    return 2.0 ** (8 - bits), 0


def _largest_value(image: Image) -> float:
    _, largest = image.getextrema()
    return cast(float, largest)


def _scaled_gray(factor: float, offset: float, image: Image) -> Image:
    mode = "F" if image.mode == "F" else "I"
    return image.convert(mode).point(lambda value: value * factor + offset).convert("L")


def _gray_with_alpha(image: Image) -> Image:
    from PIL import Image, ImageChops

    data, transparent = image.tobytes(), image.info["transparency"]
    upper, lower = (Image.frombytes("L", image.size, data[start::2]) for start in (1, 0))
    alphas = (
        channel.point([255 * (value != byte) for value in range(256)])
        for channel, byte in ((upper, transparent >> 8), (lower, transparent & 255))
    )
    upper.info = {key: value for key, value in image.info.items() if key != "transparency"}
    upper.putalpha(ImageChops.lighter(*alphas))
    return upper


def to_display_colors(image: Image, code: ColorCode | None = None) -> Image:
    """
    Return an image in its ``display_mode()`` with colors that image viewers display correctly.

    A profile that matches the mode of the image is kept. CMYK and Lab become sRGB. ``code``
    describes the colors of an image without a profile: HDR becomes sRGB, and an image in another
    color space than sRGB gets a profile. The ``info`` of the result contains only ``icc_profile``,
    if there is one. If the image is large, it is freed.
    """
    data = image.info.get("icc_profile") or b""
    profile = _opened_profile(data, image.mode)
    if image.mode in _PRINT_MODES:
        return _in_srgb(image, profile)
    if not profile and code and image.mode.startswith("RGB"):
        data = profile_of_code(code) or b""
        profile = _opened_profile(data, image.mode)
        if profile and code.is_hdr:
            return _in_srgb(image, profile)
    image.info = {"icc_profile": data} if profile else {}
    return image


def srgb_transform(profile: bytes | None, mode: str) -> ImageCmsTransform | None:
    """Return the transform of an image's colors to sRGB, or ``None`` without a valid profile."""
    opened = _opened_profile(profile or b"", mode)
    return _transform_to_srgb(mode, mode, opened) if opened else None


def _opened_profile(data: bytes, mode: str) -> ImageCmsProfile | None:
    """Return an ICC profile, or ``None`` if it is invalid or does not match an image's mode."""
    from PIL import ImageCms

    if not 0 < len(data) <= _MAX_PROFILE_SIZE:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        return profile if profile.profile.xcolor_space == _PROFILE_SPACES.get(mode) else None
    except Exception:  # noqa: BLE001  # Pillow may also have been built without LittleCMS.
        return None


def _in_srgb(image: Image, profile: ImageCmsProfile | None) -> Image:
    mode = image.mode if image.mode.startswith("RGB") else "RGB"
    transform = _transform_to_srgb(image.mode, mode, profile)
    result = in_bands(image, partial(_transformed, transform, mode))
    result.info = {}
    return result


def _transform_to_srgb(
    mode: str, result_mode: str, profile: ImageCmsProfile | None
) -> ImageCmsTransform | None:
    """Return the transform, or ``None`` if the profile is missing or not usable."""
    from PIL import ImageCms

    try:
        source = ImageCms.createProfile("LAB") if mode == "LAB" else profile
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, result_mode) if source else None
    except Exception:  # noqa: BLE001  # Pillow may also have been built without LittleCMS.
        return None


def _transformed(transform: ImageCmsTransform | None, mode: str, image: Image) -> Image:
    from PIL import ImageCms

    if not transform:
        return image.convert(mode)
    result = ImageCms.applyTransform(image, transform, inPlace=image.mode == mode)
    return result or image
