"""
System checks that report mistakes in the settings or a field before an image is lost.

====================  ===========================================================
groupme_images.E001   under ``--deploy``: W006, as an error
groupme_images.E002   an invalid value of an option or of a ``GROUPME_`` setting
groupme_images.E003   a storage in ``STORAGES`` that cannot be created (unknown option)
groupme_images.E004   ``max_length`` of a field is too short for the URLs of the CDN
groupme_images.E005   a ``fallback`` that is missing, circular, or a ``GroupMeStorage``
groupme_images.W001   under ``--deploy``: uploads without TLS, or to this machine
groupme_images.W002   neither ``STORAGES["groupme"]`` nor any ``GROUPME_`` setting
groupme_images.W003   a ``GroupMeImageField`` on a storage other than ``GroupMeStorage``
groupme_images.W004   ``deferred`` uploads without Django's Tasks framework
groupme_images.W005   under ``--deploy``: ``deferred`` uploads, but tasks that run at once
groupme_images.W006   no access token, or a dotted path that cannot be imported
====================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.db.models import FileField

from .conf import Option, resolved_token
from .deferral import upload_tasks
from .fields import GroupMeImageField
from .project import file_fields, groupme_aliases, groupme_storages, is_on_groupme
from .storage import ALIAS, GroupMeStorage, groupme_storage

Messages = Iterator[checks.CheckMessage]
Kind = type[checks.Error | checks.Warning]

_LONGEST_NAME = "65535x65535.jpeg." + 32 * "0"


@checks.register(checks.Tags.files)
def check_storages(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check the options of every ``GroupMeStorage`` in ``STORAGES`` and in a model."""
    return _broken() or [
        message for storage in groupme_storages() for message in _check_options(storage)
    ]


@checks.register(checks.Tags.files, deploy=True)
def check_deployment(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check that uploads in production have a token, TLS, and a queue."""
    found = () if _broken() else groupme_storages()
    return [message for storage in found for message in _check_deployed(storage)]


@checks.register(checks.Tags.models)
def check_fields(
    *, app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check every model field whose files go to GroupMe."""
    fields = () if _broken() else _fields(app_configs)
    return [message for field in fields for message in _check_field(field)]


def _broken() -> list[checks.CheckMessage]:
    """Return an error for each storage that cannot be created, so that it cannot be checked."""
    return [message for alias in groupme_aliases() for message in _check_alias(alias)]


def _check_alias(alias: str) -> Messages:
    try:
        storages[alias]
    except (ImproperlyConfigured, KeyError, TypeError) as error:
        yield checks.Error(
            f'STORAGES["{alias}"] cannot be created: {error}',
            hint=f"Available options: {', '.join(GroupMeStorage.options())}.",
            id="groupme_images.E003",
        )


def _check_options(storage: GroupMeStorage) -> Messages:
    wrong = [error for option in storage.options().values() if (error := _error(option, storage))]
    for error in wrong:
        yield checks.Error(
            error,
            hint="Correct the value, or remove it to use the default.",
            id="groupme_images.E002",
        )
    if wrong:
        return
    yield from _check_fallback(storage)
    # A warning, because an error would stop migrate, test, and runserver without a token.
    yield from _check_token(storage, checks.Warning, "groupme_images.W006")


def _check_token(storage: GroupMeStorage, kind: Kind, check_id: str) -> Messages:
    if _error(storage.options()["access_token"], storage):
        return
    try:
        resolved_token(storage.access_token)
    except ImproperlyConfigured as error:
        yield kind(
            str(error),
            hint="Set GROUPME_ACCESS_TOKEN or GM_TOKEN. The emulator (manage.py groupme_emulator) "
            "accepts any non-empty string without dots or spaces.",
            id=check_id,
        )


def _check_fallback(storage: GroupMeStorage) -> Messages:
    try:
        _ = storage.fallback_storage
    except (ImproperlyConfigured, TypeError) as error:
        yield checks.Error(
            f"The fallback of {type(storage).__name__} cannot be used: {error}",
            hint="Set the option 'fallback' or the setting GROUPME_FALLBACK to the alias of a "
            'storage that is not a GroupMeStorage, for example "default".',
            id="groupme_images.E005",
        )
    if storage.deferred is True and (error_of_tasks := _try_tasks()):
        yield checks.Warning(
            f"Uploads are deferred, but no task can make them. {error_of_tasks}",
            hint="Until then, pending files are uploaded only by manage.py groupme_upload.",
            id="groupme_images.W004",
        )


def _try_tasks() -> str:
    try:
        upload_tasks()
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def _check_deployed(storage: GroupMeStorage) -> Messages:
    yield from _check_token(storage, checks.Error, "groupme_images.E001")
    yield from _check_upload_url(storage)
    yield from _check_tasks(storage)


def _check_tasks(storage: GroupMeStorage) -> Messages:
    if storage.deferred is not True or _try_tasks():
        return
    backend = type(upload_tasks().upload_row.get_backend()).__name__
    if backend == "ImmediateBackend":
        yield checks.Warning(
            f"Uploads are deferred, but {backend} runs tasks at once, inside the request.",
            hint='Set TASKS["default"] to a backend with workers.',
            id="groupme_images.W005",
        )


def _error(option: Option[Any], storage: GroupMeStorage) -> str:
    try:
        option.checked(storage)
    except ImproperlyConfigured as error:
        return str(error)
    return ""


def _check_upload_url(storage: GroupMeStorage) -> Messages:
    if _error(storage.options()["upload_url"], storage):
        return
    url = urlsplit(storage.upload_url)
    if url.scheme != "https" or _is_this_machine(url.hostname or ""):
        yield checks.Warning(
            f"Images are uploaded to {storage.upload_url}, not to GroupMe's image service.",
            hint="Remove the option 'upload_url' or the setting GROUPME_UPLOAD_URL.",
            id="groupme_images.W001",
        )


def _check_field(field: FileField) -> Messages:
    if isinstance(field, GroupMeImageField) and not isinstance(field.storage, GroupMeStorage):
        yield checks.Warning(
            f"The storage of {field} is {field.storage.__class__.__name__}, not a GroupMeStorage.",
            hint="Its images have no variants, and GroupMe's API does not accept their URLs.",
            obj=field,
            id="groupme_images.W003",
        )
        return
    cdn_url = str(getattr(field.storage, "cdn_url", ""))
    if field.storage is groupme_storage and not _is_configured():
        yield checks.Warning(
            f'{field} stores its images in STORAGES["{ALIAS}"], which is not configured.',
            hint=f'Add "{ALIAS}": {{"BACKEND": "{GroupMeStorage.__module__}.GroupMeStorage"}} '
            "to STORAGES.",
            obj=field,
            id="groupme_images.W002",
        )
    longest = len(cdn_url) + len(_LONGEST_NAME)
    if field.max_length is not None and field.max_length < longest:
        yield checks.Error(
            f"max_length={field.max_length} is too short for the URLs of {cdn_url}.",
            hint=f"Set it to {longest} or more.",
            obj=field,
            id="groupme_images.E004",
        )


def _fields(app_configs: Sequence[AppConfig] | None) -> Iterator[FileField]:
    """The model fields that use a ``GroupMeStorage`` or should use one, without duplicates."""
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            for field in file_fields(model):
                if isinstance(field, GroupMeImageField) or is_on_groupme(field):
                    yield field


def _is_this_machine(host: str) -> bool:
    if f".{host.rstrip('.')}".endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_configured() -> bool:
    return ALIAS in settings.STORAGES or any(
        hasattr(settings, option.setting) for option in GroupMeStorage.options().values()
    )
