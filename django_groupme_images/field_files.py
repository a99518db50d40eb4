"""
Values of a ``GroupMeImageField``, and the descriptor that creates them.

A value is a field file: an image on the image service, a pending file in the fallback storage, or
a file that is not saved yet.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from copy import copy, deepcopy
from typing import IO, TYPE_CHECKING, Any, Self

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile, ImageFieldFile, ImageFileDescriptor

from .alternative_text import alternative_text
from .dimensions import (
    dimensions_after_upload,
    dimensions_from_instance,
    dimensions_from_url_or_content,
    dimensions_without_io,
    has_dimension_fields,
    set_dimensions,
)
from .exceptions import InvalidPicture
from .pictures import Picture, with_size
from .storage.names import is_committed, is_pending, picture_from_file, picture_from_name
from .storage.reuse import copy_record, earlier_upload_name, unchanged_upload_name

if TYPE_CHECKING:
    from django.core.files.storage import Storage


__all__ = [
    "ForeignFile",
    "GroupMeImageDescriptor",
    "GroupMeImageFieldFile",
    "require_content",
]


class GroupMeImageFieldFile(ImageFieldFile):
    """
    The value of a ``GroupMeImageField``.

    The attributes of an image on the image service come from its URL, without I/O. Any other file
    has no ``picture``, and the URL of each variant is its ``url``.
    """

    #: Name that a pending file had in the form that saved it. A model instance that is saved with
    #: such a file keeps the file, unless another row already has it.
    submitted_name: str | None = None

    # Pickles contain this path.
    __module__ = "django_groupme_images.fields"

    @property
    def picture(self) -> Picture | None:
        """
        The ``Picture``, or ``None`` if there is no file, or it is not uploaded (yet).

        A file that a form has uploaded has a ``Picture`` until its content changes.
        """
        if not self._committed:
            content = getattr(self, "_file", None)
            name = None if content is None else unchanged_upload_name(content, self.storage)
            return picture_from_name(name, self.storage)
        # This repeats picture_from_file() without its calls, because pages read it for every row.
        return picture_from_name(self.name, self.storage)

    @property
    def url(self) -> str:
        """URL of the original. Raise ``ValueError`` if there is no file."""
        picture = self.picture
        return picture.url if picture else super().url

    @property
    def preview_url(self) -> str:
        """URL of the thumbnail of 200×200 pixels. Raise ``ValueError`` if there is no file."""
        return self._variant_url("preview")

    @property
    def large_url(self) -> str:
        """URL of a variant of at most 960×960 pixels. Raise ``ValueError`` if there is no file."""
        return self._variant_url("large")

    @property
    def avatar_url(self) -> str:
        """URL of the thumbnail of 60×60 pixels. Raise ``ValueError`` if there is no file."""
        return self._variant_url("avatar")

    @property
    def width(self) -> int | None:  # type: ignore[override]  # Django's is never None.
        """
        Width of the original in pixels, or ``None`` if it is unknown.

        It comes from the URL, or else from the ``width_field``. A pending file is read if one of
        its dimension fields is empty. Raise ``ValueError`` if there is no file.
        """
        picture = self.picture if self._committed else None
        return (picture and picture.width) or self._dimensions()[0]

    @property
    def height(self) -> int | None:  # type: ignore[override]  # Django's is never None.
        """Height of the original in pixels, or ``None`` if it is unknown; see :attr:`width`."""
        picture = self.picture if self._committed else None
        return (picture and picture.height) or self._dimensions()[1]

    @property
    def path(self) -> str:
        """
        Path of a pending file, whether the file exists or not.

        Raise ``NotImplementedError`` for an image that is not on a local disk.
        """
        fallback = getattr(self.storage, "fallback_storage", None) if is_pending(self) else None
        return super().path if fallback is None else fallback.path(str(self.name))

    @property
    def format(self) -> str | None:
        """``"jpeg"``, ``"png"``, ``"gif"`` …, or ``None`` if the URL does not contain a format."""
        return getattr(self.picture, "format", None)

    @property
    def alt(self) -> str:
        """Alternative text: the value of the ``alt_field``, or ``""``; read without a query."""
        return alternative_text(self)

    def attachment(self) -> dict[str, str]:
        """
        Return the image as an attachment of a message in GroupMe's API.

        Raise ``InvalidPicture`` if there is no image, or it is not uploaded (yet).
        """
        if (picture := self.picture) is None:
            raise InvalidPicture(f"{self.field} has no uploaded image to attach")
        return picture.attachment()

    def save(self, name: str, content: File[Any], save: bool = True) -> None:
        """Save the content as Django does; see ``GroupMeStorage.save()``."""
        stored_name = earlier_upload_name(content)
        if stored_name and name == getattr(content, "name", None):
            # The name that a file had in a form may not be safe, or not be valid for a file.
            name = posixpath.basename(stored_name)
        # The content is measured first, because some storages move or close the file.
        has_fields = has_dimension_fields(self.field)
        before = dimensions_after_upload(content, self.storage) if has_fields else (None, None)
        super().save(name, content, save=False)
        self._forget_dimensions()
        if all(before):
            self._dimensions_cache = before
        if has_fields:
            is_known = all(before) and not self.picture
            dimensions = before if is_known else dimensions_from_url_or_content(self)
            set_dimensions(self.instance, self.field, dimensions)
        if save:
            self.instance.save()

    save.alters_data = True  # type: ignore[attr-defined]

    def save_from_url(self, url: str, save: bool = True) -> None:
        """
        Upload the image at ``url``, which the image service downloads itself.

        With ``save``, also save the model instance. Raise ``ServiceError`` if the upload fails, and
        leave the instance unchanged.
        """
        storage: Any = self.storage
        self.name = storage.save_from_url(url)
        self._file, self._committed = None, True
        self._forget_dimensions()
        vars(self.instance)[self.field.attname] = self.name
        set_dimensions(self.instance, self.field, dimensions_from_url_or_content(self))
        if save:
            self.instance.save()

    save_from_url.alters_data = True  # type: ignore[attr-defined]

    async def asave_from_url(self, url: str, save: bool = True) -> None:
        """Asynchronous version of :meth:`save_from_url`, which runs in a thread."""
        await sync_to_async(self.save_from_url)(url, save)

    asave_from_url.alters_data = True  # type: ignore[attr-defined]

    def delete(self, save: bool = True) -> None:
        """Delete the file and clear the field. A file that is not saved yet is only discarded."""
        if not self or is_committed(self):
            super().delete(save)
            return
        # The storage may contain another row's file of this name.
        self.close()
        self._file, self.name = None, None
        self._forget_dimensions()
        setattr(self.instance, self.field.attname, None)
        if save:
            self.instance.save()

    delete.alters_data = True  # type: ignore[attr-defined]

    def _variant_url(self, variant: str) -> str:
        picture = self.picture
        return picture.variant_url(variant) if picture else self.url

    def _dimensions(self) -> tuple[int | None, int | None]:
        if picture_from_file(self):
            return dimensions_without_io(self)
        dimensions = dimensions_from_instance(self) if is_pending(self) else (None, None)
        return dimensions if all(dimensions) else (super().width, super().height)

    def _forget_dimensions(self) -> None:
        """Clear Django's cache, which contains the dimensions of the previous file."""
        vars(self).pop("_dimensions_cache", None)

    def _set_instance_attribute(self, name: str, content: IO[bytes]) -> None:
        # Django's method also sets the dimensions, which save() does here.
        vars(self.instance)[self.field.attname] = name

    def _require_file(self) -> None:
        super()._require_file()  # type: ignore[misc]
        if getattr(self, "_file", None) is None:
            # Django would open the file of this name in the storage, which is another row's.
            require_content(self)

    def __copy__(self) -> Self:
        duplicate = type(self)(self.instance, self.field, self.name)
        if not is_committed(self):
            # An open file cannot be copied, so both share it.
            duplicate._file, duplicate._committed = getattr(self, "_file", None), False
        return duplicate

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        duplicate = memo[id(self)] = copy(self)
        duplicate.instance = deepcopy(self.instance, memo)
        return duplicate

    def __getstate__(self) -> dict[str, Any]:
        # Django omits the content of an unsaved file and pickles the file as a saved one.
        state = super().__getstate__()
        if not is_committed(self):
            state |= {"_committed": False, "_file": _copy_in_memory(getattr(self, "_file", None))}
        return state


def require_content(file: FieldFile) -> None:
    """Raise ``ValueError`` if this is an unsaved file whose content cannot be read anymore."""
    content = getattr(file, "_file", None)
    if file and not is_committed(file) and file.closed and not earlier_upload_name(content):
        raise ValueError(
            f"The content of {file.name!r:.200} is not available: the file was closed, or it was "
            f"lost when {file.field} was pickled. Assign the file to {file.field} again."
        )


def _copy_in_memory(file: File[Any] | None) -> ContentFile[bytes] | None:
    """
    Return a copy of the file in memory.

    Return ``None`` if the file is larger than the uploads that Django keeps in memory, or if it is
    closed, cannot seek, or has no known size.
    """
    try:
        if file is None or file.size > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            return None
        position = file.tell()
        file.seek(0)
        content = ContentFile(file.read(), name=file.name)
        file.seek(position)
        copy_record(file, content)
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return content


class GroupMeImageDescriptor(ImageFileDescriptor):
    """
    The attribute of a model class that a ``GroupMeImageField`` adds.

    It gives each model instance its own value. In Django, copies of an instance share a value.
    """

    field: Any  # It is a GroupMeImageField, whose module imports this one.

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return super().__get__(instance, cls)
        field, values = self.field, instance.__dict__
        value = values.get(field.attname)
        if type(value) is str:
            # This is the fast path for a loaded row. Django's method does the same.
            value = values[field.attname] = field.attr_class(instance, field, value)
            return value
        if isinstance(value, FieldFile):
            if value.instance is instance and value.field is field:
                return value
            values[field.attname] = self._adopt(instance, value)
        return super().__get__(instance, cls)

    def __set__(self, instance: Any, value: Any) -> None:
        attname, values = self.field.attname, instance.__dict__
        if type(value) is str and attname not in values:
            values[attname] = value  # This is the fast path for Model.from_db().
            if not instance._state.adding:  # The field was deferred, and the value is a new one.
                self.field.update_dimension_fields(instance, force=True)
            return
        if isinstance(value, Picture):
            value = self._value_from_picture(instance, value)
        elif isinstance(value, FieldFile):
            value = self._adopt(instance, value)
        elif isinstance(value, File):
            wrapped = vars(value).get("file")
            if isinstance(wrapped, FieldFile) and is_committed(wrapped) and wrapped.closed:
                value = _foreign_file(wrapped, value.name)
        if _is_same_image(value, values.get(attname), self.field.storage):
            values[attname] = value  # The image keeps its dimensions.
        else:
            super().__set__(instance, value)

    def _value_from_picture(self, instance: Any, picture: Picture) -> FieldFile:
        value: GroupMeImageFieldFile = self.field.attr_class(instance, self.field, picture.url)
        # Django sets this cache when it reads the dimensions from the content.
        value._dimensions_cache = picture.width, picture.height
        return value

    def _adopt(self, instance: Any, value: FieldFile) -> FieldFile | File[bytes] | str | None:
        """
        Return what the instance stores for a field file that was assigned to it.

        This is the field file itself if it belongs to the instance and the field. Otherwise, it is
        a new field file, a name, or content to upload.
        """
        if value.instance is instance and value.field is self.field:
            return value
        if not value or not value.name:
            return value.name
        if not is_committed(value):
            content = getattr(value, "_file", None)
            return content if isinstance(content, ForeignFile) else File(value, value.name)
        return self._adopt_committed(instance, value)

    def _adopt_committed(self, instance: Any, value: FieldFile) -> FieldFile | File[bytes] | str:
        """Return what the instance stores for a saved file of another instance or field."""
        storage = self.field.storage
        submitted_name = getattr(value, "submitted_name", None)
        if value.storage == storage and submitted_name is not None:
            own: GroupMeImageFieldFile = self.field.attr_class(instance, self.field, value.name)
            own.submitted_name = submitted_name
            return own
        if picture_from_file(value) and (picture := picture_from_name(value.name, storage)):
            width, height = dimensions_without_io(value)
            with_known_size = with_size(picture, width, height) if width and height else picture
            return self._value_from_picture(instance, with_known_size)
        name = str(value.name)
        if value.storage == storage or picture_from_name(name, storage):
            return name
        return _foreign_file(value, posixpath.basename(name))


class ForeignFile(File):  # type: ignore[type-arg]  # Only the stubs define it as generic.
    """A saved file of another field or model instance. The upload opens and closes it."""

    file: FieldFile

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> Self:
        self.file.open(mode or "rb")  # File.open() would open a local file of this name.
        return self

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        self.open()  # get_image_dimensions() may have closed the file.
        return super().chunks(chunk_size)


def _foreign_file(value: FieldFile, name: str | None) -> ForeignFile:
    # The file gets a FieldFile of its own, because the other one may have been read and closed.
    return ForeignFile(type(value)(value.instance, value.field, value.name), name)


def _is_same_image(first: Any, second: Any, storage: Storage) -> bool:
    """Return whether two stored values are one image. A URL may be written in several ways."""
    if not (_is_stored(first) and _is_stored(second) and _stored_name(first)):
        return False
    if _stored_name(first) == _stored_name(second):
        return True
    picture = picture_from_name(_stored_name(first), storage)
    return picture is not None and picture == picture_from_name(_stored_name(second), storage)


def _is_stored(value: Any) -> bool:
    return is_committed(value) if isinstance(value, File) else isinstance(value, str)


def _stored_name(value: Any) -> Any:
    return getattr(value, "name", value)
