"""Validation of image files for forms, with messages for site visitors."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.text import get_text_list
from django.utils.translation import gettext_lazy as _

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.rejections import check_format
from django_groupme_images.images.signatures import display_name

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = [
    "check_image",
    "format_list",
    "rejection_error",
    "require_format",
    "safe_name",
    "script_message",
]

logger = logging.getLogger(__name__)

# The script also displays some of these, see script_message().
_MESSAGES = {
    "empty": _("“%(name)s” is empty. Please choose another file."),
    "too_large": _("“%(name)s” is too large (%(size)s). The maximum size is %(limit)s."),
    "invalid_image": _("“%(name)s” is not a valid image. Please upload a %(allowed)s file."),
    "format_not_allowed": _(
        "%(format)s images are not supported. Please upload “%(name)s” as %(allowed)s."
    ),
    "new_format_not_allowed": _(
        "“%(name)s” would be converted to %(new_format)s, which is not supported. Please upload "
        "it as %(allowed)s."
    ),
    "no_decoder": _(
        "This site cannot convert %(format)s images. Please upload “%(name)s” as JPEG."
    ),
    "too_many_pixels": _(
        "“%(name)s” has too many pixels (%(pixels)s). The maximum is %(limit)s pixels."
    ),
    "truncated": _("“%(name)s” is incomplete or corrupted. Please upload the original file."),
    "metadata": _(
        "“%(name)s” may contain the location where it was taken, which cannot be removed from "
        "this file. Please upload it as JPEG, or choose another image."
    ),
}

# The script replaces these placeholders.
_SCRIPT_PLACEHOLDERS = {
    "name": "{name}",
    "size": "{size}",
    "limit": "{limit}",
    "format": "{format}",
    "allowed": "{formats}",
}

# Control characters, line separators, characters that change the writing direction, and lone
# surrogates, which cannot be encoded.
_UNSAFE_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def check_image(file: IO[bytes], options: ImageOptions) -> ImageFile:
    """
    Check an image file, and return it as a Pillow image whose pixels cannot be loaded.

    Raise ``ValidationError`` with the code of an ``ImageRejected``. Exceptions of the file's own
    methods are also raised. The file stays open, and is at its beginning afterwards.
    """
    try:
        return inspect_image(file, options)
    except ImageRejected as error:
        name = PurePath(str(getattr(file, "name", None) or "?")).name
        if error.code == "no_decoder":
            # The site's operator can install it.
            logger.warning("%.200r could not be converted: %s", name, error)
        raise rejection_error(error, name) from error


def require_format(name: str, image_format: str, allowed_formats: Collection[str]) -> None:
    """
    Raise ``ValidationError`` with the code ``format_not_allowed`` unless the format is allowed.

    ``name`` is the file name or URL for the message. ``image_format`` may be upper or lower case.
    """
    try:
        check_format(image_format, allowed_formats)
    except ImageRejected as error:
        raise rejection_error(error, name) from error


def rejection_error(error: ImageRejected, name: str) -> ValidationError:
    """
    Convert the rejection of a file into a ``ValidationError`` with the same code.

    ``name`` is the file name or URL for the message.
    """
    params = {"name": safe_name(name), **_as_text(error.params)}
    key = "new_format_not_allowed" if "new_format" in params else error.code
    return ValidationError(_MESSAGES[key], code=error.code, params=params)


def script_message(code: str) -> Any:
    """
    Return the message of a rejection, translated lazily, with placeholders such as ``{name}``.

    The script displays the same message as the server.
    """
    return _with_placeholders(_MESSAGES[code])


def _with_script_placeholders(message: Any) -> str:
    return str(message) % _SCRIPT_PLACEHOLDERS


_with_placeholders = lazy(_with_script_placeholders, str)


def format_list(formats: Collection[str]) -> str:
    """Return the formats as a list in the active language, for example "JPEG, PNG or GIF"."""
    return get_text_list([display_name(name) for name in formats])


def safe_name(name: str) -> str:
    """
    Return a file name or URL that is safe to display in an error message.

    Unsafe characters are replaced, and the middle of a long name is removed.
    """
    name = _UNSAFE_CHARACTERS.sub("�", name)
    return name if len(name) <= 100 else f"{name[:80]}…{name[-19:]}"


def _as_text(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that describe a rejected file, formatted in the active language."""
    if "size" in params:
        return _formatted_sizes(params["size"], params["limit"])
    convert = {"format": display_name, "new_format": display_name, "allowed": format_list}
    return {name: convert.get(name, _formatted_number)(value) for name, value in params.items()}


def _formatted_sizes(size: int, limit: int) -> dict[str, str]:
    """Return a file's size and the limit as strings, in bytes if they are equal when rounded."""
    sizes = filesizeformat(size), filesizeformat(limit)
    if sizes[0] == sizes[1]:
        sizes = _("%s bytes") % _formatted_number(size), _("%s bytes") % _formatted_number(limit)
    return {"size": sizes[0], "limit": sizes[1]}


def _formatted_number(number: int) -> str:
    return number_format(number, force_grouping=True)
