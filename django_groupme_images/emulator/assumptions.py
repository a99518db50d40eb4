"""What the emulator had to choose, because nobody has published it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Assumptions"]

# The real service takes "many kinds of image formats" (documented); the words seen in
# its URLs are these three. MPO is what Pillow calls the JPEG files of many phones.
_FORMATS = MappingProxyType({"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "GIF": "gif"})


@dataclass(frozen=True)
class Assumptions:
    """
    One choice for each fact of the service that is unknown, assumed or disputed.

    A client must work whichever way they turn out, so a test may flip every one.
    """

    #: The formats that are accepted, from Pillow's name to the word in the URL.
    formats: Mapping[str, str] = field(default_factory=lambda: _FORMATS)

    #: Whether the dimensions in the URL are those of the picture as it is displayed, with
    #: its EXIF orientation, or those of the pixels as they are stored.
    dimensions_as_displayed: bool = True

    #: Whether an upload's answer spells the dimensions and the format into the URL. All
    #: answers seen do; GroupMe's documentation shows one that does not.
    url_with_dimensions: bool = True

    #: Whether an upload's answer has ``picture_url`` beside ``url``. Some seen have not.
    answer_with_picture_url: bool = True

    #: The format of thumbnails, a word of ``formats``, or ``None`` for the original's own.
    #: Those of a moving GIF show its first frame.
    thumbnail_format: str | None = None

    #: Whether a suffix on a suffix is a 404, or the original, as an unknown suffix is.
    suffix_on_suffix_is_missing: bool = True

    #: The status of a picture that is not there: 403, as seen, or 404.
    missing_status: int = 403

    #: ``meta.code`` of the answer to a wrong token. Five digits (40100) are possible, too.
    unauthorized_code: int = 401

    #: The status of a successful upload: 200, as documented and observed, or 201, which one
    #: client expects.
    upload_status: int = 200

    #: Whether an upload may have a body in chunks (``Transfer-Encoding: chunked``), as some
    #: clients send it, or is answered with 411.
    accepts_chunked_bodies: bool = False
