"""What the emulator needs of Pillow: reading an upload's facts, drawing a thumbnail."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import ExifTags, Image
from PIL.Image import Resampling, Transpose

from ..pictures import variant_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Facts", "NotAnImage", "draw", "read_facts"]

# What turns the stored pixels upright, by the value of EXIF's tag "Orientation".
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# Those of them that swap width and height.
_ON_ITS_SIDE = {5, 6, 7, 8}

# How many times larger than a thumbnail an image is left for the last, best step of resizing.
_GAP = 2

# How many pixels are converted at a time.
_BAND = 1_000_000


class NotAnImage(ValueError):
    """A file that Pillow cannot read, or should not."""


@dataclass(frozen=True)
class Facts:
    """Pillow's name of an image's format, its stored size in pixels, and if it lies on its side."""

    format: str
    size: tuple[int, int]
    on_its_side: bool

    @property
    def displayed_size(self) -> tuple[int, int]:
        """Width and height in pixels with the EXIF orientation applied."""
        return self.size[::-1] if self.on_its_side else self.size


def read_facts(path: Path, formats: Mapping[str, str]) -> Facts:
    """
    Read an image far enough to know that it is whole.

    Raises ``NotAnImage`` if it is not, or is of none of ``formats``, from Pillow's name to
    ours, or has more pixels than Pillow takes for safe (``PIL.Image.MAX_IMAGE_PIXELS``).
    """
    try:
        with Image.open(path) as image:
            _refuse_bomb(image)
            _refuse_format(image, formats)
            facts = Facts(str(image.format), image.size, False)
            # A JPEG is then decoded at an eighth of its size, which still reads all of it.
            image.draft(None, (1, 1))
            image.load()
            return Facts(facts.format, facts.size, _orientation(image) in _ON_ITS_SIDE)
    except NotAnImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAnImage("the image has too many pixels") from error
    except Exception as error:  # Pillow promises no common base for a broken file.
        raise NotAnImage("the body is not an image, or not a whole one") from error


def draw(path: Path, variant: str, format: str) -> bytes:  # noqa: A002
    """Draw a variant of an image, upright, in a format that Pillow can write."""
    with Image.open(path) as original:
        orientation = _orientation(original)
        size = original.size
        if orientation in _ON_ITS_SIDE:
            target = variant_size(variant, *size[::-1])[::-1]
        else:
            target = variant_size(variant, *size)
        image = _reduced(original, target)
    box = (0.0, 0.0, *image.size) if variant == "large" else _centered(image.size, target)
    image = image.resize(target, Resampling.LANCZOS, box)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if format == "jpeg" and image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def _refuse_bomb(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise NotAnImage("the image has too many pixels")


def _refuse_format(image: Image.Image, formats: Mapping[str, str]) -> None:
    # Before it is decoded: for an EPS, Pillow runs Ghostscript.
    if image.format not in formats:
        accepted = ", ".join(sorted(set(formats.values())))
        raise NotAnImage(f"{image.format} is not accepted, only {accepted}")


def _reduced(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    """
    The first frame as RGB or RGBA, without metadata, a whole number of times smaller.

    It stays large enough to be resized to ``target`` well. Nothing but the file's own pixels
    is in memory in full: the rest is done for one band after the other.
    """
    width, height = (_GAP * side for side in target)
    # A JPEG is decoded at a half, a quarter, or an eighth of its size.
    image.draft(None, (width, height))
    mode = "RGBA" if image.has_transparency_data else "RGB"
    factor = max(1, min(image.width // width, image.height // height))
    reduced = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, _BAND // (image.width * factor))
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        reduced.paste(_eight_bits(band, mode).reduce(factor), (0, top // factor))
    return reduced


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255 instead of scaling them.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert(mode)


def _centered(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box of the target's proportions in the middle of an image."""
    scale = min(size[0] / target[0], size[1] / target[1])
    left = max(0.0, (size[0] - scale * target[0]) / 2)
    top = max(0.0, (size[1] - scale * target[1]) / 2)
    return left, top, size[0] - left, size[1] - top


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  A viewer shows a picture whose EXIF is broken, too.
        return 1
    return orientation if isinstance(orientation, int) else 1
