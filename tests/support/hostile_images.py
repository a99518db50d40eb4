"""Files of 20 MB whose check takes as much time and memory as their format permits."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from . import photographs
from .emulator_pictures import encoded
from .odd_images import MPO, chunk, noise, segment

SIZE = 20_000_000  # bytes
_MAX_PIECES = 49_000  # Files with 50,000 pieces are rejected.

JPEG = encoded(noise(size=(64, 48)), "JPEG", progressive=True)
PNG = encoded(noise("P", (64, 48)), "PNG")
GIF = encoded(noise("P", (64, 48)), "GIF", comment=b"cat")
WEBP = encoded(noise(size=(64, 48)), "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
ICON = encoded(noise(size=(16, 16)), "ICO")
_SCAN = JPEG.index(b"\xff\xda")
_TABLES = JPEG.index(b"\xff\xdb")
_FRAME = GIF.index(b",\0\0\0\0")
_END = chunk(b"IEND", b"")

# Tags of one image directory, whose values all refer to the same bytes.
_TAGS = 2_600


def overlapping_exif(size: int) -> bytes:
    """Return EXIF of this size in bytes, in which each value spans nearly all bytes."""
    length = size - 8 - 2 - 12 * _TAGS
    fields = (struct.pack("<HHLL", tag, 7, length, 8) for tag in range(1000, 1000 + _TAGS))
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", _TAGS) + b"".join(fields)).ljust(size, b"\0")


def rational_exif(size: int) -> bytes:
    """Return EXIF of this size in bytes, whose resolution has as many fractions as fit."""
    count = (size - 100) // 8
    fields = struct.pack("<HHHLLHHLL", 2, 0x011A, 5, count, 40, 0x0128, 3, 1, 2)
    return (b"II*\0\x08\0\0\0" + fields).ljust(size, b"\1")


def filled(pattern: bytes, length: int = SIZE) -> bytes:
    return (pattern * (length // len(pattern) + 1))[:length]


def times(piece: bytes, max_count: int = SIZE) -> bytes:
    """Repeat the piece up to ``SIZE`` bytes, and at most ``max_count`` times."""
    return piece * min(SIZE // len(piece), max_count)


def bomb(length: int = 1 << 20) -> bytes:
    return zlib.compress(bytes(length), 9)


def long_bomb() -> bytes:
    """Return data that decompresses to 20 GB."""
    packer = zlib.compressobj(9)
    first, other = (
        packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + times(other)


def entropy(length: int = SIZE) -> bytes:
    """Return bytes like the data in the scan of a JPEG."""
    return random.Random(3).randbytes(length).replace(b"\xff", b"\xff\0")[:length]


def in_jpeg(*parts: bytes) -> bytes:
    """Return a JPEG with these parts before its tables."""
    return JPEG[:_TABLES] + b"".join(parts) + JPEG[_TABLES:]


def in_scan(data: bytes) -> bytes:
    return JPEG[:-2] + data + JPEG[-2:]


def after_palette(*parts: bytes) -> bytes:
    """Return a PNG with these parts before its pixels."""
    start = PNG.index(b"IDAT") - 4
    return PNG[:start] + b"".join(parts) + PNG[start:]


def before_end(*parts: bytes) -> bytes:
    return PNG[:-12] + b"".join(parts) + PNG[-12:]


def in_gif(data: bytes) -> bytes:
    """Return a GIF with the data before its first frame."""
    return GIF[:_FRAME] + data + GIF[_FRAME:]


def after_frame(data: bytes) -> bytes:
    return GIF[:-1] + data + GIF[-1:]


def ordinary_png() -> bytes:
    data = random.Random(4).randbytes(SIZE)
    parts = (chunk(b"IDAT", data[at : at + 65_536]) for at in range(0, SIZE, 65_536))
    return before_end(*parts)


def blocks(data: bytes, length: int = 255) -> bytes:
    """Return the data in blocks of a GIF."""
    pieces = (data[at : at + length] for at in range(0, len(data), length))
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def gif_frame(data: bytes, palette: bytes = b"") -> bytes:
    flags = 0x87 if palette else 0
    return b"," + struct.pack("<HHHHB", 0, 0, 1, 1, flags) + palette + b"\2" + data


def ordinary_gif() -> bytes:
    frame = gif_frame(blocks(random.Random(5).randbytes(100_000)))
    return after_frame(times(b"!\xf9\4\0\0\0\0\0" + frame))


def apng() -> bytes:
    frames = [chunk(b"acTL", struct.pack(">LL", _MAX_PIECES // 2, 0))]
    for number in range(_MAX_PIECES // 2):
        place = struct.pack(">LLLLLHHBB", 2 * number, 1, 1, 0, 0, 1, 10, 0, 0)
        frames += [
            chunk(b"fcTL", place),
            chunk(b"fdAT", struct.pack(">L", 2 * number + 1) + bytes(700)),
        ]
    return before_end(*frames)


def riff(*chunks: bytes) -> bytes:
    """Return a WebP with these chunks after its pixels."""
    data = WEBP[8:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(data)) + data


def riff_chunk(kind: bytes, length: int) -> bytes:
    return kind + struct.pack("<L", length) + bytes(length)


def riff_frames() -> bytes:
    """Return an animated WebP that repeats its first frame."""
    first = noise(size=(8, 8))
    data = encoded(first, "WEBP", save_all=True, append_images=[first.rotate(90)])
    start = data.index(b"ANMF")
    stop = data.index(b"ANMF", start + 4)
    data = data[8:start] + times(data[start:stop])
    return b"RIFF" + struct.pack("<L", len(data)) + data


def tiff(entries: dict[int, tuple[int, int, int]], length: int = SIZE) -> bytes:
    """
    Return a TIFF of this length in bytes.

    ``entries`` contains the type, the number of values, and the value or offset of each tag.
    """
    entries = {
        **dict.fromkeys((256, 257, 278), (4, 1, 64)),
        **dict.fromkeys((259, 262, 277), (3, 1, 1)),
        258: (3, 1, 8),
        273: (4, 1, 1000),
        279: (4, 1, 64 * 64),
        **entries,
    }
    fields = (struct.pack("<HHLL", tag, *entry) for tag, entry in sorted(entries.items()))
    directory = struct.pack("<LH", 8, len(entries)) + b"".join(fields)
    return (b"II*\0" + directory).ljust(length, b"\0")


def photoshop() -> bytes:
    return segment(b"\xff\xed", b"Photoshop 3.0\0" + filled(b"8BIM\4\4\0\0\0\0\0\0", 65_000))


def wide_frame() -> bytes:
    """Return a start-of-frame segment with as many components as fit."""
    return segment(b"\xff\xc2", b"\x08\0\x30\0\x40\3" + filled(b"\1\x11\0", 65_520))


def profile_parts(length: int, count: int) -> bytes:
    parts = (
        segment(b"\xff\xe2", b"ICC_PROFILE\0" + bytes([number % 256, count % 256]) + bytes(length))
        for number in range(count)
    )
    return b"".join(parts)


#: An ordinary file of each format.
ORDINARY: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: in_scan(entropy()),
    "png": ordinary_png,
    "gif": ordinary_gif,
    "webp": lambda: riff(riff_chunk(b"JUNK", SIZE)),
    "bmp": lambda: encoded(Image.new("RGB", (2600, SIZE // 7800)), "BMP"),
    "tiff": lambda: encoded(Image.new("RGB", (2600, SIZE // 7800)), "TIFF"),
    "ico": lambda: ICON + bytes(SIZE),
}

_LARGE = 65_533  # This is the longest content of a JPEG segment.

HOSTILE: dict[str, Callable[[], bytes]] = {
    # Between the segments of a JPEG
    "jpeg, fill bytes": lambda: in_jpeg(filled(b"\xff")),
    "jpeg, zeros": lambda: in_jpeg(filled(b"\0")),
    "jpeg, escaped fill bytes": lambda: in_jpeg(filled(b"\xff\0")),
    # Segments
    "jpeg, empty segments": lambda: in_jpeg(times(b"\xff\xe5\0\2")),
    "jpeg, segments": lambda: in_jpeg(times(segment(b"\xff\xe5", bytes(400)), _MAX_PIECES)),
    "jpeg, large segments": lambda: in_jpeg(times(segment(b"\xff\xe5", bytes(_LARGE)))),
    "jpeg, comments": lambda: in_jpeg(times(segment(b"\xff\xfe", bytes(400)), _MAX_PIECES)),
    "jpeg, profile": lambda: in_jpeg(profile_parts(65_000, 305)),
    "jpeg, profile of small parts": lambda: in_jpeg(profile_parts(390, _MAX_PIECES)),
    "jpeg, exif": lambda: in_jpeg(photographs.app1(bytes(65_000)) * 100, b"\xff\xfe\0\2"),
    "jpeg, exif of overlapping values": lambda: in_jpeg(
        photographs.app1(overlapping_exif(65_000)), times(segment(b"\xff\xe5", bytes(_LARGE)))
    ),
    "jpeg, exif of many fractions": lambda: (
        JPEG[:2]
        + photographs.app1(rational_exif(65_000))
        + photographs.app1(b"\1" * 65_000) * 99
        + JPEG[20:]
    ),
    "jpeg, kept and removed segments": lambda: in_jpeg(
        times(segment(b"\xff\xe2", b"ICC_PROFILE\0") + segment(b"\xff\xfe", b""), _MAX_PIECES // 2)
    ),
    "jpeg, thumbnails": lambda: in_jpeg(
        times(segment(b"\xff\xe0", b"JFIF\0" + bytes(390)), _MAX_PIECES)
    ),
    "jpeg, xmp": lambda: in_jpeg(times(photographs.xmp(filled(photographs.XMP, 65_000)))),
    "jpeg, extended xmp": lambda: in_jpeg(*photographs.extended_xmp(SIZE)),
    "jpeg, photoshop": lambda: in_jpeg(times(photoshop())),
    "jpeg, lists of images": lambda: in_jpeg(times(segment(b"\xff\xe2", b"MPF\0" + bytes(65_000)))),
    "jpeg, quantization tables": lambda: in_jpeg(
        times(segment(b"\xff\xdb", filled(b"\0" + bytes(64), 65_520)))
    ),
    "jpeg, small quantization tables": lambda: in_jpeg(
        times(segment(b"\xff\xdb", filled(b"\0" + bytes(64), 390)), _MAX_PIECES)
    ),
    "jpeg, huffman tables": lambda: in_jpeg(times(segment(b"\xff\xc4", bytes(_LARGE)))),
    "jpeg, starts of frames": lambda: in_jpeg(times(wide_frame())),
    "jpeg, small starts of frames": lambda: in_jpeg(
        times(JPEG[JPEG.index(b"\xff\xc2") :][:19], _MAX_PIECES)
    ),
    "jpeg, adobe": lambda: in_jpeg(times(segment(b"\xff\xee", b"Adobe" + bytes(390)), _MAX_PIECES)),
    "mpo, second image": lambda: MPO + entropy(),
    "jpeg, many of everything": lambda: (
        in_jpeg(
            profile_parts(65_000, 4),
            photoshop() * 3,
            photographs.app1(rational_exif(65_000)),
            segment(b"\xff\xdb", filled(b"\0" + bytes(64), 65 * 900)),
            segment(b"\xff\xe5", b"") * 48_000,
        )[:-2]
        + filled(b"\xff", SIZE - 1_000_000)
        + JPEG[-2:]
    ),
    # In the scans of a JPEG
    "jpeg, fill bytes in a scan": lambda: in_scan(filled(b"\xff")),
    "jpeg, restart markers": lambda: in_scan(filled(b"\xff\xd0\xff\xd1")),
    "jpeg, escaped bytes": lambda: in_scan(filled(b"\xff\0")),
    "jpeg, almost markers": lambda: in_scan(filled(b"\xff\x01\xd9")),
    "jpeg, ends without a marker": lambda: in_scan(filled(b"\xd9")),
    "jpeg, without an end": lambda: in_scan(entropy())[:-2],
    "jpeg, scans": lambda: in_scan(times(JPEG[_SCAN:][:400], _MAX_PIECES)),
    "jpeg, empty scans": lambda: in_scan(times(JPEG[_SCAN:][:10])),
    "jpeg, comments in a scan": lambda: in_scan(
        times(segment(b"\xff\xfe", bytes(400)), _MAX_PIECES)
    ),
    "jpeg, large comments in a scan": lambda: in_scan(
        times(segment(b"\xff\xfe", bytes(_LARGE)) + bytes(65_530))
    ),
    # Compressed chunks of a PNG
    "png, profiles": lambda: after_palette(times(chunk(b"iCCP", b"A\0\0" + bomb()))),
    "png, small profiles": lambda: after_palette(
        times(chunk(b"iCCP", b"A\0\0" + bomb(380_000)), _MAX_PIECES)
    ),
    "png, a profile": lambda: after_palette(chunk(b"iCCP", b"A\0\0" + long_bomb())),
    "png, a profile that is kept": lambda: after_palette(
        chunk(b"iCCP", b"A\0\0" + zlib.compress(random.Random(6).randbytes(SIZE)))
    ),
    "png, compressed text": lambda: after_palette(times(chunk(b"zTXt", b"a\0\0" + bomb()))),
    "png, small compressed text": lambda: after_palette(
        times(chunk(b"zTXt", b"a\0\0" + bomb(380_000)), _MAX_PIECES)
    ),
    "png, compressed texts of many names": lambda: after_palette(
        *(chunk(b"zTXt", b"%d\0\0" % number + bomb()) for number in range(60)),
        chunk(b"teXt", bytes(SIZE)),
    ),
    "png, a compressed text": lambda: after_palette(
        chunk(b"zTXt", b"a\0\0" + zlib.compress(random.Random(7).randbytes(SIZE)))
    ),
    "png, international text": lambda: after_palette(
        times(chunk(b"iTXt", b"a\0\1\0\0\0" + bomb()))
    ),
    # Other chunks of a PNG
    "png, empty chunks": lambda: after_palette(times(chunk(b"teXt", b""))),
    "png, empty pixel data": lambda: after_palette(times(chunk(b"IDAT", b""))),
    "png, small pixel data": lambda: before_end(times(chunk(b"IDAT", bytes(390)), _MAX_PIECES)),
    "png, chunks": lambda: after_palette(times(chunk(b"teXt", bytes(390)), _MAX_PIECES)),
    "png, public chunks": lambda: after_palette(times(chunk(b"tIME", bytes(390)), _MAX_PIECES)),
    "png, chunks after its pixels": lambda: before_end(
        times(chunk(b"teXt", bytes(390)), _MAX_PIECES)
    ),
    "png, text": lambda: after_palette(
        *(chunk(b"tEXt", b"%d\0" % number + bytes(385)) for number in range(_MAX_PIECES))
    ),
    "png, a text": lambda: after_palette(chunk(b"tEXt", b"a\0" + bytes(SIZE))),
    "png, an unknown chunk": lambda: after_palette(chunk(b"teXt", bytes(SIZE))),
    "png, pixel data in one chunk": lambda: before_end(chunk(b"IDAT", bytes(SIZE))),
    "png, exif": lambda: after_palette(chunk(b"eXIf", bytes(SIZE))),
    "png, exifs of overlapping values": lambda: after_palette(
        times(chunk(b"eXIf", overlapping_exif(131_000)), 100)
    ),
    "png, small exifs": lambda: after_palette(
        times(chunk(b"eXIf", b"II*\0\x08\0\0\0"), _MAX_PIECES)
    ),
    "png, palette": lambda: PNG[:33] + chunk(b"PLTE", bytes(SIZE)) + PNG[33:],
    "png, palettes": lambda: PNG[:33] + times(chunk(b"PLTE", bytes(390)), _MAX_PIECES) + PNG[33:],
    "png, transparency": lambda: after_palette(chunk(b"tRNS", filled(b"\xff") + b"\1")),
    "png, transparencies": lambda: after_palette(times(chunk(b"tRNS", b"\xff" * 390), _MAX_PIECES)),
    "png, header": lambda: PNG[:8] + chunk(b"IHDR", PNG[16:29] + bytes(SIZE)) + PNG[33:],
    "png, headers": lambda: PNG[:8] + times(PNG[8:33], _MAX_PIECES) + PNG[33:],
    "png, animations": lambda: after_palette(times(chunk(b"acTL", bytes(8)), _MAX_PIECES)),
    "png, frames": apng,
    "png, many of everything": lambda: after_palette(
        chunk(b"iCCP", b"A\0\0" + bomb()),
        chunk(b"iTXt", b"a\0\0\0\0\0" + "\N{CAT FACE}".encode() + bytes(480_000)),
        *(chunk(b"tEXt", b"%d\0" % number) for number in range(48_000)),
        chunk(b"teXt", bytes(SIZE - 2_000_000)),
    ),
    # GIF
    "gif, small blocks in a frame": lambda: after_frame(gif_frame(filled(b"\1\0") + b"\0")),
    "gif, small blocks after its frame": lambda: after_frame(b"!\xfe" + filled(b"\1\0") + b"\0"),
    "gif, small blocks before its frame": lambda: in_gif(b"!\xfe" + filled(b"\1\0") + b"\0"),
    "gif, some small blocks before its frame": lambda: in_gif(
        b"!\xfe" + filled(b"\1\0", 2_000_000) + blocks(bytes(SIZE))
    ),
    "gif, extensions before its frame": lambda: in_gif(times(b"!\xf9\0")),
    "gif, extensions after its frame": lambda: after_frame(times(b"!\xf9\0")),
    "gif, controls before its frame": lambda: in_gif(times(b"!\xf9\4\0\0\0\0\0")),
    "gif, loops": lambda: in_gif(times(b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0")),
    "gif, comments": lambda: in_gif(times(b"!\xfe\1x\0")),
    "gif, a comment": lambda: in_gif(b"!\xfe" + blocks(bytes(SIZE))),
    "gif, a comment without a frame": lambda: GIF[:_FRAME] + b"!\xfe" + blocks(bytes(SIZE)),
    "gif, an application": lambda: in_gif(b"!\xff\x0bXMP DataXMP" + blocks(bytes(SIZE))),
    "gif, frames": lambda: after_frame(times(gif_frame(b"\1\0\0"))),
    "gif, empty frames": lambda: after_frame(times(gif_frame(b"\0"))),
    "gif, frames of several blocks": lambda: after_frame(times(gif_frame(b"\1\0" * 190 + b"\0"))),
    "gif, palettes": lambda: after_frame(times(gif_frame(b"\0", bytes(768)))),
    "gif, zeros": lambda: after_frame(filled(b"\0")),
    "gif, zeros before its frame": lambda: in_gif(filled(b"\0")),
    "gif, zeros and extensions": lambda: after_frame(times(bytes(380) + b"!\xf9\0")),
    "gif, many of everything": lambda: (
        in_gif(b"!\xfe" + filled(b"\1\0", 30_000) + b"\0" + blocks(bytes(SIZE // 2)))[:-1]
        + filled(b"!\xf9\0", 290_000)
        + b"!\xfe"
        + filled(b"\1x", 3_600_000)
        + b"\0;"
    ),
    "gif, without an end": lambda: GIF[:-2] + filled(b"\1\0"),
    # Formats that have to be allowed
    "webp, chunks": lambda: riff(times(riff_chunk(b"JUNK", 0))),
    "webp, fewer chunks": lambda: riff(times(riff_chunk(b"JUNK", 1_000))),
    "webp, frames": riff_frames,
    "webp, a profile": lambda: riff(riff_chunk(b"ICCP", SIZE)),
    "webp, an xmp": lambda: riff(riff_chunk(b"XMP ", 2_000_000), riff_chunk(b"JUNK", SIZE)),
    "tiff, strips": lambda: tiff({273: (4, 2_400_000, 1000), 279: (4, 2_400_000, 1000)}),
    "tiff, fewer strips": lambda: tiff({273: (4, 20_000, 1000), 279: (4, 20_000, 1000)}),
    "tiff, fractions": lambda: tiff({282: (5, 2_400_000, 1000), 283: (5, 1, 1000)}),
    "tiff, fewer fractions": lambda: tiff({282: (5, 4_900, 1000)}),
    "tiff, a value": lambda: tiff({700: (7, SIZE - 1000, 1000)}),
    "tiff, values": lambda: tiff(dict.fromkeys(range(1000, 1900), (7, SIZE - 1000, 1000))),
    "tiff, overlapping values": lambda: tiff(dict.fromkeys(range(1000, 1900), (7, 60_000, 9))),
    "bmp, header": lambda: b"BM" + bytes(8) + struct.pack("<LL", SIZE, SIZE) + bytes(SIZE),
    "ico, entries": lambda: (
        ICON[:4] + struct.pack("<H", 65_535) + ICON[6:18] * 65_535 + bytes(SIZE - 800_000)
    ),
}
