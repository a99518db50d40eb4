"""Determine the width and height of images, and set the dimension fields of model instances."""

from __future__ import annotations

from contextlib import suppress
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.core.files.images import get_image_dimensions
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.db.models.query_utils import DeferredAttribute

from .pictures import Picture, with_size
from .storage.backend import GroupMeStorage
from .storage.names import is_pending, picture_from_file

if TYPE_CHECKING:
    from django.core.files.storage import Storage

    Dimensions = tuple[int | None, int | None]  # width and height in pixels

__all__ = [
    "are_dimensions_missing",
    "dimensions_after_upload",
    "dimensions_from_instance",
    "dimensions_from_url_or_content",
    "dimensions_without_io",
    "has_dimension_fields",
    "is_deferred",
    "set_dimensions",
    "with_dimensions",
]


def has_dimension_fields(field: FileField) -> bool:
    """Return whether the field has a ``width_field`` or a ``height_field``."""
    return any(_dimension_fields(field))


def are_dimensions_missing(instance: Model, field: FileField) -> bool:
    """
    Return whether a dimension field of the model instance is empty.

    Return ``False`` if one of them is deferred, because reading it would make a query.
    """
    names = [name for name in _dimension_fields(field) if name]
    return not any(is_deferred(instance, name) for name in names) and not all(
        getattr(instance, name) for name in names
    )


def set_dimensions(instance: Model, field: FileField, dimensions: Dimensions) -> None:
    """Set the dimension fields of the model instance, in pixels; ``None`` stands for unknown."""
    for name, pixels in zip(_dimension_fields(field), dimensions, strict=True):
        if name:
            setattr(instance, name, pixels)


def dimensions_from_instance(file: FieldFile) -> Dimensions:
    """
    Return width and height from the dimension fields of the file's model instance, without I/O.

    Each is ``None`` if it has no dimension field, or if that is empty or deferred.
    """
    # getattr() would make a query for a deferred field. The file of a form has no instance.
    values = getattr(file.instance, "__dict__", {})
    current = values.get(file.field.attname)
    if getattr(current, "name", current) != file.name:
        return None, None  # The dimension fields describe the image that has replaced this one.
    if _are_dimension_fields_shared(file.instance, file.field):
        return None, None  # They describe the image that was assigned last.
    width, height = (values.get(name) or None for name in _dimension_fields(file.field))
    return width, height


def dimensions_without_io(file: FieldFile) -> Dimensions:
    """
    Return width and height of an image on the image service, without I/O.

    They come from the URL, or else from the model instance; ``None`` stands for unknown.
    """
    dimensions = dimensions_from_url_or_content(file)
    return dimensions if all(dimensions) else dimensions_from_instance(file)


def dimensions_from_url_or_content(file: FieldFile) -> Dimensions:
    """
    Return width and height of a field's value, from its URL or else from its content.

    An image on the image service is not downloaded. A pending file is read; both are ``None`` if it
    does not exist.
    """
    if not file:
        return None, None
    if picture := picture_from_file(file):
        cached: Dimensions = getattr(file, "_dimensions_cache", (None, None))
        return (picture.width, picture.height) if picture.width else cached
    if not is_pending(file):
        return file.width, file.height  # type: ignore[attr-defined]
    with suppress(OSError), file.storage.open(str(file.name)) as content:
        return get_image_dimensions(content)
    return None, None


def _content_dimensions(content: File[Any]) -> Dimensions:
    """
    Return width and height of content, as Django measures them, and restore its position.

    Both are ``None`` if the content is not an image, or cannot be read twice.
    """
    with suppress(AttributeError, OSError, ValueError):
        # File.open() would open any file of that name in the current directory.
        if content.closed and type(content).open is not File.open:
            content.open()  # It stays open for the upload, as in Django.
        return get_image_dimensions(content)
    return None, None


def dimensions_after_upload(content: File[Any], storage: Storage) -> Dimensions:
    """
    Return width and height that content has after ``storage`` has saved it.

    Both are ``None`` if the storage converts or shrinks the content, because they are then unknown.
    """
    width, height = _content_dimensions(content)
    if width and height and not _is_encoded_again(content, max(width, height), storage):
        return width, height
    return None, None


def _is_encoded_again(content: File[Any], longer_side: int, storage: Storage) -> bool:
    """Return whether the storage converts or shrinks an image, which may also rotate it."""
    if not isinstance(storage, GroupMeStorage):
        return False
    options = storage.image_options
    if options.max_dimension and longer_side > options.max_dimension:
        return True
    if not options.convert_formats:
        return False
    from .images.signatures import PREFIX_SIZE, detect_format

    position = content.tell()
    content.seek(0)
    prefix = content.read(PREFIX_SIZE)
    content.seek(position)
    image_format = detect_format(prefix, str(content.name), options.accepted_formats)
    return image_format is not None and options.is_converted(image_format)


def with_dimensions(picture: Picture, content: File[Any], storage: Storage) -> Picture:
    """Return the ``Picture``, with the dimensions of the uploaded content if its URL has none."""
    if picture.width:
        return picture
    width, height = dimensions_after_upload(content, storage)
    return with_size(picture, width, height) if width and height else picture


def _dimension_fields(field: FileField) -> tuple[str | None, str | None]:
    """Return the names of the fields for width and height."""
    return getattr(field, "width_field", None), getattr(field, "height_field", None)


def _are_dimension_fields_shared(instance: Model, field: FileField) -> bool:
    """Return whether another field of the model also has one of the dimension fields."""
    fields = (each for each in instance._meta.concrete_fields if isinstance(each, FileField))
    others = {name for other in fields if other is not field for name in _dimension_fields(other)}
    return not others.isdisjoint(filter(None, _dimension_fields(field)))


def is_deferred(instance: Model, name: str) -> bool:
    """Return whether reading the attribute may make a query."""
    values = vars(instance)
    if name in values:
        return False
    if isinstance(getattr_static(type(instance), name, None), DeferredAttribute):
        return True
    # The attribute is a property, which may read any field.
    fields = instance._meta.concrete_fields
    return any(field.attname not in values for field in fields if not field.generated)
