"""
Decide when the images of forms and serializers are uploaded, validate them, and upload them.

An invalid image is reported as a ``ValidationError``, and a failure of the image service as a
``ServiceError``, which :func:`to_validation_error` converts for site visitors.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import URLValidator
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

from django_groupme_images.conf import configured_storage, validated_option
from django_groupme_images.dimensions import with_dimensions
from django_groupme_images.exceptions import (
    ImageRejected,
    RateLimited,
    ServiceError,
    UploadRejected,
)
from django_groupme_images.field_files import GroupMeImageFieldFile
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.pictures import CDN_URL, Picture, with_submitted_name
from django_groupme_images.storage.backend import GroupMeStorage
from django_groupme_images.storage.file import RemoteImage
from django_groupme_images.storage.names import (
    file_url,
    pending_name,
    picture_from_name,
    upload_folder,
)
from django_groupme_images.storage.reuse import save_once

from .validation import check_image, rejection_error, require_format, safe_name

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "changes_files",
    "image_from_url",
    "is_uploaded_by_form",
    "is_uploaded_early",
    "open_pending_file",
    "pending_file",
    "require_allowed_format",
    "set_picture",
    "to_validation_error",
    "upload_file",
    "validate_image",
    "validate_url_length",
]

logger = logging.getLogger(__name__)

_validate_http_url = URLValidator(schemes=["http", "https"])


def changes_files(field: FileField | None) -> bool:
    """
    Return whether a model field may change its files when they are saved, for example resize them.

    This is assumed if its field files override ``save()``. Such a file must not be uploaded before
    its model instance is saved.
    """
    save = field and field.attr_class.save
    return save not in (None, FieldFile.save, GroupMeImageFieldFile.save)


def is_uploaded_early(storage: Storage, field: FileField | None) -> bool:
    """Return whether a form uploads images for the field before its other fields are valid."""
    return bool(validated_option(storage, "upload_early")) and not changes_files(field)


def is_uploaded_by_form(value: Any, storage: Storage, field: FileField | None) -> bool:
    """Return whether the form or serializer uploads this cleaned value before it is saved."""
    if isinstance(value, RemoteImage):
        # The site does not have its content, so the save() of a model field cannot change it.
        return isinstance(storage, GroupMeStorage)
    is_file = isinstance(value, File) and not isinstance(value, FieldFile)
    return is_file and isinstance(storage, GroupMeStorage) and not changes_files(field)


def image_options(storage: Storage) -> ImageOptions:
    """Return the options for image files. Only a ``GroupMeStorage`` changes files."""
    options = configured_storage(storage).image_options
    if isinstance(storage, GroupMeStorage):
        return options
    return replace(options, convert_formats=(), max_dimension=None, strip_metadata=False)


def validate_image(file: File[bytes], storage: Storage) -> None:
    """
    Raise ``ValidationError`` unless the file is an image that the storage accepts.

    Perform no requests. Like Django's ``forms.ImageField``, set ``file.image`` and
    ``file.content_type`` for the validators that run later.
    """
    image = check_image(file, image_options(storage))
    file.image = image  # type: ignore[attr-defined]
    file.content_type = image.get_format_mimetype()  # type: ignore[attr-defined]


def require_allowed_format(picture: Picture, storage: Storage) -> Picture:
    """Return ``picture``. Raise ``ValidationError`` if its URL has a format that is not allowed."""
    if picture.format:
        require_format(picture.url, picture.format, configured_storage(storage).allowed_formats)
    return picture


def validate_url_length(url: str, max_length: int | None) -> None:
    """Raise ``ValidationError`` if the URL is longer than ``max_length`` characters."""
    if max_length is not None and len(url) > max_length:
        raise ValidationError(
            _(
                "The image URL is too long (%(length)s characters). The maximum length is "
                "%(max_length)s characters."
            ),
            code="url_too_long",  # Form fields have their own message for "max_length".
            params={"length": len(url), "max_length": max_length},
        )


def image_from_url(url: str, storage: Storage) -> Picture | RemoteImage:
    """
    Return the ``Picture`` of a CDN URL, or a remote image that the image service has yet to fetch.

    Perform no I/O. Raise ``ValidationError`` if the URL or its format is not allowed.
    """
    if picture := picture_from_name(url, storage):
        return require_allowed_format(picture, storage)
    _validate_url(url, storage)
    remote = RemoteImage(url)
    set_picture(remote, None)
    return remote


def _validate_url(url: str, storage: Storage) -> None:
    """Raise ``ValidationError`` unless the image service can fetch the URL."""
    if not isinstance(storage, GroupMeStorage):
        raise ValidationError(
            _("“%(value)s” is not the URL of an image on %(cdn_url)s."),
            code="invalid_url",
            params={"value": safe_name(url), "cdn_url": CDN_URL},
        )
    try:
        _validate_http_url(url)
    except ValidationError:
        raise ValidationError(
            _(
                "“%(url)s” is not a valid URL. Please enter a full URL, such as "
                "https://example.com/cat.jpg."
            ),
            code="invalid_url",
            params={"url": safe_name(url)},
        ) from None


def upload_file(
    file: File[bytes], storage: GroupMeStorage, field: FileField | None = None
) -> Picture | GroupMeImageFieldFile:
    """
    Upload a form's file or remote image, unless it has been uploaded before.

    Return the uploaded image, or the pending file if it was saved to the fallback storage. Set
    ``file.picture`` and ``file.url``. ``field`` is the model field that the file is for, if any.

    Raise ``ServiceError`` if the upload fails, and ``ValidationError`` if the uploaded image has
    a format that is not allowed, or a URL that is too long for the model field.
    """
    name = save_once(file, storage, lambda: _save(file, storage, field))
    if picture := picture_from_name(name, storage):
        picture = with_dimensions(picture, file, storage)
        if not isinstance(file, RemoteImage):
            picture = with_submitted_name(picture, str(file.name))
        validate_url_length(
            require_allowed_format(picture, storage).url, getattr(field, "max_length", None)
        )
    value = picture or pending_file(name, storage, str(file.name))
    set_picture(file, value)
    return value


def _save(file: File[bytes], storage: GroupMeStorage, field: FileField | None) -> str:
    """Save the file to the storage, and return its stored name."""
    if storage.fallback_storage is not None:
        name = pending_name(file, field)
    else:
        name = posixpath.join(upload_folder(field), str(file.name))
    return storage.save(name, file, max_length=getattr(field, "max_length", None))


def set_picture(file: File[bytes], value: Picture | FieldFile | None) -> None:
    """Set ``picture`` and ``url`` of a form's file to those of its upload, or to ``None``."""
    picture = value if isinstance(value, Picture) else None
    file.picture = picture  # type: ignore[attr-defined]
    file.url = picture.url if picture else file_url(value) or None  # type: ignore[attr-defined]


def pending_file(
    name: str, storage: Storage, submitted_name: str | None = None
) -> GroupMeImageFieldFile:
    """
    Return a file in the fallback storage as the value of a model field, without an instance.

    ``submitted_name`` is the name with which the file was submitted.
    """
    value = GroupMeImageFieldFile(None, FileField(storage=storage), name)  # type: ignore[arg-type]
    value.submitted_name = submitted_name
    return value


@contextmanager
def open_pending_file(value: FieldFile) -> Iterator[File[bytes]]:
    """
    Open a pending file as an ``UploadedFile`` with the name with which it was submitted.

    Raise ``FileNotFoundError`` if it does not exist anymore.
    """
    with value.storage.open(str(value.name)) as content:
        name = getattr(value, "submitted_name", "") or posixpath.basename(str(value.name))
        file = UploadedFile(content, name, size=content.size)
        set_picture(file, None)
        yield file


def to_validation_error(error: ServiceError, submitted: Any) -> ValidationError:
    """
    Convert an upload error into a ``ValidationError`` for site visitors, and log the original.

    ``submitted`` is a file, a ``RemoteImage``, or the URL of an image. The log contains the
    details, which are meant for the site's operators.
    """
    is_url = isinstance(submitted, RemoteImage) or not isinstance(submitted, File)
    subject = str(getattr(submitted, "source" if is_url else "name", submitted))
    if isinstance(error, ImageRejected):
        return rejection_error(error, subject)
    logger.log(
        logging.WARNING if error.retryable or isinstance(error, UploadRejected) else logging.ERROR,
        "%.200r could not be uploaded: %s",
        subject,
        error,
    )
    code, message = _error_message(error, is_url=is_url)
    return ValidationError(message, code=code, params={"name": safe_name(subject)})


def _error_message(error: ServiceError, *, is_url: bool) -> tuple[str, Any]:
    """Return the error code and the message for visitors."""
    if isinstance(error, UploadRejected) and is_url:
        return "rejected", _(
            "The image service could not load an image from “%(name)s”. Please check the URL, or "
            "choose a file."
        )
    if isinstance(error, UploadRejected):
        return "rejected", _(
            "The image service rejected “%(name)s”. Please choose another image, or save this "
            "one again as JPEG or PNG."
        )
    if isinstance(error, RateLimited):
        return "busy", _(
            "The image service is busy, so “%(name)s” was not uploaded. Please try again in a "
            "minute."
        )
    if error.retryable:
        return "unavailable", _(
            "The image service is not responding, so “%(name)s” was not uploaded. Please try "
            "again in a few minutes."
        )
    return "misconfigured", _(
        "This site cannot upload images at the moment, so “%(name)s” was not uploaded. Please "
        "contact the site administrator."
    )
