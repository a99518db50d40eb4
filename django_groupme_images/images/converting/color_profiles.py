"""ICC profiles of RGB color spaces, built from the code points of video formats (CICP)."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

__all__ = ["ColorCode", "adobe_rgb_profile", "profile_of_code"]

_XYZ = tuple[float, float, float]

# The primaries red, green, and blue as XYZ, adapted to the white point D50 of ICC profiles.
_SRGB = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)
_DISPLAY_P3 = (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)
_BT2020 = (0.67348, 0.27904, -0.00193), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)
_ADOBE_RGB = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
_D50 = (0.9642, 1.0, 0.8249)
# The matrix that adapts colors from the white point D65 to D50.
_ADAPTATION = (1.04788, 0.02292, -0.05022, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168)

# The numbers are code points of the standard H.273. The primaries of standard-definition video,
# which are not listed, are close to those of sRGB.
_WIDE_PRIMARIES = {
    9: ("BT.2020", _BT2020),
    11: ("Display P3", _DISPLAY_P3),  # DCI-P3 has another white point, which viewers ignore.
    12: ("Display P3", _DISPLAY_P3),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ, _HLG = 16, 18

# Points of the curve of an HDR transfer function.
_CURVE_SIZE = 4096
# Brightness in nits of diffuse white, and of the brightest white of HLG (BT.2408, BT.2100).
_DIFFUSE_WHITE, _HLG_PEAK = 203, 1000
# The system gamma of HLG at this peak.
_HLG_GAMMA = 1.2
# Brightness above this share of diffuse white is compressed, so that highlights remain visible.
_KNEE = 0.8


class ColorCode(NamedTuple):
    """The code points of H.273 for the primaries and the transfer function of an image."""

    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        """Whether the image can be brighter than a display without HDR can show."""
        return self.transfer in (_PQ, _HLG)


def profile_of_code(code: ColorCode) -> bytes | None:
    """
    Return the ICC profile of a color code, or ``None`` if the image has the colors of sRGB.

    The profile of an HDR image compresses its brightness to that of a display without HDR. As in
    web browsers, the transfer function of BT.709 is treated as that of sRGB.
    """
    name, primaries = _WIDE_PRIMARIES.get(code.primaries, ("sRGB", _SRGB))
    if code.is_hdr:
        return _profile(f"{name} HDR", primaries, _hdr_curve(code.transfer))
    if code.transfer in _GAMMAS:
        gamma = _GAMMAS[code.transfer]
        return _profile(f"{name} gamma {gamma}", primaries, _parametric(0, gamma))
    if primaries is _SRGB:
        return None
    srgb_curve = _parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return _profile(name, primaries, srgb_curve)


def adobe_rgb_profile() -> bytes:
    """Return an ICC profile of the color space Adobe RGB (1998)."""
    return _profile("Compatible with Adobe RGB (1998)", _ADOBE_RGB, _parametric(0, 563 / 256))


def _hdr_curve(transfer: int) -> bytes:
    to_nits = _pq_to_nits if transfer == _PQ else _hlg_to_nits
    points = (_compressed(to_nits(i / (_CURVE_SIZE - 1))) for i in range(_CURVE_SIZE))
    values = [round(65535 * point) for point in points]
    return struct.pack(f">4s4xL{_CURVE_SIZE}H", b"curv", _CURVE_SIZE, *values)


def _pq_to_nits(signal: float) -> float:
    # The constants are those of the standard SMPTE ST 2084.
    root = signal ** (32 / 2523)
    ratio = max(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    return 10_000 * math.pow(ratio, 8192 / 1305)


def _hlg_to_nits(signal: float) -> float:
    # The constants are those of the standard BT.2100.
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12
    return _HLG_PEAK * math.pow(min(1, scene), _HLG_GAMMA)


def _compressed(nits: float) -> float:
    """Return the brightness on a display whose white has the brightness 1."""
    brightness = nits / _DIFFUSE_WHITE
    if brightness <= _KNEE:
        return brightness
    return _KNEE + (1 - _KNEE) * (1 - math.exp((_KNEE - brightness) / (1 - _KNEE)))


def _profile(name: str, primaries: tuple[_XYZ, _XYZ, _XYZ], curve: bytes) -> bytes:
    red, green, blue = primaries
    tags = {
        b"desc": _text(name),
        b"cprt": _text("CC0"),
        b"wtpt": _fixed(b"XYZ ", *_D50),
        b"chad": _fixed(b"sf32", *_ADAPTATION),
        b"rXYZ": _fixed(b"XYZ ", *red),
        b"gXYZ": _fixed(b"XYZ ", *green),
        b"bXYZ": _fixed(b"XYZ ", *blue),
        b"rTRC": curve,
    }
    directory, data, start = {}, b"", 128 + 4 + 12 * (len(tags) + 2)
    for tag, content in tags.items():
        directory[tag] = struct.pack(">LL", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    # All channels have the same curve.
    directory |= dict.fromkeys((b"gTRC", b"bTRC"), directory[b"rTRC"])
    table = struct.pack(">L", len(directory)) + b"".join(map(b"".join, directory.items()))
    return _header(start + len(data)) + table + data


def _header(size: int) -> bytes:
    header = struct.pack(">L4xL4s4s4s", size, 0x04200000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s28x", 2026, 1, 1, 0, 0, 0, b"acsp") + _fixed(b"", *_D50)[4:]
    return header.ljust(128, b"\0")


def _parametric(function: int, *parameters: float) -> bytes:
    return _fixed(struct.pack(">4s4xH2x", b"para", function), *parameters, padding=0)


def _fixed(prefix: bytes, *values: float, padding: int = 4) -> bytes:
    numbers = (round(value * 65536) for value in values)
    return prefix + bytes(padding) + struct.pack(f">{len(values)}l", *numbers)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return struct.pack(">4s4xLL4sLL", b"mluc", 1, 12, b"enUS", len(encoded), 28) + encoded
