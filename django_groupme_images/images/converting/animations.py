"""Conversion of animated WebP and AVIF images to animated GIFs."""

from __future__ import annotations

import logging
from typing import IO, TYPE_CHECKING

from .avif_repetition import avif_plays

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["MAX_FRAMES", "MAX_GIF_SIZE", "is_animation", "write_gif"]

logger = logging.getLogger(__name__)

MAX_GIF_SIZE = 50_000_000  # bytes

# At 10 frames per second, they last 16 minutes. A limit of pixels is not enough, because even a
# frame of one pixel takes about 0.3 ms.
MAX_FRAMES = 10_000


def is_animation(image: ImageFile) -> bool:
    """
    Return whether an opened WebP, AVIF, or HEIF has frames that are shown one after another.

    A HEIF with several images is not an animation, because the images have no durations and often
    have different sizes. pillow-heif does not read the durations of HEIF image sequences.
    """
    return image.format in ("WEBP", "AVIF") and _frame_count(image) > 1


def write_gif(
    image: ImageFile,
    output: IO[bytes],
    *,
    source: IO[bytes],
    max_pixels: int,
    max_dimension: int | None = None,
) -> bool:
    """
    Write an animated WebP or AVIF as a GIF with the same durations and repetitions.

    ``image`` has been opened from the file ``source``, whose position afterwards is undefined. The
    frames are upright, in sRGB, and scaled down so that no side exceeds ``max_dimension`` pixels.
    The GIF contains no metadata. Browsers do not show more than 50 frames of a GIF per second, so
    frames are skipped if there are more.

    Return ``False`` if the animation has more than ``MAX_FRAMES`` frames or ``max_pixels`` pixels
    in total, or if the GIF would have more than ``MAX_GIF_SIZE`` bytes. Frames and pixels are
    counted before anything is decoded. ``output`` is then truncated where the GIF would have
    started, and the reason is logged.

    Raise ``ImageRejected`` with the code ``truncated`` if a frame is damaged. Exceptions of the
    methods of ``source`` and ``output`` are also raised. After an exception, ``output`` is
    incomplete.
    """
    from .animation_frames import gif_frames
    from .gif_encoder import encode_gif

    if not _is_within_limits(image, max_pixels):
        return False
    plays = avif_plays(source) if image.format == "AVIF" else image.info["loop"]
    start, size = output.tell(), 0
    for part in encode_gif(gif_frames(image, max_dimension), plays):
        size += len(part)
        if size > MAX_GIF_SIZE:
            output.seek(start)
            output.truncate()
            _log_limit(image, f"the GIF would have more than {MAX_GIF_SIZE:,} bytes")
            return False
        output.write(part)
    return True


def _frame_count(image: ImageFile) -> int:
    return int(getattr(image, "n_frames", 1))


def _is_within_limits(image: ImageFile, max_pixels: int) -> bool:
    if _frame_count(image) > MAX_FRAMES:
        _log_limit(image, f"it has more than {MAX_FRAMES:,} frames")
        return False
    if _frame_count(image) * image.width * image.height > max_pixels:
        _log_limit(image, f"its frames have more than {max_pixels:,} pixels")
        return False
    return True


def _log_limit(image: ImageFile, reason: str) -> None:
    logger.warning(
        "%s image of %d frames and %d×%d pixels is not converted to an animated GIF, because %s",
        image.format,
        _frame_count(image),
        image.width,
        image.height,
        reason,
    )
