"""Stored names: URLs of images on the image service, and names of files in the fallback."""

from __future__ import annotations

import mimetypes
import posixpath
import re
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.utils.crypto import get_random_string
from django.utils.functional import Promise

from django_groupme_images.conf import ConfiguredStorage
from django_groupme_images.pictures import CDN_URL, Picture

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "FORM_FOLDER",
    "file_url",
    "is_committed",
    "is_file_name",
    "is_pending",
    "pending_name",
    "picture_from_file",
    "picture_from_name",
    "picture_from_value",
    "upload_folder",
    "url_attribute",
]

#: The folder in the fallback storage for files that forms and serializers save before there is a
#: row. ``groupme_cleanup`` deletes old files in this folder that no row references.
FORM_FOLDER = "groupme-forms"

# The extensions of formats that are not named like their extension.
_EXTENSIONS = {"mpo": "jpeg"}

# Characters in a FileField's column by default.
_DEFAULT_MAX_LENGTH = 100

# The pattern has one slash, because Django's path normalization turns "https://" into "https:/".
_URL_START = re.compile("https?:/", re.IGNORECASE)


def is_file_name(name: str | None) -> bool:
    """
    Return whether a stored name is that of a file, which is in the fallback storage.

    Anything that looks like an http or https URL, on any host, is not a file name.
    """
    return bool(name) and not _URL_START.match(str(name))


def picture_from_name(name: str | None, storage: Storage) -> Picture | None:
    """
    Return the ``Picture`` of a stored name on GroupMe's CDN or the storage's CDN, or ``None``.

    GroupMe's own CDN is always accepted, so that a development environment with another
    ``cdn_url`` can display production data. The storage may be of any class, so that the tests of a
    project can replace ``STORAGES["groupme"]``.
    """
    # The default CDN comes first, because reading the storage's option is slow.
    return Picture.parse_or_none(name) or Picture.parse_or_none(
        name, getattr(storage, "cdn_url", CDN_URL)
    )


def is_committed(file: File[Any]) -> bool:
    """Return whether this is a model field's file that has been saved to its storage."""
    return bool(getattr(file, "_committed", False))


def picture_from_file(file: FieldFile) -> Picture | None:
    """Return the ``Picture`` of a model field's file, or ``None``, without I/O."""
    return picture_from_name(file.name, file.storage) if is_committed(file) else None


def is_pending(file: FieldFile) -> bool:
    """Return whether a model field's file still has to be uploaded, without I/O."""
    on_groupme = isinstance(file.storage, ConfiguredStorage)
    return on_groupme and is_committed(file) and is_file_name(file.name)


def pending_name(file: File[bytes], field: FileField | None) -> str:
    """
    Return a new, random name in ``FORM_FOLDER``.

    The name is random because storages may overwrite files, and a form may refer to it for a day.
    The extension is that of the submitted name if it matches the image's format, because web
    servers derive the content type from it.
    """
    max_length = (field and field.max_length) or _DEFAULT_MAX_LENGTH
    stem, submitted_extension = _split_name(file)
    extension = _extension(file, submitted_extension)
    prefix = posixpath.join(FORM_FOLDER, upload_folder(field), f"{get_random_string(7)}_")
    if len(prefix) + len(extension) > max_length:
        prefix = posixpath.join(FORM_FOLDER, posixpath.basename(prefix))
    # A file system's limit is 255 bytes, and a character may have four bytes.
    stem_length = min(50, max(0, max_length - len(prefix) - len(extension)))
    return f"{prefix}{stem[:stem_length]}{extension}"


def _split_name(file: File[bytes]) -> tuple[str, str]:
    """Return the submitted name without folders and extension, and the extension."""
    # PureWindowsPath splits at "/" and "\\". Its stem and suffix are not used, because those of a
    # name that ends with a dot depend on the version of Python.
    return posixpath.splitext(PureWindowsPath(str(file.name)).name)


def _extension(file: File[bytes], submitted: str) -> str:
    """Return the submitted extension if it matches the image's format, or that of the format."""
    submitted_type, _ = mimetypes.guess_type(f"image{submitted}")
    image_format = str(getattr(getattr(file, "image", None), "format", "")).lower()
    image_format = _EXTENSIONS.get(image_format, image_format)
    if not image_format:
        # Code of the project has replaced the validated file.
        return submitted if str(submitted_type).startswith("image/") else ""
    return submitted if submitted_type == f"image/{image_format}" else f".{image_format}"


def upload_folder(field: FileField | None) -> str:
    """Return the folder of ``upload_to``, or an empty string if it is a callable."""
    # A callable needs a model instance, which a form does not have yet.
    if field is None or callable(field.upload_to):
        return ""
    return posixpath.dirname(field.generate_filename(None, "name"))  # type: ignore[arg-type]


def picture_from_value(value: Any, storage: Storage) -> Picture | None:
    """Return the ``Picture`` of a field's value, of a form's file, or of a URL, or ``None``."""
    if isinstance(value, FieldFile):
        # This is picture_from_file() without its calls, because pages read it for every row.
        is_saved = value._committed  # type: ignore[attr-defined]
        return picture_from_name(value.name, value.storage) if is_saved else None
    if isinstance(value, Picture):
        return value
    if isinstance(value, str | Promise):
        return picture_from_name(str(value), storage)
    return getattr(value, "picture", None) if isinstance(value, File) else None


def file_url(value: Any) -> str:
    """Return the URL of a file in any storage, or an empty string if it has none."""
    if not isinstance(value, File):
        return ""
    if isinstance(value, FieldFile) and not (value and is_committed(value)):
        return ""
    return url_attribute(value)


def url_attribute(value: Any) -> str:
    """Return the attribute ``url`` of any object, or the result if it is a method, or ``""``."""
    try:
        url = getattr(value, "url", None)
        return str((url() if callable(url) else url) or "")
    except (ValueError, NotImplementedError):
        return ""
