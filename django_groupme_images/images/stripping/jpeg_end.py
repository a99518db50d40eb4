"""The end of the image data in a JPEG without EOI, found with a decoder."""

from __future__ import annotations

import io
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from django_groupme_images.images.bands import pixel_digest
from django_groupme_images.images.block_reader import BLOCK_SIZE, BlockReader
from django_groupme_images.images.formats.jpeg import JPEG_END, NOT_IN_SCAN
from django_groupme_images.images.formats.malformed import MalformedImage
from django_groupme_images.images.opening.limits import limited_view
from django_groupme_images.images.streams import (
    BUFFER_SIZE,
    ContentReadError,
    Part,
    SplicedFile,
    UploadBody,
)

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Frame", "end_of_data"]


def _continuation(data: bytes, first_marker: int) -> bytes:
    """Return the data before and after each restart marker, beginning with that of this number."""
    numbers = range(first_marker, first_marker + 8)
    return b"".join(data + b"\xff%c" % (0xD0 + number % 8) for number in numbers) + data


# Data that may follow a position. At EOI, a decoder continues with zeros. The other continuations
# begin with ones. A decoder that expects a restart marker skips data and some markers before it.
_CONTINUATIONS = (_continuation(b"\xb5" * 32, 4), b"", _continuation(b"\xdd\x92" * 16, 0))

# Pillow reads this many bytes at a time, and no more after the last row of a sequential image.
_READ_SIZE = 64
# The 64 coefficients of a block need at most 240 bytes, of which each may be escaped by another. At
# each edge, subsampling adds up to 4 blocks.
_MAX_BLOCK_SIZE, _EXTRA_BLOCKS = 512, 5

# Rows and columns in the corner of a block that its neighbors do not affect.
_CORNER = 4
_MAX_HEIGHT = 65_500  # pixels that libjpeg decodes


class Frame:
    """The frame header of a JPEG. ``data`` is its segment, of which 33 bytes are sufficient."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 10:
            raise MalformedImage("the JPEG has no frame header")
        self.data = data
        self.height: int
        self.width: int
        self.components: int
        self.height, self.width, self.components = struct.unpack_from(">HHB", data, 5)

    @property
    def max_data_size(self) -> int:
        """The maximum size of the data of a scan, in bytes."""
        blocks = (self.width // 8 + _EXTRA_BLOCKS) * (self.height // 8 + _EXTRA_BLOCKS)
        return self.components * blocks * _MAX_BLOCK_SIZE

    def taller(self) -> Frame | None:
        """Return a frame with another row of blocks, or ``None`` if it would be too tall."""
        factors = self.data[11 : 10 + 3 * self.components : 3]
        rows = 8 * max(factor & 15 for factor in factors) if self.components > 1 else 8
        height = (self.height + rows - 1) // rows * rows + rows
        if height > _MAX_HEIGHT:
            return None
        return Frame(self.data[:5] + height.to_bytes(2, "big") + self.data[7:])


def end_of_data(
    file: IO[bytes],
    parts: Iterable[Part],
    scan: range,
    frame: Frame,
    *,
    has_one_scan: bool,
    max_pixels: int,
) -> int | None:
    """
    Return the position where the data of a JPEG's last scan ends, or ``None`` if it is truncated.

    ``parts`` are those before the scan, without metadata. The image is decoded about 15 times, and
    up to 40 times if a long trailer follows.

    Raise ``MalformedImage`` if the image cannot be decoded, or if it has more than ``max_pixels``
    pixels, or a quarter of them in several scans. Exceptions of ``file.read()`` are not caught.
    """
    # Images of several scans take longer to decode, also up to the end of the last scan.
    if frame.width * frame.height > (max_pixels if has_one_scan else max_pixels // 4):
        raise MalformedImage("the JPEG has no end marker, and has too many pixels")
    source = SplicedFile(cast("IO[bytes]", UploadBody(file)), [*parts, scan])
    try:
        # The view leaves out segments before the scan that would take Pillow too long.
        view = limited_view(io.BufferedReader(source, BUFFER_SIZE), "JPEG")
        offset = view.seek(0, io.SEEK_END) - len(scan)
        decoder = _Decoder(view, offset)
        end = _end(decoder, frame, decoder.with_extra_blocks(frame) if has_one_scan else None)
    except ContentReadError as error:
        raise error.reason from None
    return None if end is None else end - offset + scan.start


def _end(decoder: _Decoder, frame: Frame, taller: _Decoder | None) -> int | None:
    stop = decoder.read_limit(frame.max_data_size)
    if taller and (end := _exact_end(taller, stop)):
        return end
    # If the last bits do not affect the pixels, the result is up to two bytes before the end.
    expected = decoder.digest(stop, b"")
    checks = [partial(_is_same, decoder, expected, data) for data in _CONTINUATIONS]
    if not all(check(stop) for check in checks):
        return None
    before_zeros = decoder.end_without(b"\0", stop)
    if all(check(before_zeros) for check in checks):
        stop = before_zeros
    end = _first(checks[0], decoder.data, stop)
    while failed := next((check for check in checks if not check(end)), None):
        end = _first(failed, end + 1, stop)
    return end


def _exact_end(taller: _Decoder, stop: int) -> int | None:
    """Return the end of the data of an image to which a row of blocks was added, if it is known."""
    # If the last block has too few bits, libjpeg leaves the next one gray. It may also be gray for
    # other reasons. Then the end is not known.
    gray = taller.corner(taller.data)

    def is_enough(position: int) -> bool:
        return taller.corner(position) != gray

    return _first(is_enough, taller.data, stop) if is_enough(stop) else None


def _is_same(decoder: _Decoder, expected: bytes, data: bytes, position: int) -> bool:
    return decoder.digest(position, data) == expected


def _first(check: Callable[[int], bool], start: int, stop: int) -> int:
    """Return the first position from ``start`` that passes the check, as ``stop`` does."""
    if check(start):
        return start
    step = 8  # Most trailers are short.
    while stop - step > start and check(stop - step):
        stop, step = stop - step, 8 * step
    positions = range(max(start, stop - step), stop)
    return positions.start + bisect_left(positions, True, key=check)


class _Decoder:
    """
    A decoder of a JPEG whose last scan can be truncated at any position.

    ``data`` is the position of the first byte of the scan's data.
    """

    def __init__(self, file: IO[bytes], scan: int) -> None:
        self._file, self._scan = file, scan
        self._reader = BlockReader(file)
        self.data = scan + 2 + int.from_bytes(self._reader.read(scan + 2, 2), "big")

    def with_extra_blocks(self, frame: Frame) -> _Decoder | None:
        """Return a decoder for the same data, but with another row of blocks, if possible."""
        if not (taller := frame.taller()):
            return None
        header = self._reader.read(0, self._scan).replace(frame.data, taller.data, 1)
        parts: list[Part] = [header, range(self._scan, self._reader.size)]
        view = io.BufferedReader(SplicedFile(self._file, parts), BUFFER_SIZE)
        return _Decoder(view, self._scan)

    def read_limit(self, max_size: int) -> int:
        """
        Return a position after the end of the data, which has at most ``max_size`` bytes.

        Raise ``MalformedImage`` if the image cannot be decoded.
        """
        stop = min(self._reader.size, self.data + max_size)
        # Decoders read these bytes as a marker, so the data ends before them.
        stop = min(stop, self._reader.find(NOT_IN_SCAN, self.data) or stop)
        return min(stop, self._decode(stop, read_size=_READ_SIZE)[1])

    def end_without(self, byte: bytes, stop: int) -> int:
        """Return the position after the last other byte of the data before ``stop``."""
        return self._reader.end_without(byte, self.data, stop)

    def digest(self, stop: int, data: bytes) -> bytes:
        """Return a digest of the pixels if ``data`` and EOI follow the position."""
        image, _ = self._decode(stop, data)
        return pixel_digest(image)

    def corner(self, stop: int) -> bytes:
        """Return the lower left corner of the pixels if EOI follows the position."""
        image, _ = self._decode(stop)
        return image.crop((0, image.height - _CORNER, _CORNER, image.height)).tobytes()

    def _decode(
        self, stop: int, data: bytes = b"", read_size: int = BLOCK_SIZE
    ) -> tuple[Image, int]:
        """Return the decoded image, and the position up to which the decoder has read it."""
        from PIL.JpegImagePlugin import JpegImageFile

        # Without FF before it, the next byte is not read as the code of a marker.
        parts: list[Part] = [range(self.end_without(b"\xff", stop)), data + JPEG_END]
        source = SplicedFile(self._file, parts)
        try:
            image = JpegImageFile(cast("IO[bytes]", source))
            image.draft("YCbCr", None)  # Files contain this mode, so no value is rounded.
            image.decodermaxblock = read_size
            image.load()
        except ContentReadError:
            raise
        except Exception as error:
            raise MalformedImage("the JPEG could not be decoded") from error
        return image, source.tell()
