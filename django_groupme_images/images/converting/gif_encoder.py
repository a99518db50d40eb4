"""Encoding of frames as an animated GIF, one frame after another."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import NamedTuple

from PIL import GifImagePlugin, Image, ImageChops

__all__ = ["Frame", "encode_gif"]

# A GIF stores durations in 16 bits, in hundredths of a second. This is 11 minutes.
_MAX_DURATION = 65_535
_MAX_REPETITIONS = 65_535

# The last of the 256 colors of a palette is the transparent one.
_MAX_COLORS = 255

# GIF has no partial transparency. Pixels of at least this alpha are opaque.
_MIN_ALPHA = 128

# A pixel is drawn again if one of its channels changed by more than this since it was last drawn.
# Smaller changes are mostly noise of lossy formats. Errors do not add up, because pixels are
# compared with the last drawn ones. Compared with 0, the GIF of an object that moves over a photo
# was 10 to 16 % smaller, and that of a camera that pans over a photo was 5 % larger.
_TOLERANCE = 3

# Pixels that a palette is calculated from. Twice as many take up to twice as long, and improved
# photos by 0.1 to 0.4 dB.
_SAMPLE_SIZE = 8_192
# The palette is refined until a step moves at most this number of pixels to another color.
_MAX_MOVED_PIXELS = 400

_DISPOSAL_KEEP, _DISPOSAL_CLEAR = 1, 2

_IS_OPAQUE = [255 * (alpha >= _MIN_ALPHA) for alpha in range(256)]
_IS_CHANGED = [255 * (difference > _TOLERANCE) for difference in range(256)]

_Box = tuple[int, int, int, int]


class Frame(NamedTuple):
    """A complete RGBA frame and its duration in hundredths of a second."""

    image: Image.Image
    duration: int


def encode_gif(frames: Iterable[Frame], plays: int) -> Iterator[bytes]:
    """
    Yield the parts of a GIF with these frames, of which there must be at least one.

    ``plays`` is how many times the animation is played, or 0 if it does not stop. All frames must
    have the same size. A part is yielded as soon as the following frame is known, and no more than
    two frames are in memory. Durations above 11 minutes are reduced to 11 minutes.
    """
    remaining = iter(frames)
    image, duration = next(remaining)
    yield _header(image.size, plays)
    canvas = _Canvas(_without_partial_transparency(image), duration)
    for frame in remaining:
        image = _without_partial_transparency(frame.image)
        if canvas.shows(image):
            canvas.duration += frame.duration
        else:
            yield canvas.finish_frame(image)
            canvas.draw(image, frame.duration)
    yield canvas.finish_frame() + b";"


class _Canvas:
    """
    The image that a viewer shows, and the frame that was drawn last.

    The frame is encoded once the next frame is known, because pixels that become transparent in the
    next frame have to be cleared by the disposal method of this frame.
    """

    def __init__(self, image: Image.Image, duration: int) -> None:
        self.duration = duration
        self._image = image
        self._drawn = image.getchannel("A")
        # Some viewers show a first frame incorrectly if it does not cover the whole image.
        self._box: _Box | None = (0, 0, *image.size)

    def shows(self, image: Image.Image) -> bool:
        return _changes(self._image, image).getbbox() is None

    def draw(self, image: Image.Image, duration: int) -> None:
        self.duration = duration
        self._drawn = ImageChops.darker(_changes(self._image, image), image.getchannel("A"))
        self._image.paste(image, mask=self._drawn)
        self._box = self._drawn.getbbox()

    def finish_frame(self, following: Image.Image | None = None) -> bytes:
        """Encode the last frame, and clear the pixels that become transparent in the next one."""
        cleared = _cleared_box(self._image, following) if following else None
        box = _union(self._box, cleared) or (0, 0, 1, 1)
        image, transparent = _quantized(self._image.crop(box), self._drawn.crop(box))
        data = GifImagePlugin.getdata(
            image,
            offset=box[:2],
            include_color_table=True,
            transparency=transparent,
            duration=10 * min(self.duration, _MAX_DURATION),
            disposal=_DISPOSAL_CLEAR if cleared else _DISPOSAL_KEEP,
        )
        if cleared:
            self._image.paste((0, 0, 0, 0), box)
        return b"".join(data)


def _header(size: tuple[int, int], plays: int) -> bytes:
    """Return the data before the first frame. The palettes are in the frames."""
    header = struct.pack("<6sHHBBB", b"GIF89a", *size, 0x70, 0, 0)
    if plays == 1:
        return header
    # Viewers repeat an animation this many times after they have played it once.
    repetitions = min(max(plays - 1, 0), _MAX_REPETITIONS)
    return header + struct.pack("<3s11sBBHB", b"!\xff\x0b", b"NETSCAPE2.0", 3, 1, repetitions, 0)


def _without_partial_transparency(image: Image.Image) -> Image.Image:
    """Return an RGBA copy whose pixels are either opaque or (0, 0, 0, 0)."""
    opaque = image.getchannel("A").point(_IS_OPAQUE)
    result = Image.new("RGBA", image.size)
    result.paste(image, mask=opaque)
    result.putalpha(opaque)
    return result


def _changes(old: Image.Image, new: Image.Image) -> Image.Image:
    """Return a mask of the pixels that differ visibly."""
    red, green, blue, alpha = ImageChops.difference(old, new).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), ImageChops.lighter(blue, alpha))
    return largest.point(_IS_CHANGED)


def _cleared_box(old: Image.Image, new: Image.Image) -> _Box | None:
    """Return a box around the pixels that become transparent, or ``None`` if there are none."""
    return ImageChops.subtract(old.getchannel("A"), new.getchannel("A")).getbbox()


def _union(box: _Box | None, other: _Box | None) -> _Box | None:
    if box is None or other is None:
        return box or other
    left, top = min(box[0], other[0]), min(box[1], other[1])
    return left, top, max(box[2], other[2]), max(box[3], other[3])


def _quantized(image: Image.Image, drawn: Image.Image) -> tuple[Image.Image, int]:
    """Return the pixels of the mask ``drawn`` with a palette, and its transparent color."""
    result = _reduced(image.convert("RGB"), drawn)
    transparent = max(result.tobytes()) + 1
    result.paste(transparent, mask=ImageChops.invert(drawn))
    colors = (result.getpalette() or [])[: 3 * transparent]
    result.putpalette([*colors, 0, 0, 0])
    return result, transparent


def _reduced(image: Image.Image, drawn: Image.Image) -> Image.Image:
    """
    Reduce the pixels of the mask ``drawn`` to 255 colors, and fill the others with one of them.

    There is no dithering, because its noise would differ from frame to frame, and frames would be
    6 to 62 % larger.
    """
    pixels = _masked_pixels(image, drawn)
    image.paste(tuple(pixels.crop((0, 0, 1, 1)).tobytes()), mask=ImageChops.invert(drawn))
    if pixels.getcolors(_MAX_COLORS):
        return image.quantize(_MAX_COLORS)  # It keeps all colors exactly.
    step = math.ceil(pixels.width / _SAMPLE_SIZE)
    sample = pixels.resize((pixels.width // step, 1), Image.Resampling.NEAREST)
    palette = sample.quantize(_MAX_COLORS, kmeans=_MAX_MOVED_PIXELS)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _masked_pixels(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return the pixels of the mask in one row, or a black pixel if there are none."""
    pixels = memoryview(image.convert("RGBX").tobytes()).cast("I")
    kept = array("I", compress(pixels, mask.tobytes())) or array("I", [0])
    return Image.frombytes("RGBX", (len(kept), 1), kept.tobytes()).convert("RGB")
