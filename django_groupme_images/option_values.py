"""Validation of the values of options."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "describe_invalid_token",
    "is_base_url",
    "is_bool",
    "is_convertible_formats",
    "is_formats",
    "is_non_negative_int",
    "is_optional_int",
    "is_optional_positive_int",
    "is_optional_str",
    "is_positive_int",
    "is_seconds",
    "is_time_limit",
    "is_timeout",
    "is_token",
]

# A longer time is probably a mistake, and socket.settimeout() overflows above some years.
_MAX_SECONDS = 24 * 60 * 60

# The names of the formats that can be converted.
_CONVERTIBLE = frozenset({"webp", "avif", "heif", "bmp", "tiff"})


def is_token(value: Any) -> bool:
    """Return whether this may be the option ``access_token``, without calling or importing it."""
    return value is None or callable(value) or (isinstance(value, str) and _is_visible_ascii(value))


def is_base_url(value: Any) -> bool:
    """Return whether this is an http or https URL without credentials, query, and fragment."""
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and _is_visible_ascii(value)
            and not {"@", "?", "#"} & set(value)
        )
    except (ValueError, TypeError, AttributeError):
        return False


def is_non_negative_int(value: Any) -> bool:
    """Return whether this is an integer of at least 0, and not a Boolean."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_optional_int(value: Any) -> bool:
    """Return whether this is an integer of at least 0, or ``None``."""
    return value is None or is_non_negative_int(value)


def is_positive_int(value: Any) -> bool:
    """Return whether this is an integer of at least 1."""
    return is_non_negative_int(value) and value > 0


def is_optional_positive_int(value: Any) -> bool:
    """Return whether this is an integer of at least 1, or ``None``."""
    return value is None or is_positive_int(value)


def is_seconds(value: Any) -> bool:
    """Return whether this is a number of seconds between 0 and one day."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _MAX_SECONDS


def is_time_limit(value: Any) -> bool:
    """Return whether this is a positive number of seconds, or ``None`` for no limit."""
    return value is None or (is_seconds(value) and value > 0)


def is_timeout(value: Any) -> bool:
    """Return whether this is a positive number of seconds, or a pair of them."""
    pair = value if isinstance(value, tuple | list) else (value, value)
    return len(pair) == 2 and all(is_seconds(seconds) and seconds > 0 for seconds in pair)


def is_formats(value: Any) -> bool:
    """Return whether this is a collection of format names such as ``"jpeg"``, and not empty."""
    return (
        isinstance(value, list | tuple | set | frozenset)
        and len(value) > 0
        and all(isinstance(name, str) and name.isalnum() and name.islower() for name in value)
        and "jpg" not in value
    )


def is_convertible_formats(value: Any) -> bool:
    """Return whether this is a collection of names of formats that can be converted, or empty."""
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(name, str) and name in _CONVERTIBLE for name in value
    )


def is_optional_str(value: Any) -> bool:
    """Return whether this is a string that is not empty, or ``None``."""
    return value is None or (isinstance(value, str) and bool(value))


def is_bool(value: Any) -> bool:
    """Return whether this is ``True`` or ``False``."""
    return isinstance(value, bool)


def describe_invalid_token(value: Any) -> str:
    """Describe an invalid access token, without any of its characters."""
    if not isinstance(value, str):
        return f"a value of the type {type(value).__name__}"
    if value != value.strip():
        return "a string that starts or ends with whitespace"
    if any(char.isspace() for char in value):
        return "a string that contains whitespace"
    return "a string that contains other characters"


def _is_visible_ascii(text: str) -> bool:
    """Return whether a string can be in a header or a URL: visible ASCII characters only."""
    return all("!" <= char <= "~" for char in text)
