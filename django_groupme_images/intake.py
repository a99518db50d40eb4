"""
What a person hands in, a file or an address, on its way to the service.

Forms and serializers share it. What is wrong with the picture is a ``ValidationError``;
what is wrong with the service is a ``ServiceError``, and :func:`explained` says it in
words for a visitor.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import URLValidator
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

from .exceptions import RateLimited, ServiceError, UploadRejected
from .files import RemoteImage
from .form_files import name_in_fallback, upload_folder
from .names import known_picture
from .options import options_of
from .pictures import CDN_URL, Picture
from .rendering import own_url
from .reuse import save_once
from .storage import GroupMeStorage
from .validation import check_format, check_image, shown
from .values import GroupMeImageFieldFile

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "as_submitted",
    "check_file",
    "check_length",
    "checked_picture",
    "explained",
    "image_at",
    "set_result",
    "upload",
    "waiting_file",
]

logger = logging.getLogger(__name__)

_is_web_address = URLValidator(schemes=["http", "https"])


def check_file(file: File[bytes], storage: Storage) -> None:
    """
    Check a file before a byte of it is sent. Raises ``ValidationError``.

    As Django's own ``forms.ImageField`` does, leaves the opened image and its type on
    the file, for validators that come after: ``file.image`` and ``file.content_type``.
    """
    options = options_of(storage)
    image = check_image(
        file, allowed_formats=options.allowed_formats, max_size=options.max_upload_size
    )
    file.image = image  # type: ignore[attr-defined]
    file.content_type = image.get_format_mimetype()  # type: ignore[attr-defined]


def upload(
    file: File[bytes], storage: GroupMeStorage, field: FileField | None = None
) -> Picture | GroupMeImageFieldFile:
    """
    Save a form's file, or let the service fetch a remote image, unless that has been done.

    Returns the picture or the pending file that it became, and sets ``file.picture`` and
    ``file.url``. ``field`` is the model field that the file is for, if there is one.

    Raises ``ServiceError``, and ``ValidationError`` if the picture's format is not allowed, or if
    its URL is too long for the model field.
    """
    name = save_once(file, storage, lambda: _saved(file, storage, field))
    if picture := known_picture(name, storage):
        check_length(checked_picture(picture, storage).url, getattr(field, "max_length", None))
    value = picture or waiting_file(name, storage, str(file.name))
    set_result(file, value)
    return value


def set_result(file: File[bytes], value: Picture | FieldFile | None) -> None:
    """Set ``picture`` and ``url`` of a form's file to those of the value."""
    picture = value if isinstance(value, Picture) else None
    file.picture = picture  # type: ignore[attr-defined]
    file.url = picture.url if picture else own_url(value) or None  # type: ignore[attr-defined]


def _saved(file: File[bytes], storage: GroupMeStorage, field: FileField | None) -> str:
    if storage.fallback_storage is not None:
        name = name_in_fallback(file, field)
    else:
        name = posixpath.join(upload_folder(field), str(file.name))
    return storage.save(name, file, max_length=getattr(field, "max_length", None))


def waiting_file(
    name: str, storage: Storage, submitted_name: str | None = None
) -> GroupMeImageFieldFile:
    """
    Return a file of the fallback storage as the value of a field before there is a row.

    ``submitted_name`` is the name that the file had in the form that saved it.
    """
    value = GroupMeImageFieldFile(None, FileField(storage=storage), name)  # type: ignore[arg-type]
    value.submitted_name = submitted_name
    return value


@contextmanager
def as_submitted(value: FieldFile) -> Iterator[File[bytes]]:
    """Open a pending file as the upload that it was. Raises ``FileNotFoundError``."""
    with value.storage.open(str(value.name)) as content:
        name = getattr(value, "submitted_name", "") or posixpath.basename(str(value.name))
        file = UploadedFile(content, name, size=content.size)
        set_result(file, None)
        yield file


def image_at(url: str, storage: Storage) -> Picture | RemoteImage:
    """
    Return the picture at a URL on the CDN, or an image that the service is yet to fetch.

    Performs no I/O. Raises ``ValidationError`` if the URL is invalid, or the picture's format is
    not allowed.
    """
    if picture := known_picture(url, storage):
        return checked_picture(picture, storage)
    _check_url(url, storage)
    remote = RemoteImage(url)
    set_result(remote, None)
    return remote


def checked_picture(picture: Picture, storage: Storage) -> Picture:
    """The picture, if its format is allowed, or not known. Raises ``ValidationError``."""
    if picture.format:
        check_format(picture.url, picture.format, options_of(storage).allowed_formats)
    return picture


def check_length(url: str, max_length: int | None) -> None:
    """Raise ``ValidationError`` if the column, of so many characters, cannot hold the URL."""
    if max_length is not None and len(url) > max_length:
        raise ValidationError(
            _(
                "The address of the picture has %(length)s characters; at most %(max_length)s "
                "can be kept."
            ),
            code="url_too_long",  # of "max_length", a form field has a message of its own
            params={"length": len(url), "max_length": max_length},
        )


def explained(error: ServiceError, subject: str) -> ValidationError:
    """
    What a visitor is told of an upload that failed: what happened, and what to do.

    ``subject`` is the file's name, or its address. The error's own words are for those
    who run the site, and go to the log.
    """
    logger.log(
        logging.WARNING if error.retryable or isinstance(error, UploadRejected) else logging.ERROR,
        "%.200r could not be uploaded: %s",
        subject,
        error,
    )
    code, message = _explanation(error)
    return ValidationError(message, code=code, params={"name": shown(subject)})


def _explanation(error: ServiceError) -> tuple[str, Any]:
    if isinstance(error, UploadRejected):
        return "rejected", _(
            "The image service did not accept “%(name)s”. Choose another picture, or save this "
            "one anew as a JPEG or PNG and try again."
        )
    if isinstance(error, RateLimited):
        return "busy", _(
            "The image service is busy and did not take “%(name)s”. Wait a minute, then try again "
            "with the same picture."
        )
    if error.retryable:
        return "unavailable", _(
            "The image service does not answer, so “%(name)s” was not uploaded. Try again with "
            "the same picture in a few minutes."
        )
    return "misconfigured", _(
        "This site cannot upload pictures at the moment, so “%(name)s” was not uploaded. Please "
        "tell those who run it; trying again will not help."
    )


def _check_url(url: str, storage: Storage) -> None:
    """Raise ``ValidationError`` unless the service can be asked to fetch the URL."""
    if not isinstance(storage, GroupMeStorage):
        raise ValidationError(
            _("“%(url)s” is not the address of a picture on %(cdn_url)s."),
            code="invalid_url",
            params={"url": shown(url), "cdn_url": CDN_URL},
        )
    try:
        _is_web_address(url)
    except ValidationError:
        raise ValidationError(
            _(
                "“%(url)s” is not an address on the web. Give all of it, such as "
                "https://example.com/cat.jpg."
            ),
            code="invalid_url",
            params={"url": shown(url)},
        ) from None
