"""Images with the same private data in each place where files of their format can contain it."""

from __future__ import annotations

import struct
import zlib

from . import photographs
from .hostile_images import blocks
from .odd_images import animated
from .photographs import (
    CITY,
    XMP,
    app1,
    chunk,
    comment,
    described,
    exif,
    jpeg,
    png,
    scene,
    segment,
    xmp,
)

TEXT = CITY.encode()
EOI = b"\xff\xd9"

# JPEG

_EXIF = app1(exif("<", described("x")))
_THUMBNAIL = jpeg(comment(CITY), image=scene((16, 12)))
_JUMBF = b"JP\0\1\0\0\0\1" + struct.pack(">L4s", 60, b"jumb") + b"c2pa" + TEXT

JPEG_SEGMENTS = {
    **{f"APP{number}": segment(0xE0 + number, TEXT) for number in range(16)},
    "comment": comment(CITY),
    "exif": _EXIF,
    "second exif": _EXIF + _EXIF,
    "xmp": xmp(),
    "extended xmp": b"".join(photographs.extended_xmp(70_000)),
    "iptc": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\x0e\x1c\2\x5a\0\x09" + TEXT),
    "content credentials": segment(0xEB, _JUMBF),
    "JFIF with a thumbnail": segment(0xE0, b"JFIF\0\1\2\1\1,\1,\2\2" + TEXT + b"abc"),
    "JFXX": segment(0xE0, b"JFXX\0\x10" + _THUMBNAIL),
    "Adobe segment with more data": segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + TEXT),
    "FlashPix": segment(0xE2, b"FPXR\0" + TEXT),
    "list of images": segment(0xE2, b"MPF\0MM\0*" + TEXT),
    "fill bytes": b"\xff\xff\xff",
}
# Before a later scan, these are part of the data of the scan that precedes them.
JPEG_BYTES = {"bytes": TEXT, "escaped bytes": b"\xff\0" + TEXT + b"\xff\x41"}
_TRAILERS = {
    "text": TEXT,
    "zeros and text": bytes(500) + TEXT,
    "second image": photographs.canon(),
    "comment": comment(CITY),
    "film": b"\0\0\0\x18ftypmp42" + TEXT + b"\xff\xd8\xff\xe1" * 9,
    "samsung": photographs.samsung().partition(EOI + b"\0\0")[2],
}


def _in_jpeg(data: bytes, part: bytes) -> dict[str, bytes]:
    first_scan = data.index(b"\xff\xda")
    places = {"the beginning": 2, "a table": data.index(b"\xff\xdb"), "the first scan": first_scan}
    if data.count(b"\xff\xda") > 1:
        places["the last scan"] = data.rindex(b"\xff\xc4")
    return {place: data[:at] + part + data[at:] for place, at in places.items()}


def _jpegs() -> dict[str, bytes]:
    files = {}
    for kind, data in (("jpeg", jpeg()), ("progressive", jpeg(progressive=True))):
        for name, part in JPEG_SEGMENTS.items():
            for place, file in _in_jpeg(data, part).items():
                files[f"{kind}, {name} before {place}"] = file
        for name, part in JPEG_BYTES.items():
            place = data.index(b"\xff\xdb")
            files[f"{kind}, {name} before a table"] = data[:place] + part + data[place:]
        for name, trailer in _TRAILERS.items():
            files[f"{kind}, {name} after its end"] = data + trailer
            files[f"{kind}, {name} in place of its end"] = data[:-2] + trailer
    return files


# PNG

_TEXTS = {
    b"tEXt": b"Comment\0" + TEXT,
    b"zTXt": b"Comment\0\0" + zlib.compress(TEXT),
    b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + XMP,
    b"eXIf": exif(">", described("x")),
    b"tIME": struct.pack(">H5B", 2026, 7, 4, 12, 30, 0),
    b"caBX": struct.pack(">L4s", 40, b"jumb") + b"c2pa" + TEXT,
    b"sPLT": TEXT + b"\0\x08" + bytes(6),
    b"pCAL": TEXT + b"\0" + bytes(10) + b"m",
    b"sCAL": b"\1" + TEXT + b"\0" + b"1",
    b"oFFs": bytes(9),
    b"gIFx": b"XMP DataXMP" + TEXT,
    b"dSIG": TEXT,
    b"sTER": b"\0",
    b"iDOT": TEXT,
    b"prVt": TEXT,
}


def _pngs() -> dict[str, bytes]:
    files = {}
    for kind, content in _TEXTS.items():
        name = kind.decode()
        files[f"png, {name} before its pixels"] = png(chunk(kind, content))
        files[f"png, {name} after its pixels"] = png(last=chunk(kind, content))
        files[f"png, {name} after its end"] = png() + chunk(kind, content)
    end = len(chunk(b"IEND", b""))
    files["png, text in its end"] = png()[:-end] + chunk(b"IEND", TEXT)
    files["png, text after its end"] = png() + TEXT
    files["png, another png after its end"] = png() + png(chunk(b"tEXt", b"Comment\0" + TEXT))
    return files


# GIF

GIF = animated("GIF", duration=[50, 100, 70, 80, 300], loop=3, disposal=2, comment=b"")
MAGIC_TRAILER = bytes([1, *range(255, -1, -1), 0])


def application(name: bytes, *data: bytes) -> bytes:
    return b"!\xff\x0b" + name + b"".join(bytes([len(part)]) + part for part in data) + b"\0"


def gif_xmp(packet: bytes = XMP, trailer: bytes = MAGIC_TRAILER) -> bytes:
    """Return an extension with XMP, which is not divided into sub-blocks."""
    return b"!\xff\x0bXMP DataXMP" + packet + trailer


GIF_EXTENSIONS = {
    "comment": b"!\xfe" + blocks(TEXT),
    "long comment": b"!\xfe" + blocks(TEXT * 100),
    "empty comment": b"!\xfe\0",
    "xmp": gif_xmp(),
    "xmp in sub-blocks": b"!\xff\x0bXMP DataXMP" + blocks(XMP),
    "profile": application(b"ICCRGBG1012", TEXT),
    "other application": application(b"ImageMagick", b"gamma=0.45", TEXT),
    "application without a name": b"!\xff\0",
    "application of a longer name": b"!\xff\x0cnETSCAPE2.0!\3\1\0\0\0",
    "plain text": b"!\x01\x0c" + bytes(12) + blocks(TEXT),
    "unknown extension": b"!\x42" + blocks(TEXT),
    "control without data": b"!\xf9\0",
    "control that is too short": b"!\xf9\3abc\0",
    "buffer size": application(b"NETSCAPE2.0", b"\2\0\0\0\1"),
    "text in place of a loop": application(b"NETSCAPE2.0", TEXT),
}


def _gifs() -> dict[str, bytes]:
    control, frame = GIF.index(b"!\xf9\4"), GIF.index(b",\0\0\0\0")
    files = {}
    for name, extension in GIF_EXTENSIONS.items():
        for place, at in (("a control", control), ("a frame", frame), ("its end", len(GIF) - 1)):
            files[f"gif, {name} before {place}"] = GIF[:at] + extension + GIF[at:]
        files[f"gif, {name} after its end"] = GIF + extension
    files["gif, text after its end"] = GIF + TEXT
    return files


#: All files, by a description.
HIDDEN = {**_jpegs(), **_pngs(), **_gifs()}
