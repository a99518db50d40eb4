"""What a storage can be told: its options, and how it is copied, pickled and migrated with them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Self

from django.core.files.storage import Storage
from storages.base import BaseStorage

from . import conf
from .pictures import CDN_URL, UPLOAD_URL

__all__ = ["ConfiguredStorage", "options_of"]


class ConfiguredStorage(BaseStorage):  # type: ignore[misc]  # django-storages is untyped
    """The options of a ``GroupMeStorage``. Nothing that copies or stores them holds the token."""

    access_token = conf.Option[conf.Token](
        None,
        "a string without spaces, a callable or its dotted path",
        conf.is_token,
        environment="GM_TOKEN",
    )
    upload_url = conf.Option(UPLOAD_URL, "an http or https URL without a query", conf.is_web_url)
    cdn_url = conf.Option(CDN_URL, "an http or https URL without a query", conf.is_web_url)
    timeout = conf.Option[Any](
        (5, 30), "seconds, or a pair: to connect, and between bytes", conf.is_timeout
    )
    max_retries = conf.Option(2, "a whole number, 0 or more", conf.is_count)
    max_retry_wait = conf.Option[float](10, "seconds, 0 or more", conf.is_wait)
    max_upload_size = conf.Option[int | None](None, "a number of bytes, or None", conf.is_size)
    allowed_formats = conf.Option[Collection[str]](
        ("jpeg", "png", "gif"), "a list of formats such as 'jpeg'", conf.is_formats
    )
    strip_metadata = conf.Option(False, "True or False", conf.is_switch)
    fallback = conf.Option[str | None](None, "the alias of another storage, or None", conf.is_alias)
    deferred = conf.Option(False, "True or False", conf.is_switch)
    transport = conf.Option[Callable[..., Any] | None](
        None, "a callable that is given the client, or None", conf.is_callable
    )
    on_delete = conf.Option("ignore", "'ignore' or 'raise'", ("ignore", "raise").__contains__)

    @classmethod
    @cache
    def options(cls) -> dict[str, conf.Option[Any]]:
        """Every option by its name; an attribute of a subclass may be another default."""
        attributes = (item for base in reversed(cls.__mro__) for item in vars(base).items())
        return {name: value for name, value in attributes if isinstance(value, conf.Option)}

    def get_default_settings(self) -> dict[str, Any]:
        return {name: option.default for name, option in self.options().items()}

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        """For migrations: the options that were given, but never the access token."""
        cls = type(self)
        return f"{cls.__module__}.{cls.__qualname__}", (), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        # A pickle holds neither a connection nor a token; that is then read from the settings.
        public = self.options().keys() - {"access_token"}
        return {name: value for name, value in self.__dict__.items() if name in public}

    def __copy__(self) -> Self:
        return self  # it has no state of its own, and a copy would lack the token

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def options_of(storage: Storage) -> ConfiguredStorage:
    """The storage's options, or those of the settings for one that is not GroupMe's."""
    return storage if isinstance(storage, ConfiguredStorage) else ConfiguredStorage()
