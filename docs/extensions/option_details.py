"""Examples and guides for each option of a storage, and texts about it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from django_groupme_images.conf import Option


class Details(NamedTuple):
    """An example of an option as Python code in a settings module, and the guides about it."""

    example: str
    guides: tuple[str, ...]


DETAILS = {
    "access_token": Details(
        'GROUPME_ACCESS_TOKEN = "club.tokens.current"',
        ("howto/tokens", "installation"),
    ),
    "upload_url": Details(
        'GROUPME_UPLOAD_URL = "http://127.0.0.1:8001/pictures"', ("howto/emulator",)
    ),
    "cdn_url": Details('GROUPME_CDN_URL = "http://127.0.0.1:8001/"', ("howto/emulator",)),
    "timeout": Details("GROUPME_TIMEOUT = (3, 10)", ("howto/production",)),
    "max_upload_time": Details("GROUPME_MAX_UPLOAD_TIME = 20", ("howto/production",)),
    "max_retries": Details("GROUPME_MAX_RETRIES = 1", ("explanation/saving",)),
    "max_retry_wait": Details("GROUPME_MAX_RETRY_WAIT = 3", ("explanation/saving",)),
    "max_upload_size": Details(
        "GROUPME_MAX_UPLOAD_SIZE = 5 * 1024 * 1024", ("howto/production", "howto/public_forms")
    ),
    "allowed_formats": Details('GROUPME_ALLOWED_FORMATS = ["jpeg", "png"]', ("howto/conversion",)),
    "convert_formats": Details('GROUPME_CONVERT_FORMATS = ["webp", "heif"]', ("howto/conversion",)),
    "max_pixels": Details("GROUPME_MAX_PIXELS = 20_000_000", ("howto/conversion",)),
    "max_dimension": Details("GROUPME_MAX_DIMENSION = 2048", ("howto/conversion",)),
    "strip_metadata": Details("GROUPME_STRIP_METADATA = True", ("howto/privacy",)),
    "fallback": Details('GROUPME_FALLBACK = "default"', ("howto/outages", "howto/upload_existing")),
    "upload_early": Details("GROUPME_UPLOAD_EARLY = False", ("howto/public_forms", "howto/forms")),
    "allow_url": Details("GROUPME_ALLOW_URL = False", ("howto/public_forms", "howto/forms")),
    "deferred": Details(
        'GROUPME_FALLBACK = "default"\nGROUPME_DEFERRED = True', ("howto/background",)
    ),
    "on_delete": Details('GROUPME_ON_DELETE = "raise"', ("howto/third_party",)),
}


def summary_of(comment: list[str]) -> str:
    """Return the first sentence of a comment."""
    return re.split(r"(?<=\.)\s", " ".join(comment).strip(), maxsplit=1)[0]


def default_of(option: Option[Any]) -> str:
    """Return the default in the syntax of the page."""
    if option.environment:
        return f"environment variable ``{option.environment}``"
    is_number = isinstance(option.default, int) and not isinstance(option.default, bool)
    return f"``{option.default:_}``" if is_number else f"``{option.default!r}``"
