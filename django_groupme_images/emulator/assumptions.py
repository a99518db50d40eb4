"""Choices for the behavior of GroupMe's image service that is not documented."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Assumptions"]

# The real service accepts "many kinds of image formats" (documented), and these three have been
# observed in its URLs. Pillow reports MPO for the JPEG files of many phones.
_FORMATS = MappingProxyType({"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "GIF": "gif"})


@dataclass(frozen=True)
class Assumptions:
    """
    One choice for each fact about the service that is unknown, assumed, or disputed.

    A client must work with every choice, so a test can change each of them.
    """

    #: The accepted formats: Pillow's name, and the name in the URL.
    formats: Mapping[str, str] = field(default_factory=lambda: _FORMATS)

    #: Whether the dimensions in the URL are those of the image as displayed, with the EXIF
    #: orientation applied, or those of the stored pixels.
    dimensions_as_displayed: bool = True

    #: Whether URLs of uploaded images contain the dimensions and the format. All observed URLs
    #: do; GroupMe's documentation shows one that does not.
    url_with_dimensions: bool = True

    #: Whether the response to an upload contains ``picture_url`` in addition to ``url``. Some
    #: observed responses do not.
    answer_with_picture_url: bool = True

    #: The format of thumbnails, one of the values of ``formats``, or ``None`` for the format of
    #: the original. Thumbnails of an animated GIF contain only its first frame.
    thumbnail_format: str | None = None

    #: The time in seconds after an upload until its thumbnails exist. Until then, their URLs have
    #: the status for a missing image. Up to 30 seconds have been observed.
    thumbnail_delay: float = 0

    #: Whether a second suffix in a URL leads to status 404, or to the original, as an unknown
    #: suffix does.
    suffix_on_suffix_is_missing: bool = True

    #: The status for a missing image: 403, as observed, or 404.
    missing_status: int = 403

    #: The ``meta.code`` in the response to a wrong token. Five digits, such as 40100, are also
    #: possible.
    unauthorized_code: int = 401

    #: The status of a successful upload: 200, as documented and observed, or 201, which one
    #: client expects.
    upload_status: int = 200

    #: Whether an upload may have a chunked body (``Transfer-Encoding: chunked``), which some
    #: clients send, or is rejected with status 411.
    accepts_chunked_bodies: bool = False
