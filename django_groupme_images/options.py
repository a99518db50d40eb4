"""What a storage can be told: its options, and how it is copied, pickled and migrated with them."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Self

from django.core.files.storage import Storage
from storages.base import BaseStorage

from . import conf
from .pictures import CDN_URL, UPLOAD_URL

__all__ = ["ConfiguredStorage", "checked_option", "options_of"]


class ConfiguredStorage(BaseStorage):  # type: ignore[misc]  # django-storages is untyped
    """The options of a ``GroupMeStorage``. Nothing that copies or stores them holds the token."""

    #: The token of a GroupMe user; a bot's id does not do. A string; or a callable, or its dotted
    #: path, which is asked at each upload, so that each user's uploads can use their own token.
    #: A text with a dot in it is taken for such a path: that no token has one is assumed.
    access_token = conf.Option[conf.Token](
        None,
        "a string without spaces, a callable or its dotted path",
        conf.is_token,
        environment="GM_TOKEN",
    )
    #: Where pictures are sent: the only address that ever gets the token.
    upload_url = conf.Option(UPLOAD_URL, "an http or https URL without a query", conf.is_web_url)
    #: Where pictures are fetched from, and what their URLs begin with.
    cdn_url = conf.Option(CDN_URL, "an http or https URL without a query", conf.is_web_url)
    #: Seconds to connect, and seconds between two bytes, of either side; one number is both.
    timeout = conf.Option[Any](
        (5, 30), "seconds, or a pair: to connect, and between bytes", conf.is_timeout
    )
    #: Seconds that one upload may take in total, including retries and the waits between them; then
    #: it fails as unavailable, and the fallback stores the file. Set it below the time limit of the
    #: application server, which would otherwise stop the worker first. Resolving a host name is
    #: not limited.
    max_upload_time = conf.Option[float | None](
        None, "seconds, more than 0, or None", conf.is_time_limit
    )
    #: How often to retry after a connection error, 408, 420, 425, 429, or 5xx (except 501).
    max_retries = conf.Option(2, "a whole number, 0 or more", conf.is_count)
    #: The longest wait before a retry, in seconds. If the service asks for a longer one, the
    #: upload fails at once.
    max_retry_wait = conf.Option[float](10, "seconds, 0 or more", conf.is_wait)
    #: In bytes. What is larger is refused before a byte is sent, by forms with an error of the
    #: field.
    max_upload_size = conf.Option[int | None](None, "a number of bytes, or None", conf.is_size)
    #: What forms and serializers take, in Pillow's words in lower case. The MPO files of many
    #: phones are JPEGs.
    allowed_formats = conf.Option[Collection[str]](
        ("jpeg", "png", "gif"), "a list of formats such as 'jpeg'", conf.is_formats
    )
    #: Whether EXIF (where a photograph was taken), XMP, IPTC and comments are removed from JPEGs
    #: and PNGs before the upload. No pixel changes.
    strip_metadata = conf.Option(False, "True or False", conf.is_switch)
    #: The alias in ``STORAGES`` of the storage that holds every file that is not on GroupMe (yet).
    fallback = conf.Option[str | None](None, "the alias of another storage, or None", conf.is_alias)
    #: Whether a form uploads an image although another of its fields is invalid, so that nobody has
    #: to choose it again. ``False`` uploads only once the rest of the form is valid.
    upload_early = conf.Option(True, "True or False", conf.is_switch)
    #: Whether forms offer an input for the URL of an image.
    allow_url = conf.Option(True, "True or False", conf.is_switch)
    #: Whether files are saved to the fallback, and uploaded in the background.
    deferred = conf.Option(False, "True or False", conf.is_switch)
    #: What ``delete()`` does, as the service cannot: log that the picture stays, and go on; or
    #: raise ``NotImplementedError``.
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


def checked_option(storage: Storage, name: str) -> Any:
    """Return one of the storage's options. Raises ``ImproperlyConfigured`` if it is invalid."""
    options = options_of(storage)
    return options.options()[name].checked(options)
