"""
The options of a ``GroupMeStorage``, each with its name, default, validation, and documentation.

An option that is given to the storage takes precedence over the setting ``GROUPME_<OPTION>``,
which takes precedence over the default. Settings are read at each access, so
``override_settings`` works.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.utils.module_loading import import_string
from storages.base import BaseStorage

from .option_values import (
    describe_invalid_token,
    is_base_url,
    is_bool,
    is_convertible_formats,
    is_formats,
    is_non_negative_int,
    is_optional_int,
    is_optional_positive_int,
    is_optional_str,
    is_positive_int,
    is_seconds,
    is_time_limit,
    is_timeout,
    is_token,
)
from .pictures import CDN_URL, UPLOAD_URL

if TYPE_CHECKING:
    from .images.options import ImageOptions

__all__ = [
    "ConfiguredStorage",
    "GroupMeStorageOptions",
    "configured_storage",
    "resolved_token",
    "validated_option",
]

T = TypeVar("T")
Token = str | Callable[[], str | None] | None
Timeout = float | tuple[float, float]
OnDelete = Literal["ignore", "raise"]

_UNSET = object()


class Option(Generic[T]):
    """
    Descriptor for an option of a storage.

    ``validator`` returns whether a value is valid, and ``description`` describes valid values in
    error messages and in the documentation. ``environment`` is the name of an environment
    variable that is used while the value is ``None``; error messages then do not contain the
    value. ``is_for_client`` is true if the option is also an argument of ``GroupMeClient``, with
    the same name and default.

    Reading an option does not validate it, so that a mistake in the settings is a failed system
    check instead of a failed import. Call :meth:`validated` before using the value.
    """

    def __init__(
        self,
        default: T,
        description: str,
        validator: Callable[[Any], bool],
        *,
        environment: str = "",
        is_for_client: bool = False,
    ) -> None:
        self.default = default
        self.description = description
        self.validator = validator
        self.environment = environment
        self.is_for_client = is_for_client

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
        value: T = storage.__dict__.get(self.name, _UNSET)
        if value is _UNSET:
            value = getattr(settings, self.setting, self.default)
        if value is None and self.environment:
            value = cast("T", os.environ.get(self.environment))
        return value

    def __set__(self, storage: Storage, value: T) -> None:
        storage.__dict__[self.name] = value

    def validated(self, storage: Storage) -> T:
        """Return the option's value. Raise ``ImproperlyConfigured`` if it is invalid."""
        value: T = getattr(storage, self.name)  # A subclass may override the descriptor.
        if self.validator(value):
            return value
        # The value of an option with an environment variable may be a secret.
        actual = describe_invalid_token(value) if self.environment else f"{value!r:.200}"
        del value  # Error pages show the variables of every frame.
        raise ImproperlyConfigured(
            f"{self._source(storage)} must be {self.description} (got {actual})."
        )

    def _source(self, storage: Storage) -> str:
        """Return what the value comes from, as the subject of an error message."""

        def is_used(value: object) -> bool:
            return value is not _UNSET and not (value is None and self.environment)

        is_overridden = getattr(type(storage), self.name) is not self
        if not is_overridden and not is_used(storage.__dict__.get(self.name, _UNSET)):
            if is_used(getattr(settings, self.setting, _UNSET)):
                return f"The setting {self.setting}"
            if self.environment:
                return f"The environment variable {self.environment}"
        return f"{type(storage).__name__}'s option {self.name!r}"

    def error(self, storage: Storage) -> str:
        """Return why the option's value cannot be used, or an empty string."""
        try:
            self.validated(storage)
        except ImproperlyConfigured as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # A property of a subclass may raise anything.
            # The error's own message may contain a token.
            return (
                f"{type(storage).__name__}'s option {self.name!r} cannot be read, because it "
                f"raises {type(error).__name__}."
            )
        return ""


class GroupMeStorageOptions(TypedDict, total=False):
    """The types of the options of a ``GroupMeStorage``, for example to annotate ``OPTIONS``."""

    # Type checkers cannot derive these types from the options of ConfiguredStorage.
    access_token: Token
    upload_url: str
    cdn_url: str
    timeout: Timeout
    max_upload_time: float | None
    max_retries: int
    max_retry_wait: float
    max_upload_size: int | None
    allowed_formats: Collection[str]
    convert_formats: Collection[str]
    max_pixels: int
    max_dimension: int | None
    strip_metadata: bool
    fallback: str | None
    upload_early: bool
    allow_url: bool
    deferred: bool
    on_delete: OnDelete


class ConfiguredStorage(BaseStorage):  # type: ignore[misc]  # django-storages is untyped.
    """
    Base class of ``GroupMeStorage`` with its options.

    Migrations and pickles of a storage do not contain the access token. Copying a storage returns
    the storage itself.
    """

    #: The access token of a GroupMe user, or a callable that returns it. The ID of a bot does not
    #: work. A callable can also be given as a dotted path. It is called for each upload, so that
    #: each user's uploads can use that user's token. A string that contains a dot is treated as a
    #: dotted path, because tokens are assumed to contain no dots.
    access_token = Option[Token](
        None,
        "a string of ASCII characters without whitespace, a callable, or a dotted path to a "
        "callable",
        is_token,
        environment="GM_TOKEN",
    )
    #: The URL that images are uploaded to. The access token is not sent to other URLs. Change it
    #: only to use the emulator.
    upload_url = Option(
        UPLOAD_URL, "an http or https URL without a query", is_base_url, is_for_client=True
    )
    #: The base URL of the CDN. The URL of each uploaded image starts with it, and images are
    #: downloaded from there. Change it together with ``upload_url``, and only to use the emulator.
    cdn_url = Option(
        CDN_URL, "an http or https URL without a query", is_base_url, is_for_client=True
    )
    #: Maximum time in seconds to connect, and between two bytes. The first number of a pair limits
    #: the connection, and the second limits the time between two bytes in either direction. A
    #: single number limits both.
    timeout = Option[Timeout](
        (5, 30),
        "a positive number of seconds, or a (connect, read) tuple",
        is_timeout,
        is_for_client=True,
    )
    #: Maximum total time in seconds for one upload. It includes retries and the waits between them.
    #: After that, the upload fails as unavailable, and the fallback storage stores the file. Set it
    #: below the time limit of the application server, which would otherwise stop the worker first.
    #: Resolving a host name is not limited. The uploads of a field for multiple images share this
    #: limit.
    max_upload_time = Option[float | None](
        None, "a positive number of seconds, or None", is_time_limit, is_for_client=True
    )
    #: Maximum number of retries of a request that failed temporarily. Connection errors and the
    #: statuses 408, 420, 425, 429, and 5xx (except 501) are retried. Read timeouts are not, because
    #: the image service may already have stored the image.
    max_retries = Option(2, "an integer of 0 or more", is_non_negative_int, is_for_client=True)
    #: Maximum wait in seconds before a retry. If the header ``Retry-After`` of a response requests
    #: a longer wait, the upload fails immediately.
    max_retry_wait = Option[float](
        10, "a number of seconds, 0 or more", is_seconds, is_for_client=True
    )
    #: Maximum size of a file in bytes. Larger files are rejected before anything is sent. Forms
    #: display an error next to the field.
    max_upload_size = Option[int | None](
        None, "a number of bytes, or None", is_optional_int, is_for_client=True
    )
    #: The formats that are uploaded without conversion. The names are those of Pillow in lower
    #: case, so JPEG is ``"jpeg"``. They take precedence over ``convert_formats``. The MPO files of
    #: many phones are accepted as JPEG.
    allowed_formats = Option[Collection[str]](
        ("jpeg", "png", "gif"),
        "a non-empty list of format names in lower case, such as 'jpeg' (not 'jpg')",
        is_formats,
    )
    #: The formats that are converted before the upload. Images with several frames become GIF
    #: files, images with transparency PNG files, and all others JPEG files. The converted image is
    #: turned upright, and has no metadata. ``heif``, which includes HEIC, requires the extra
    #: ``django-groupme-images[heif]``. ``tiff`` can be added, but its decoders have had many
    #: vulnerabilities. An empty list turns conversion off.
    convert_formats = Option[Collection[str]](
        ("webp", "avif", "heif", "bmp"),
        "a list of the formats 'webp', 'avif', 'heif', 'bmp', and 'tiff'",
        is_convertible_formats,
    )
    #: Maximum number of pixels of an image that is decoded to convert or shrink it. It is checked
    #: before decoding.
    max_pixels = Option(64_000_000, "a number of pixels, 1 or more", is_positive_int)
    #: Maximum length in pixels of an image's longer side. Larger JPEG and PNG files, and larger
    #: images that are converted, are scaled down before the upload. GIF files and animated PNG
    #: files are not changed. ``None`` turns this off.
    max_dimension = Option[int | None](
        None, "a number of pixels, 1 or more, or None", is_optional_positive_int
    )
    #: Whether metadata is removed from JPEG, PNG, and GIF files before the upload. This includes
    #: EXIF (which can contain the place where a photo was taken), XMP, IPTC, comments, and data
    #: that follows the image. Pixels and frames are not changed.
    strip_metadata = Option(False, "True or False", is_bool)
    #: The alias in ``STORAGES`` of the fallback storage, which stores pending files. Without a
    #: fallback, a temporary failure of an upload raises an exception. ``deferred`` requires one.
    fallback = Option[str | None](None, "the alias of another storage, or None", is_optional_str)
    #: Whether a form uploads an image even if another of its fields is invalid. The user then does
    #: not have to choose the image again. If ``False``, the image is uploaded only once the rest of
    #: the form is valid.
    upload_early = Option(True, "True or False", is_bool)
    #: Whether forms offer an input for the URL of an image.
    allow_url = Option(True, "True or False", is_bool)
    #: Whether files are first saved to the fallback storage, and then uploaded in the background.
    #: Background uploads require Django's Tasks framework, or a schedule for ``groupme_upload``.
    deferred = Option(False, "True or False", is_bool)
    #: What ``delete()`` does with an uploaded image, because the image service cannot delete
    #: images. ``"ignore"`` logs that the image stays public, and ``"raise"`` raises
    #: ``NotImplementedError``.
    on_delete = Option[OnDelete]("ignore", "'ignore' or 'raise'", ("ignore", "raise").__contains__)

    @classmethod
    @cache
    def options(cls) -> dict[str, Option[Any]]:
        """Return every option by its name, including those that a subclass overrides."""
        attributes = (item for base in reversed(cls.__mro__) for item in vars(base).items())
        return {name: value for name, value in attributes if isinstance(value, Option)}

    @property
    def image_options(self) -> ImageOptions:
        """The options that concern the content of image files, which may be invalid."""
        from .images.options import ImageOptions

        return ImageOptions(
            **{each.name: getattr(self, each.name) for each in fields(ImageOptions)}
        )

    def validate_image_options(self) -> None:
        """Raise ``ImproperlyConfigured`` if an option for the content of files is invalid."""
        from .images.options import ImageOptions

        for each in fields(ImageOptions):
            self.options()[each.name].validated(self)

    def __init__(self, **options: Unpack[GroupMeStorageOptions]) -> None:
        valid_options = self.get_default_settings()  # A subclass may add options here.
        for name in options:
            if name not in valid_options:
                matches = get_close_matches(name, valid_options, 1)
                suggestion = f" Did you mean {matches[0]!r}?" if matches else ""
                raise ImproperlyConfigured(
                    f"unknown option {name!r} of {type(self).__name__}.{suggestion}"
                )
        super().__init__(**options)

    def get_default_settings(self) -> dict[str, Any]:
        return {name: option.default for name, option in self.options().items()}

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        """Return the import path and the given options for migrations, without the token."""
        cls = type(self)
        return f"{cls.__module__}.{cls.__qualname__}", (), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        # Without the client and the token. An unpickled storage reads the token from the settings.
        names = self.options().keys() - {"access_token"}
        return {name: value for name, value in self.__dict__.items() if name in names}

    def __copy__(self) -> Self:
        return self  # A storage has no state besides its options, and a copy would lack the token.

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def configured_storage(storage: Storage) -> ConfiguredStorage:
    """
    Return the storage as the object that has its options.

    For a storage that is not a ``GroupMeStorage``, return one with the options of the settings.
    """
    return storage if isinstance(storage, ConfiguredStorage) else ConfiguredStorage()


def validated_option(storage: Storage, name: str) -> Any:
    """Return the value of an option. Raise ``ImproperlyConfigured`` if it is invalid."""
    options = configured_storage(storage)
    return options.options()[name].validated(options)


def resolved_token(option: Token) -> str | Callable[[], str | None]:
    """
    Return the access token, or the callable that returns it, from a valid ``access_token``.

    The callable is not called. Raise ``ImproperlyConfigured`` if there is no token, or if its
    dotted path cannot be imported.
    """
    if not option:
        raise ImproperlyConfigured(
            "No GroupMe access token is configured. Set the storage option 'access_token', the "
            "setting GROUPME_ACCESS_TOKEN, or the environment variable GM_TOKEN to a GroupMe "
            "user's access token."
        )
    # Assumption: a token contains no dots. GroupMe does not document the format.
    if callable(option) or "." not in option:
        return option
    with suppress(Exception):  # The module may raise anything when it is imported.
        function: Callable[[], str | None] = import_string(option)
        if callable(function):
            return function
    del option  # Error pages show variables, and it may be a token with a dot.
    raise ImproperlyConfigured(
        "The access token contains a dot, so it was treated as a dotted path to a callable, but no "
        "callable could be imported from it."
    )
