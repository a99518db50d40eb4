"""
System checks that report mistakes in the settings or a field before an image is lost.

The reference page ``checks.rst`` lists their IDs, and ``troubleshooting.md`` causes and fixes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.core.validators import FileExtensionValidator, validate_image_file_extension
from django.db.models import FileField
from django.utils.module_loading import import_string

from .conf import resolved_token
from .discovery import file_fields, groupme_aliases, groupme_storages, uses_groupme_storage
from .fields import GroupMeImageField, GroupMeImageFieldFile
from .receivers import import_tasks
from .storage.backend import ALIAS, GroupMeStorage, groupme_storage

__all__ = [
    "check_field",
    "fields_to_check",
]

Messages = Iterator[checks.CheckMessage]
MessageClass = type[checks.Error | checks.Warning]

# The longest path of a URL on the CDN. Its parts are assumed: the service documents no limits.
_LONGEST_PATH = "65535x65535.jpeg." + 32 * "0"

_OPTION_HINT = "Fix the value, or remove it to use the default."

_ACCESS_HINT = (
    "Set it to the token alone, without spaces and line breaks. If the token is read from a file, "
    "remove the line break at its end. The value is not shown, because it may be a secret."
)

_PATH_HINT = "Fix the path. If the token itself contains a dot, use a callable that returns it."

_MISSING_HINT = (
    "Get a token at https://dev.groupme.com/. Where nothing is uploaded to GroupMe, for example in "
    "CI, in a Docker build, or with the emulator, use a placeholder without dots or spaces, such "
    'as "placeholder-token".'
)

# The minimum similarity of a misspelled setting to a valid one. See _misspelled_option().
_MIN_SIMILARITY = 0.8


def check_field(field: FileField) -> Messages:
    """Check the storage and the arguments of a field that :func:`fields_to_check` returns."""
    if not uses_groupme_storage(field):
        yield checks.Warning(
            f"{field} is a GroupMeImageField, but its storage is not a GroupMeStorage.",
            hint="Use a GroupMeStorage. In another storage, images have no variants, and GroupMe's "
            "API does not accept their URLs.",
            obj=field,
            id="groupme_images.W003",
        )
        return
    if field.storage is groupme_storage and not _is_configured():
        yield checks.Warning(
            f'{field} stores its images in STORAGES["{ALIAS}"], which is not configured.',
            hint=f'Add "{ALIAS}": {{"BACKEND": "django_groupme_images.storage.GroupMeStorage"}} '
            "to STORAGES.",
            obj=field,
            id="groupme_images.W002",
        )
    yield from _check_max_length(field)
    yield from _check_validators(field)
    yield from _check_attr_class(field)


def _check_max_length(field: FileField) -> Messages:
    storage = cast("GroupMeStorage", field.storage)
    if storage.options()["cdn_url"].error(storage):
        return
    url_length = len(storage.cdn_url) + len(_LONGEST_PATH)
    if field.max_length is not None and field.max_length < url_length:
        yield checks.Error(
            f"max_length={field.max_length} is too short for the URLs of {storage.cdn_url}.",
            hint=f"Set it to {url_length} or more.",
            obj=field,
            id="groupme_images.E004",
        )


def _check_validators(field: FileField) -> Messages:
    if isinstance(field, GroupMeImageField):
        return
    if any(_is_extension_validator(validator) for validator in field.validators):
        yield checks.Warning(
            f"The validators of {field} check the extension of the stored name, which is a URL "
            "without one, so forms reject the row when it is edited.",
            hint="Use a GroupMeImageField, which validates the submitted file, or move the "
            "validator to the form field.",
            obj=field,
            id="groupme_images.W007",
        )


def _check_attr_class(field: FileField) -> Messages:
    if isinstance(field, GroupMeImageField) and not issubclass(
        field.attr_class, GroupMeImageFieldFile
    ):
        yield checks.Warning(
            f"The values of {field} have no variants, and reading their width or height downloads "
            f"the image, because {field.attr_class.__name__} is not a GroupMeImageFieldFile.",
            hint=f"Make {field.attr_class.__name__} inherit from GroupMeImageFieldFile.",
            obj=field,
            id="groupme_images.W008",
        )


def _is_extension_validator(validator: Any) -> bool:
    if isinstance(validator, FileExtensionValidator):
        return validator.allowed_extensions is not None
    return validator is validate_image_file_extension


def fields_to_check(app_configs: Sequence[AppConfig] | None) -> Iterator[FileField]:
    """Yield the model fields that use a ``GroupMeStorage`` or should use one, each once."""
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            for field in file_fields(model):
                # None means unknown, so the field may be correct.
                on_groupme = uses_groupme_storage(field)
                if on_groupme or (on_groupme is False and isinstance(field, GroupMeImageField)):
                    yield field


def _is_configured() -> bool:
    return ALIAS in settings.STORAGES or any(
        hasattr(settings, option.setting) for option in GroupMeStorage.options().values()
    )


@checks.register(checks.Tags.files)
def check_storages(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the options of every ``GroupMeStorage`` in ``STORAGES`` and in a model."""
    return _creation_errors() or [
        message for storage in groupme_storages() for message in _check_options(storage)
    ]


@checks.register(checks.Tags.files)
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check that no ``GROUPME_`` setting has a name that is probably misspelled."""
    all_options = [GroupMeStorage.options().values()]
    if not _creation_errors():
        all_options += [storage.options().values() for storage in groupme_storages()]
    valid_names = {option.setting for options in all_options for option in options}
    return [
        checks.Warning(
            f"The setting {name} is not a setting of django-groupme-images.",
            hint=f"Did you mean {match!r}?",
            id="groupme_images.W011",
        )
        for name in dir(settings)
        if (match := _misspelled_option(name, valid_names))
    ]


def _misspelled_option(name: str, valid_names: set[str]) -> str | None:
    """
    Return the valid setting that the name of another setting is probably meant to be, or ``None``.

    A project can have settings of its own, such as ``GROUPME_BOT_ID`` and ``GROUPME_CALLBACK``,
    which must not be reported. So a name is reported only if it is similar to a valid name, starts
    with the same letter, and does not add a word to it, as ``GROUPME_ACCESS_TOKEN_URL`` does.
    """
    prefix = "GROUPME_"
    if not name.startswith(prefix) or name in valid_names:
        return None
    # The common prefix would make all names similar.
    own = name.removeprefix(prefix)
    others = [valid.removeprefix(prefix) for valid in valid_names]
    for match in get_close_matches(own, others, 1, _MIN_SIMILARITY):
        if match[0] == own[0] and not own.startswith(f"{match}_"):
            return prefix + match
    return None


@checks.register(checks.Tags.files, deploy=True)
def check_deployment(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check that uploads in production have an access token, TLS, and a task backend."""
    all_storages = () if _creation_errors() else groupme_storages()
    return [message for storage in all_storages for message in _check_deployed(storage)]


@checks.register(checks.Tags.models)
def check_fields(
    *, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check every model field that uses a ``GroupMeStorage`` or should use one."""
    fields = () if _creation_errors() else fields_to_check(app_configs)
    return [message for field in fields for message in check_field(field)]


def _creation_errors() -> list[checks.CheckMessage]:
    """Return an error for each alias in ``STORAGES`` whose GroupMe storage cannot be created."""
    return [message for alias in groupme_aliases() for message in _check_alias(alias)]


def _check_alias(alias: str) -> Messages:
    try:
        storages[alias]
    except Exception as error:  # noqa: BLE001  # A storage of the project may raise anything.
        yield checks.Error(
            f'STORAGES["{alias}"] could not be created: {error}',
            hint=_creation_hint(alias),
            id="groupme_images.E003",
        )


def _creation_hint(alias: str) -> str:
    """Return how to fix a storage in ``STORAGES`` that could not be created."""
    try:
        storage_class = import_string(settings.STORAGES[alias]["BACKEND"])
        return f"Valid options: {', '.join(storage_class.options())}."
    except Exception:  # noqa: BLE001  # A module of the project may raise anything.
        return 'Set "BACKEND" to "django_groupme_images.storage.GroupMeStorage" or to a subclass.'


def _check_options(storage: GroupMeStorage) -> Messages:
    options = storage.options().values()
    errors = {option: error for option in options if (error := option.error(storage))}
    for option, error in errors.items():
        hint = _ACCESS_HINT if option.environment else _OPTION_HINT
        yield checks.Error(error, hint=hint, id="groupme_images.E002")
    if errors:
        return
    yield from _check_fallback(storage)
    yield from _check_formats(storage)
    yield from _check_decoders(storage)
    # This is a warning, because an error would stop migrate, test, and runserver.
    yield from _check_token(storage, checks.Warning, "groupme_images.W006")


def _check_token(storage: GroupMeStorage, message_class: MessageClass, check_id: str) -> Messages:
    if storage.options()["access_token"].error(storage):
        return
    try:
        resolved_token(storage.access_token)
    except ImproperlyConfigured as error:
        yield message_class(
            str(error),
            hint=_PATH_HINT if storage.access_token else _MISSING_HINT,
            id=check_id,
        )


def _check_fallback(storage: GroupMeStorage) -> Messages:
    try:
        _ = storage.fallback_storage
    except Exception as error:  # noqa: BLE001  # A storage of the project may raise anything.
        yield checks.Error(
            f"The fallback of {type(storage).__name__} cannot be used: {error}",
            hint="Set the option 'fallback' or the setting GROUPME_FALLBACK to the alias of a "
            'storage that is not a GroupMeStorage, for example "default".',
            id="groupme_images.E005",
        )
    if storage.deferred is True and (error_text := _tasks_error()):
        yield checks.Warning(
            f"'deferred' is enabled, but uploads cannot be enqueued. {error_text}",
            hint="Configure the setting TASKS, or run manage.py groupme_upload regularly.",
            id="groupme_images.W004",
        )


def _check_formats(storage: GroupMeStorage) -> Messages:
    if not storage.strip_metadata:
        return
    from .images.metadata import STRIPPED_FORMATS

    # Pillow calls some JPEG files MPO.
    others = sorted({*storage.allowed_formats} - {*STRIPPED_FORMATS, "mpo"})
    if others:
        yield checks.Warning(
            f"Metadata cannot be removed from files of the allowed formats {', '.join(others)}, so "
            "'strip_metadata' rejects these files.",
            hint="Remove the formats from 'allowed_formats'. Files of the formats in "
            "'convert_formats' are then converted, without metadata.",
            id="groupme_images.W009",
        )


def _check_decoders(storage: GroupMeStorage) -> Messages:
    if storage.convert_formats == storage.options()["convert_formats"].default:
        return  # The decoders of the default are optional.
    from .images.opening.decoding import is_decodable

    missing = ", ".join(name for name in storage.convert_formats if not is_decodable(name))
    if missing:
        yield checks.Warning(
            f"No installed library decodes the formats {missing} in 'convert_formats', so forms "
            "reject these files.",
            hint="For heif, install django-groupme-images[heif]. For avif, install Pillow 11.3 or "
            "later.",
            id="groupme_images.W010",
        )


def _tasks_error() -> str:
    """Return why tasks cannot be used, or an empty string."""
    try:
        import_tasks()
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def _check_deployed(storage: GroupMeStorage) -> Messages:
    yield from _check_token(storage, checks.Error, "groupme_images.E001")
    yield from _check_upload_url(storage)
    yield from _check_tasks(storage)


def _check_tasks(storage: GroupMeStorage) -> Messages:
    is_invalid = bool(storage.options()["deferred"].error(storage))
    if is_invalid or storage.deferred is not True or _tasks_error():
        return
    backend = type(import_tasks().upload_row.get_backend()).__name__
    if backend == "ImmediateBackend":
        yield checks.Warning(
            f"'deferred' is enabled, but {backend} runs tasks during the request.",
            hint='Set TASKS["default"] to a backend with workers.',
            id="groupme_images.W005",
        )


def _check_upload_url(storage: GroupMeStorage) -> Messages:
    if storage.options()["upload_url"].error(storage):
        return
    url = urlsplit(storage.upload_url)
    is_local = _is_local(url.hostname or "")
    if url.scheme != "https" or is_local:
        problem = "is on this machine" if is_local else "does not use https"
        yield checks.Warning(
            f"Images are uploaded to {storage.upload_url}, which {problem}.",
            hint="Remove the option 'upload_url' or the setting GROUPME_UPLOAD_URL to upload to "
            "GroupMe's image service.",
            id="groupme_images.W001",
        )


def _is_local(host: str) -> bool:
    """Return whether a host name or IP address is that of this machine, without a DNS lookup."""
    if f".{host.rstrip('.')}".endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
