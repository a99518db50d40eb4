"""Photographs in the file structures of phones, cameras, scanners, and editors, with metadata."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageCms

from .emulator_pictures import encoded

CITY = "Reykjavik"
OWNER = "Sigurlaug Jonsdottir"
SERIAL_NUMBER = b"SN-0472-1138"
# 64° 8' 47.7612" N, 21° 56' 33.4248" W, as numerator and denominator
LATITUDE = [(64, 1), (8, 1), (477_612, 10_000)]
LONGITUDE = [(21, 1), (56, 1), (334_248, 10_000)]
ISO_6709 = b"+64.1466-021.9426/"

#: All representations of the place and of the person in the files of this module.
TRACES = [
    CITY.encode(),
    CITY.encode("utf-16-le"),
    OWNER.encode(),
    SERIAL_NUMBER,
    ISO_6709,
    b"64,8.79602N",
    struct.pack(">LL", *LATITUDE[2]),
    struct.pack("<LL", *LATITUDE[2]),
    struct.pack(">LL", *LONGITUDE[2]),
    struct.pack("<LL", *LONGITUDE[2]),
]

XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="64,8.79602N" '
    f'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="{CITY}" '
    f'xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:OwnerName="{OWNER}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()
XMP_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"


# A photograph without metadata


def scene(size: tuple[int, int] = (96, 64), mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return a colorful image, so that its scan contains many different bytes."""
    grain = random.Random(seed).randbytes(size[0] * size[1] * 3)
    image = Image.blend(
        Image.frombytes("RGB", size, grain),
        Image.radial_gradient("L").resize(size).convert("RGB"),
        0.5,
    )
    return image.convert(mode)


def profile(length: int = 0) -> bytes:
    """Return an ICC profile, padded to this length."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().ljust(length, b"\1")


# JPEG: segments


def segment(code: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def jpeg(
    *segments: bytes, image: Image.Image | None = None, jfif: bool = True, **options: Any
) -> bytes:
    """Return a JPEG with these segments at its beginning, after JFIF if ``jfif`` is true."""
    data = encoded(image or scene(), "JPEG", **options)
    has_jfif = data[6:10] == b"JFIF"
    rest = data[20:] if has_jfif else data[2:]
    return data[:2] + (data[2:20] if has_jfif and jfif else b"") + b"".join(segments) + rest


def comment(text: str) -> bytes:
    return segment(0xFE, text.encode())


def app1(exif: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + exif)


def xmp(packet: bytes = XMP) -> bytes:
    return segment(0xE1, XMP_SIGNATURE + packet)


def extended_xmp(length: int) -> list[bytes]:
    packet = (XMP * (length // len(XMP) + 1))[:length]
    start = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF" * 2
    return [
        segment(0xE1, start + struct.pack(">LL", length, at) + packet[at : at + 65_400])
        for at in range(0, length, 65_400)
    ]


def icc(data: bytes) -> list[bytes]:
    pieces = [data[at : at + 65_519] for at in range(0, len(data), 65_519)]
    return [
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece)
        for number, piece in enumerate(pieces, 1)
    ]


# PNG: chunks


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L4s", len(data), kind) + data + struct.pack(">L", zlib.crc32(kind + data))


def png(
    *chunks: bytes, last: bytes = b"", image: Image.Image | None = None, **options: Any
) -> bytes:
    """Return a PNG with these chunks after its header, and with ``last`` before its end."""
    data = encoded(image or scene(), "PNG", **options)
    return data[:33] + b"".join(chunks) + data[33:-12] + last + data[-12:]


# EXIF: a small TIFF file

Entries = dict[int, Any]


def exif(
    order: str,
    main: Entries,
    camera: Entries | None = None,
    *,
    gps: bool = True,
    thumbnail: bytes = b"",
) -> bytes:
    """Return the directories IFD0, Exif, GPS, and, with a thumbnail, IFD1, in this byte order."""
    places = _gps() if gps else {}
    entries = {**main, 0x8769: 0, 0x8825: 0}
    camera_at = 8 + len(_directory(order, entries, 8))
    gps_at = camera_at + len(_directory(order, camera or {}, camera_at))
    second_at = gps_at + len(_directory(order, places, gps_at))
    entries |= {0x8769: camera_at, 0x8825: gps_at}
    second = b""
    if thumbnail:
        # The tags are the compression, the offset, and the length of the thumbnail.
        tags = {0x0103: [6], 0x0201: 0, 0x0202: len(thumbnail)}
        tags[0x0201] = second_at + len(_directory(order, tags, second_at))
        second = _directory(order, tags, second_at) + thumbnail
    header = {">": b"MM\0*", "<": b"II*\0"}[order] + struct.pack(order + "L", 8)
    return (
        header
        + _directory(order, entries, 8, second_at if thumbnail else 0)
        + _directory(order, camera or {}, camera_at)
        + _directory(order, places, gps_at)
        + second
    )


def _gps() -> Entries:
    return {1: "N", 2: LATITUDE, 3: "W", 4: LONGITUDE, 0x1B: b"ASCII\0\0\0GPS", 0x1D: "2026:07:04"}


def _directory(order: str, entries: Entries, at: int, following: int = 0) -> bytes:
    fields, values = b"", b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, entry in sorted(entries.items()):
        kind, count, value = _value(order, entry)
        if len(value) > 4:
            offset = values_at + len(values)
            values += value + b"\0" * (len(value) % 2)
            value = struct.pack(order + "L", offset)
        fields += struct.pack(order + "HHL", tag, kind, count) + value.ljust(4, b"\0")
    start = struct.pack(order + "H", len(entries))
    return start + fields + struct.pack(order + "L", following) + values


def _value(order: str, value: Any) -> tuple[int, int, bytes]:
    if isinstance(value, str):
        return 2, len(value) + 1, value.encode() + b"\0"
    if isinstance(value, bytes):
        return 7, len(value), value
    if isinstance(value, int):
        return 4, 1, struct.pack(order + "L", value)
    if isinstance(value[0], int):
        return 3, len(value), struct.pack(f"{order}{len(value)}H", *value)
    return 5, len(value), b"".join(struct.pack(order + "LL", *pair) for pair in value)


def described(make: str, orientation: int = 1) -> Entries:
    """Return the tags of IFD0: maker, orientation, photographer, and a comment in UTF-16."""
    return {
        0x010F: make,
        0x0112: [orientation],
        0x013B: OWNER,
        0x9C9C: CITY.encode("utf-16-le"),
    }


# Photographs of each maker


def iphone() -> bytes:
    """Return a big-endian file with an orientation, followed by a depth map as another JPEG."""
    note = b"Apple iOS\0\0\1MM" + SERIAL_NUMBER
    depth = jpeg(app1(exif(">", described("Apple"))), xmp(), image=scene((48, 32), "L", seed=1))
    segments = [app1(exif(">", described("Apple", 6), {0x927C: note})), xmp(), *icc(profile())]
    length = len(jpeg(*segments, _mpf(0, 0, 0), jfif=False))
    header_at = 2 + len(b"".join(segments)) + 8
    return jpeg(*segments, _mpf(length, len(depth), length - header_at), jfif=False) + depth


def _mpf(first: int, second: int, second_at: int) -> bytes:
    entries = struct.pack(">LLLL", 0x20030000, first, 0, 0)
    entries += struct.pack(">LLLL", 0x00020002, second, second_at, 0)
    directory = _directory(">", {0xB000: b"0100", 0xB001: 2, 0xB002: entries}, 8)
    return segment(0xE2, b"MPF\0MM\0*" + struct.pack(">L", 8) + directory)


def samsung() -> bytes:
    """Return a little-endian file with a thumbnail, undocumented segments, and a trailer."""
    tags = exif("<", described("samsung", 3), thumbnail=jpeg(image=scene((32, 24))))
    trailer = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1783123200000" + CITY.encode() + XMP
    trailer += b"SEFH" + struct.pack("<LLL", 107, 1, len(trailer)) + b"\x0c\0\0\0SEFT"
    vendor = [segment(0xE4, b"\0\1" + SERIAL_NUMBER * 90), segment(0xE5, OWNER.encode())]
    return jpeg(app1(tags), *vendor, jfif=False) + trailer


def pixel() -> bytes:
    """Return a motion photo: a video after the image, and more XMP than a segment can contain."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L4s", len(content) + 8, kind) + content

    place = box(b"\xa9xyz", struct.pack(">HH", len(ISO_6709), 0x15C7) + ISO_6709)
    film = box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", b"\xff\xd8\xff\xe1" * 99)
    film += box(b"moov", box(b"udta", place))
    gain_map = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    tags = app1(exif("<", described("Google")))
    return jpeg(tags, xmp(), *extended_xmp(150_000), gain_map, *icc(profile())) + film


def canon() -> bytes:
    """Return a file whose maker notes fill most of two EXIF segments."""
    note = (SERIAL_NUMBER + OWNER.encode()) * 1000
    tags = exif("<", described("Canon", 8), {0x927C: note, 0xA430: OWNER}, thumbnail=jpeg())
    more = exif(">", described("Canon", 3), {0x927C: note})
    return jpeg(app1(tags), app1(more), xmp(), segment(0xE3, b"Meta\0" + OWNER.encode()))


def photoshop() -> bytes:
    """Return a CMYK file that depends on its Adobe segment, with a profile in two segments."""
    city, by_line = (
        struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text.encode()
        for number, text in ((90, CITY), (80, OWNER))
    )
    iptc = struct.pack(">4sHHL", b"8BIM", 0x0404, 0, len(city + by_line)) + city + by_line
    return jpeg(
        app1(exif(">", described("Hasselblad"), gps=False)),
        segment(0xED, b"Photoshop 3.0\0" + iptc),
        segment(0xEC, b"Ducky\0" + OWNER.encode()),
        segment(0xEB, b"JP\0\1" + CITY.encode()),  # These are content credentials.
        xmp(),
        *icc(profile(90_000)),
        comment(f"{OWNER}, {CITY}"),
        image=scene(mode="CMYK"),
    )


def progressive() -> bytes:
    """Return a progressive file with comments, XMP, and EXIF also between its scans."""
    data = jpeg(comment(CITY), progressive=True, quality=95)
    scans = data.index(b"\xff\xda")
    between = comment(CITY) + b"\xff\xff" + xmp() + app1(exif("<", described("x", 5)))
    return data[:scans] + re.sub(rb"(?=\xff[\xc4\xda])", lambda _: between, data[scans:])


def scanner() -> bytes:
    """Return a file with thumbnails in JFIF and JFXX, and with restart markers in its scan."""
    thumbnail = scene((12, 8), seed=2).tobytes()
    jfif = segment(0xE0, b"JFIF\0\1\2\1\1,\1,\x0c\x08" + thumbnail)
    jfxx = segment(0xE0, b"JFXX\0\x13\x0c\x08" + thumbnail)
    note = comment(f"Scanned by {OWNER} in {CITY}")
    return jpeg(jfif, jfxx, note, jfif=False, restart_marker_blocks=1)


def screenshot() -> bytes:
    """Return a PNG with many metadata chunks, and with bytes after its end."""
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    return (
        png(
            chunk(b"iDOT", struct.pack(">7L", 2, 0, 32, 40, 32, 32, 999)),
            chunk(b"eXIf", exif(">", described("Apple"))),
            chunk(b"iTXt", text),
            chunk(b"tIME", struct.pack(">H5B", 2026, 7, 4, 12, 30, 0)),
            chunk(b"zTXt", b"Comment\0\0" + zlib.compress(CITY.encode())),
            chunk(b"gAMA", struct.pack(">L", 45_455)),
            last=chunk(b"tEXt", b"Author\0" + OWNER.encode()),
            image=scene(mode="RGBA"),
        )
        + ISO_6709
    )


def rotated_png() -> bytes:
    return png(chunk(b"eXIf", exif("<", described("x", 8))), icc_profile=profile(), dpi=(96, 96))


def palette() -> bytes:
    """Return a PNG with a palette, a transparent color, and a private chunk of an editor."""
    return png(
        chunk(b"prVt", OWNER.encode()),
        last=chunk(b"tEXt", b"Comment\0" + CITY.encode()),
        image=scene(mode="P"),
        transparency=3,
    )


def apng() -> bytes:
    frames = [scene((40, 30), seed=number) for number in range(3)]
    text = chunk(b"tEXt", b"Title\0" + CITY.encode())
    return png(
        text, last=text, image=frames[0], save_all=True, append_images=frames[1:], duration=50
    )


def gif() -> bytes:
    frames = [scene((40, 30), "P", seed=number) for number in range(2)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=CITY.encode())
    colors_end = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    trailer = bytes([1, *range(255, -1, -1), 0])
    extension = b"\x21\xff\x0bXMP DataXMP" + XMP + trailer
    return data[:colors_end] + extension + data[colors_end:]


#: Functions that make the files, by maker or by a description.
MAKERS: dict[str, Callable[[], bytes]] = {
    "iPhone": iphone,
    "Samsung": samsung,
    "Pixel": pixel,
    "Canon": canon,
    "Photoshop": photoshop,
    "progressive": progressive,
    "scanner": scanner,
    "screenshot": screenshot,
    "PNG on its side": rotated_png,
    "palette": palette,
    "APNG": apng,
}
