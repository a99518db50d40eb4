"""What reading and assigning a ``GroupMeImageField`` of a row does."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from django.core.files import File
from django.db.models.fields.files import FieldFile, ImageFileDescriptor

from .names import is_file_name, is_saved, known_picture
from .pictures import Picture

if TYPE_CHECKING:
    from .fields import GroupMeImageField

__all__ = ["BorrowedFile", "GroupMeImageDescriptor"]


class BorrowedFile(File):  # type: ignore[type-arg]  # generic in the stubs alone
    """A file of another storage, opened by the upload and closed after it."""

    file: FieldFile

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> Self:
        self.file.open(mode or "rb")  # the field's file asks its storage
        return self

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        self.open()  # whoever asked for its dimensions has closed it
        return super().chunks(chunk_size)


def _name(value: Any) -> Any:
    return getattr(value, "name", value)


def _is_stored(value: Any) -> bool:
    return is_saved(value) if isinstance(value, File) else isinstance(value, str)


class GroupMeImageDescriptor(ImageFileDescriptor):
    """Gives each row a value of its own, where Django lets copied rows share one."""

    field: GroupMeImageField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is not None:
            values = vars(instance)
            value = values.get(self.field.attname)
            if type(value) is str:  # as it was loaded; what Django does, without asking more
                value = values[self.field.attname] = self.field.attr_class(
                    instance, self.field, value
                )
                return value
            if isinstance(value, FieldFile):
                if (own := self._own(instance, value)) is value:
                    return value
                values[self.field.attname] = own
        return super().__get__(instance, cls)

    def __set__(self, instance: Any, value: Any) -> None:
        values = vars(instance)
        if type(value) is str and self.field.attname not in values:
            values[self.field.attname] = value  # of a row that is loaded: most are
            return
        if isinstance(value, Picture):
            value = value.url
        elif isinstance(value, FieldFile):
            value = self._own(instance, value)
        held = values.get(self.field.attname)
        same = _name(value) == _name(held) and _is_stored(value) and _is_stored(held)
        if same and is_file_name(_name(held)):
            values[self.field.attname] = value  # the same file, and as large as it was
        else:
            super().__set__(instance, value)

    def _own(self, instance: Any, value: FieldFile) -> FieldFile | File[bytes] | str | None:
        """The value itself if it is this row's; else its name, or its content to upload."""
        if value.instance is instance and value.field is self.field:
            return value
        storage = self.field.storage
        if not value or not value.name:
            return value.name
        if not is_saved(value):
            content = getattr(value, "_file", None)
            return content if isinstance(content, BorrowedFile) else File(value, value.name)
        if value.storage == storage and getattr(value, "submitted_name", None) is not None:
            own = self.field.attr_class(instance, self.field, value.name)
            own.submitted_name = value.submitted_name  # type: ignore[attr-defined]
            return own
        if value.storage == storage or known_picture(value.name, storage):
            return value.name
        # A value of its own, because the other row's may have been read and closed.
        other = type(value)(value.instance, value.field, value.name)
        return BorrowedFile(other, posixpath.basename(value.name))
