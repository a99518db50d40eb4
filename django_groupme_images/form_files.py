"""The names of files that forms and serializers save before there is a row."""

from __future__ import annotations

import mimetypes
import posixpath
from pathlib import PureWindowsPath

from django.core.files import File
from django.db.models import FileField
from django.utils.crypto import get_random_string

from .names import FORM_FOLDER

__all__ = ["name_in_fallback", "upload_folder"]

_EXTENSIONS = {"mpo": "jpeg"}  # of formats that are not named as their extension is
_USUAL_MAX_LENGTH = 100  # characters of a file field's column


def name_in_fallback(file: File[bytes], field: FileField | None) -> str:
    """
    Return a name in ``FORM_FOLDER`` that no other file has or has had.

    It is random because storages may overwrite files, and a form may refer to it for a day. Its
    extension is that of the image, because web servers derive the type from it.
    """
    # The column limits the length, and file systems take 255 bytes, of which a character can be 4.
    limit = (field and field.max_length) or _USUAL_MAX_LENGTH
    end = _extension(file)
    folder = posixpath.join(FORM_FOLDER, upload_folder(field), f"{get_random_string(7)}_")
    if len(folder) + len(end) > limit:
        folder = posixpath.join(FORM_FOLDER, posixpath.basename(folder))
    stem = PureWindowsPath(str(file.name)).stem  # it splits at both slashes
    return f"{folder}{stem[: min(50, max(0, limit - len(folder) - len(end)))]}{end}"


def _extension(file: File[bytes]) -> str:
    if image_format := str(getattr(getattr(file, "image", None), "format", "")).lower():
        return f".{_EXTENSIONS.get(image_format, image_format)}"
    # The project's own code has replaced the file that was checked.
    kind, _ = mimetypes.guess_type(str(file.name))
    return PureWindowsPath(str(file.name)).suffix if str(kind).startswith("image/") else ""


def upload_folder(field: FileField | None) -> str:
    """Return the folder that ``upload_to`` names, or nothing if it is a callable, as for a row."""
    if field is None or callable(field.upload_to):
        return ""
    return posixpath.dirname(field.generate_filename(None, "name"))  # type: ignore[arg-type]
