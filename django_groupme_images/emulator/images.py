"""What the emulator needs of Pillow: reading an upload's facts, drawing a thumbnail."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageOps
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
        image = _eight_bits(original)
        turn = _UPRIGHT.get(_orientation(original))
    if turn is not None:  # The first of Pillow's ways to turn is 0.
        image = image.transpose(turn)
    size = variant_size(variant, *image.size)
    if variant == "large":
        image = image.resize(size, Resampling.LANCZOS)
    else:
        image = ImageOps.fit(image, size, Resampling.LANCZOS)
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


def _eight_bits(image: Image.Image) -> Image.Image:
    """The first frame as RGB or RGBA, without metadata."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255 instead of scaling them.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.info.clear()
    return image


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  A viewer shows a picture whose EXIF is broken, too.
        return 1
    return orientation if isinstance(orientation, int) else 1
