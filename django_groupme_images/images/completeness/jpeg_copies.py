"""Small copies of a JPEG, which show whether the data of its last scan is complete."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django_groupme_images.images.formats.jpeg import SOS, jpeg_segment
from django_groupme_images.images.streams import Part

from .jpeg_scans import DQT, Frame, JpegScans, Scan

__all__ = ["JpegCopy", "copies_of_last_scan"]

# In a file of high quality, some coefficients are multiplied by such small steps that they do not
# change any pixel of a plain area. With this step, all of them do.
_LARGE_STEP = 64


@dataclass(frozen=True)
class JpegCopy:
    """
    A JPEG whose last part is the header of its last scan.

    ``mode`` and ``size`` are the arguments of Pillow's ``draft()`` with which it is decoded.
    """

    parts: list[Part]
    mode: str | None
    size: tuple[int, int] | None


def copies_of_last_scan(jpeg: JpegScans) -> list[JpegCopy]:
    """
    Return two copies of a JPEG without the data of its last scan.

    To save memory and time, only the scans that the last one refines are included. If the last scan
    has a single component, the copies have no other one. Otherwise, one copy is decoded at an
    eighth of its size, which shows the first coefficient of each block. The other copy is decoded
    in shades of gray, which show the other coefficients.
    """
    *_, last_scan = jpeg.scans
    ids = list(last_scan.tables)
    frame = jpeg.frame if len(ids) > 1 else _frame_of_component(jpeg.frame, ids[0])
    own, large = (list(_copied_parts(jpeg, frame, step)) for step in (None, _LARGE_STEP))
    gray = JpegCopy(large, "L", None)
    return [JpegCopy(own, None, (1, 1)) if len(ids) > 1 else JpegCopy(own, "L", None), gray]


def _frame_of_component(frame: Frame, component_id: int) -> Frame:
    """Return a frame that contains one component alone, in its own size."""
    horizontal = max(component.horizontal_sampling for component in frame.components)
    vertical = max(component.vertical_sampling for component in frame.components)
    component = next(component for component in frame.components if component.id == component_id)
    return replace(
        frame,
        width=-(-frame.width * component.horizontal_sampling // horizontal),
        height=-(-frame.height * component.vertical_sampling // vertical),
        components=[replace(component, horizontal_sampling=1, vertical_sampling=1)],
    )


def _copied_parts(jpeg: JpegScans, frame: Frame, step: int | None) -> Iterator[Part]:
    yield b"\xff\xd8"
    yield from _quantization_tables(jpeg, frame, step)
    yield _frame_segment(frame)
    *_, last_scan = jpeg.scans
    for part in jpeg.parts:
        if isinstance(part, range):
            yield part
        elif part is last_scan:
            yield _scan_header(part, frame)
        elif frame.is_progressive and part.first and part.tables.keys() == last_scan.tables.keys():
            yield _scan_header(part, frame)
            yield part.data


def _quantization_tables(jpeg: JpegScans, frame: Frame, step: int | None) -> Iterator[bytes]:
    """Yield a table for each component: its own steps, or a larger step where it is visible."""
    for number, component in enumerate(frame.components):
        steps = jpeg.steps.get(component.table, bytes(64))
        if step:
            # The first coefficient of a sequential scan is so large that the others would have no
            # effect compared with it.
            first = step if frame.is_progressive else steps[0]
            steps = bytes([first] + 63 * [step])
        yield jpeg_segment(DQT, bytes([number]) + steps)


def _frame_segment(frame: Frame) -> bytes:
    content = struct.pack(">BHHB", 8, frame.height, frame.width, len(frame.components))
    for number, component in enumerate(frame.components):
        sampling = component.horizontal_sampling << 4 | component.vertical_sampling
        content += bytes([_new_id(number), sampling, number])
    return jpeg_segment(frame.code, content)


def _scan_header(scan: Scan, frame: Frame) -> bytes:
    content = bytes([len(scan.tables)])
    for number, component in enumerate(frame.components):
        if component.id in scan.tables:
            content += bytes([_new_id(number), scan.tables[component.id]])
    return jpeg_segment(SOS, content + bytes([scan.first, scan.last, scan.bits]))


def _new_id(number: int) -> int:
    # Decoders regard components of these IDs as colors, which all affect a shade of gray. Of the
    # usual components, only the luminance does.
    return b"RGBK"[number]
