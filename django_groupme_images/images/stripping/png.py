"""The parts of a PNG that are not metadata."""

from __future__ import annotations

import re
import struct
import zlib

from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.formats.exif import EXIF_SIGNATURE
from django_groupme_images.images.formats.png import PNG_END, PNG_SIGNATURE, png_chunks
from django_groupme_images.images.streams import Part

from .display_metadata import MAX_METADATA_SIZE, kept_exif

__all__ = ["png_parts"]

# The ancillary chunks that affect pixels, and those of the frames of an APNG. Apple's iDOT is not
# one of them: it contains offsets, which are wrong after another chunk is removed. Neither is sPLT,
# a palette for displays of few colors, which has a name.
_KEPT_CHUNKS = frozenset(
    b"tRNS gAMA cHRM sRGB iCCP sBIT bKGD hIST pHYs cICP mDCV cLLI acTL fcTL fdAT".split()
)
# Chunks that define the colors, which take precedence over EXIF.
_COLOR_CHUNKS = frozenset(b"cHRM sRGB iCCP cICP".split())

# The keywords of text chunks that contain XMP, and EXIF as older programs write it.
_XMP, _TEXT_EXIF = b"XML:com.adobe.xmp", b"Raw profile type exif"
_MAX_KEYWORD_SIZE = 80  # bytes with the zero after it

# The data of a text chunk after its keyword: a byte if the text is compressed, and then the text.
_TEXT_PATTERNS = {
    b"tEXt": re.compile(rb"()(.*)", re.DOTALL),
    b"zTXt": re.compile(rb"(\0)(.*)", re.DOTALL),
    b"iTXt": re.compile(rb"(?:\x00|(\x01)).[^\0]*\0[^\0]*\0(.*)", re.DOTALL),
}


def png_parts(reader: BlockReader) -> list[Part]:
    """
    Return the parts of a PNG that affect its pixels and colors, up to IEND.

    If only metadata contains the orientation or the color space, EXIF that contains only these
    values is added. Raise ``MalformedImage`` if there is no image data, or if there are too many
    chunks.
    """
    parts: list[Part] = [range(len(PNG_SIGNATURE))]
    metadata: dict[bytes, bytes] = {}
    first_data, has_profile = 0, False
    for chunk_type, chunk in png_chunks(reader):
        if chunk_type == b"IDAT":
            first_data = first_data or len(parts)
        # An uppercase letter marks a critical chunk, which decoders must not skip.
        if chunk_type in _KEPT_CHUNKS or chunk_type[:1].isupper():
            has_profile |= chunk_type in _COLOR_CHUNKS
            parts.append(PNG_END if chunk_type == b"IEND" and len(chunk) > len(PNG_END) else chunk)
        else:
            _add_metadata(metadata, reader, chunk_type, chunk)
    exif = metadata.get(b"eXIf") or metadata.get(_TEXT_EXIF, b"")
    exif = kept_exif(exif, metadata.get(_XMP, b""), has_profile=has_profile)
    parts.insert(first_data, exif and _chunk(b"eXIf", exif.removeprefix(EXIF_SIGNATURE)))
    return parts


def _add_metadata(
    metadata: dict[bytes, bytes], reader: BlockReader, chunk_type: bytes, chunk: range
) -> None:
    """Add the EXIF or XMP in a chunk, unless there is already one, by its type or keyword."""
    start, stop = chunk.start + 8, chunk.stop - 4
    key = chunk_type
    if chunk_type in _TEXT_PATTERNS:
        head = reader.read(start, min(stop - start, _MAX_KEYWORD_SIZE))
        key = head.partition(b"\0")[0]
        start += len(key) + 1
    if key in (b"eXIf", _XMP, _TEXT_EXIF) and key not in metadata:
        data = reader.read(start, min(max(stop - start, 0), MAX_METADATA_SIZE))
        metadata[key] = data if key == chunk_type else _text(key, chunk_type, data)


def _text(keyword: bytes, chunk_type: bytes, data: bytes) -> bytes:
    """Return the XMP, or the EXIF in hexadecimal digits, from the data of a text chunk."""
    match = _TEXT_PATTERNS[chunk_type].match(data)
    if not match:
        return b""
    text = _decompressed(match[2]) if match[1] else match[2]
    return text if keyword == _XMP else _decoded_exif(text)


def _decompressed(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_METADATA_SIZE)
    except zlib.error:
        return b""


def _decoded_exif(text: bytes) -> bytes:
    # The first lines are the type of the profile, and its size in bytes.
    try:
        digits = "".join(text.decode("ascii").split("\n")[3:])
        return bytes.fromhex(digits[: len(digits) // 2 * 2])  # The text may be truncated.
    except ValueError:
        return b""


def _chunk(chunk_type: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(chunk_type + data)
    return struct.pack(">L4s", len(data), chunk_type) + data + struct.pack(">L", checksum)
