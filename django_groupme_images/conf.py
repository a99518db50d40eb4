"""
The options of a storage. One given to the storage beats the setting ``GROUPME_<OPTION>``,
which beats the default; settings are read at each access, so ``override_settings`` works.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.core.files.storage import Storage

T = TypeVar("T")
_NOT_GIVEN = object()

# More is a mistake, and more than some years is an OverflowError of the socket.
_LONGEST_WAIT = 24 * 60 * 60  # seconds

Token = str | Callable[[], str | None] | None


class Option(Generic[T]):
    """
    An option of a storage, as an attribute of its class.

    ``expects`` says in words what ``accepts`` tests. Reading an option does not test
    it, so that a mistake in the settings is a failed system check and not a failed
    import; :meth:`checked` does, before the option is used.
    """

    def __init__(
        self,
        default: T,
        expects: str,
        accepts: Callable[[Any], bool],
        *,
        environment: str = "",
    ) -> None:
        self.default = default
        self.expects = expects
        self.accepts = accepts
        self.environment = environment

    def __set_name__(self, owner: type[Storage], name: str) -> None:
        self.name = name
        self.setting = f"GROUPME_{name.upper()}"

    @overload
    def __get__(self, storage: None, owner: type[Storage]) -> Option[T]: ...
    @overload
    def __get__(self, storage: Storage, owner: type[Storage]) -> T: ...
    def __get__(self, storage: Storage | None, owner: type[Storage]) -> Option[T] | T:
        if storage is None:
            return self
        value: Any = storage.__dict__.get(self.name, _NOT_GIVEN)
        if value is _NOT_GIVEN:
            value = getattr(settings, self.setting, self.default)
        if value is None and self.environment:
            value = os.environ.get(self.environment)
        return value  # type: ignore[no-any-return]  # whatever the settings hold

    def __set__(self, storage: Storage, value: T) -> None:
        storage.__dict__[self.name] = value

    def checked(self, storage: Storage) -> T:
        """The option's value. Raises ``ImproperlyConfigured`` if it is not what it expects."""
        value: T = getattr(storage, self.name)  # which may be an attribute of a subclass
        if self.accepts(value):
            return value
        found = type(value).__name__ if self.environment else f"{value!r:.200}"
        del value  # an error page shows the variables of every frame
        raise ImproperlyConfigured(
            f"{type(storage).__name__}'s option {self.name!r}, or the setting {self.setting}, "
            f"must be {self.expects}, not {found}."
        )


def resolved_token(option: Token) -> str | Callable[[], str | None]:
    """
    Return the access token, or the callable that returns it. The callable is not called.

    Raises ``ImproperlyConfigured`` if there is no token, or if its dotted path cannot be imported.
    """
    if not option:
        raise ImproperlyConfigured(
            "There is no access token, so images cannot be uploaded. Set the storage option "
            "'access_token', the setting GROUPME_ACCESS_TOKEN, or the environment variable "
            "GM_TOKEN to the access token of a GroupMe user."
        )
    # Assumption: a token contains no dots. GroupMe does not document the format.
    if callable(option) or "." not in option:
        return option
    with suppress(Exception):  # The module may raise anything when it is imported.
        if callable(found := import_string(option)):
            return found  # type: ignore[no-any-return]  # what it gives is checked when sent
    del option  # because an error page shows variables, and it may be a token after all
    raise ImproperlyConfigured(
        "The access token has a dot in it, so it is read as the dotted path of a callable, but no "
        "callable can be imported from that path."
    )


def is_token(value: Any) -> bool:
    return value is None or callable(value) or (isinstance(value, str) and _is_visible(value))


def is_web_url(value: Any) -> bool:
    """Whether this is the address of something on a web server, and holds no secret."""
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and _is_visible(value)
            and not {"@", "?", "#"} & set(value)
        )
    except (ValueError, TypeError, AttributeError):
        return False


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_wait(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _LONGEST_WAIT


def is_time_limit(value: Any) -> bool:
    """Whether this is a positive number of seconds, or None for no limit."""
    return value is None or (is_wait(value) and value > 0)


def is_timeout(value: Any) -> bool:
    """Whether these are positive seconds, or a pair of them: never without an end."""
    pair = value if isinstance(value, tuple | list) else (value, value)
    return len(pair) == 2 and all(is_wait(seconds) and seconds > 0 for seconds in pair)


def is_size(value: Any) -> bool:
    return value is None or is_count(value)


def is_formats(value: Any) -> bool:
    """Whether these are formats as the service spells them, one at least: "jpeg", not "JPG"."""
    return (
        isinstance(value, list | tuple | set | frozenset)
        and len(value) > 0
        and all(isinstance(word, str) and word.isalnum() and word.islower() for word in value)
        and "jpg" not in value
    )


def is_alias(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_visible(text: str) -> bool:
    """Whether the text is ASCII without spaces, as a header or a URL has to be."""
    return all("!" <= char <= "~" for char in text)
