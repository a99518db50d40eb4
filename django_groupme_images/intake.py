"""
What a person hands in, a file or an address, on its way to the service.

Forms and serializers share it. What is wrong with the picture is a ``ValidationError``;
what is wrong with the service is a ``ServiceError``, and :func:`explained` says it in
words for a visitor.
"""

from __future__ import annotations

import logging
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.validators import URLValidator
from django.db.models import FileField
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from .exceptions import RateLimited, ServiceError, UploadRejected
from .names import known_picture
from .options import options_of
from .pictures import CDN_URL, Picture
from .storage import GroupMeStorage
from .validation import check_format, check_image, shown
from .values import GroupMeImageFieldFile

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "check_file",
    "check_length",
    "checked_picture",
    "explained",
    "picture_at",
    "picture_of_file",
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


def picture_of_file(
    file: File[bytes], storage: Storage, field: FileField | None = None
) -> Picture | File[bytes]:
    """
    Save a file, and return the picture it became, or else the file that waits to become one.

    ``field`` is the model's, which may say how the file is named in a fallback storage. A
    storage that is not GroupMe's, such as a project's tests put in its place, has to wait for
    the row to be saved, which knows the file's name there: then the file itself is returned.
    Raises ``ServiceError``.
    """
    if not isinstance(storage, GroupMeStorage):
        return file
    name = file.name if storage.fallback_storage is None else _name_of_its_own(file)
    if field is not None and not callable(field.upload_to):  # which would ask for a row
        name = field.generate_filename(None, str(name))  # type: ignore[arg-type]
    saved = storage.save(name, file, max_length=getattr(field, "max_length", None))
    return known_picture(saved, storage) or waiting_file(saved, storage)


def _name_of_its_own(file: File[bytes]) -> str:
    """
    A name for the fallback storage that no other file has, nor has had.

    Not every storage keeps what is there, and a form carries the name along for some time.
    Its extension is that of the image: a web server shows what it serves as the name says.
    """
    image_format = str(getattr(getattr(file, "image", None), "format", "")).lower()
    extension = {"mpo": "jpeg"}.get(image_format, image_format)
    stem = PureWindowsPath(str(file.name)).stem  # which knows both slashes
    # A file system takes 255 bytes, and a character has up to four.
    return f"{get_random_string(7)}_{stem[:50]}.{extension}"


def waiting_file(name: str, storage: Storage) -> GroupMeImageFieldFile:
    """A file of the fallback storage, as the value of a field before there is a row."""
    return GroupMeImageFieldFile(None, FileField(storage=storage), name)  # type: ignore[arg-type]


def picture_at(url: str, storage: Storage) -> Picture:
    """
    The picture at an address: itself if it is on the CDN, else what the service fetches.

    This process never opens ``url``. Raises ``ValidationError`` if it is not an address
    of the web, or its picture's format is not allowed, and ``ServiceError``.
    """
    return checked_picture(known_picture(url, storage) or _fetched(url, storage), storage)


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


def _fetched(url: str, storage: Storage) -> Picture:
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
    return storage.picture(storage.save_from_url(url))
