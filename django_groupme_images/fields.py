"""The model field: an ``ImageField`` whose pictures are on GroupMe's image service."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.images import get_image_dimensions
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .descriptors import BorrowedFile, GroupMeImageDescriptor
from .intake import check_length
from .names import is_file_name, is_saved, known_picture, picture_of
from .pending import copy_if_used
from .pictures import Picture
from .reuse import remote_image, uploaded_name
from .storage import GroupMeStorage, groupme_storage
from .values import GroupMeImageFieldFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from django.core.files.storage import Storage
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.forms import Field as FormField

__all__ = ["GroupMeImageField", "GroupMeImageFieldFile"]


class GroupMeImageField(models.ImageField):
    """
    A picture on GroupMe's image service. The column holds its URL.

    Takes what an ``ImageField`` takes, the URL of a picture on the CDN, and a
    ``Picture``; a file is uploaded when its row is saved. ``storage`` defaults to
    ``STORAGES["groupme"]``, or to a ``GroupMeStorage`` made from the settings.

    ``bulk_create()`` uploads, too; ``update()`` and ``bulk_update()`` raise ``ValueError`` for a
    file that is not uploaded yet.

    Copies of a row share a file that is not uploaded yet. A pickle contains it if it has at most
    ``FILE_UPLOAD_MAX_MEMORY_SIZE`` bytes; otherwise saving the unpickled row raises ``ValueError``.

    ``width_field`` and ``height_field`` are filled from the URL. Declare them after
    this field: one declared before is saved with what was known before the upload.
    """

    attr_class = GroupMeImageFieldFile
    descriptor_class = GroupMeImageDescriptor

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> GroupMeImageDescriptor: ...
        @overload
        def __get__(self, instance: models.Model, owner: Any) -> GroupMeImageFieldFile: ...
        @overload
        def __get__(self, instance: Any, owner: Any) -> Self: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...

    description = _("Picture on GroupMe’s image service")

    def __init__(
        self,
        *args: Any,
        storage: Storage | Callable[[], Storage] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, storage=groupme_storage if storage is None else storage, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("storage") is groupme_storage:
            del kwargs["storage"]
        if not kwargs["upload_to"]:  # as ever, since the service names the pictures
            del kwargs["upload_to"]
        return name, path, args, kwargs

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(value, model_instance)
        is_file = isinstance(value, File)
        if not value or (is_file and not is_saved(value)):
            return
        name = value.name if is_file else value
        if isinstance(self.storage, GroupMeStorage) and not self._is_name(name):
            raise ValidationError(
                _("“%(value)s” is not the URL of a picture on %(cdn_url)s."),
                code="invalid_picture",
                params={"value": value, "cdn_url": self.storage.cdn_url},
            )
        check_length(str(name), self.max_length)

    def _is_name(self, name: Any) -> bool:
        """Whether a row may hold this: a picture's URL, or the name of a file in the fallback."""
        has_fallback = getattr(self.storage, "fallback", None) is not None
        return bool(known_picture(name, self.storage)) or (has_fallback and is_file_name(str(name)))

    def run_validators(self, value: Any) -> None:
        # Validators check a file before it is uploaded. Later, one that reads the size would make
        # a request each time that the row is validated, and a pending file has another name.
        is_new = not isinstance(value, FieldFile) or not (picture_of(value) or self._waits(value))
        if is_new and remote_image(value) is None:
            super().run_validators(value)

    def _validate_upload(self, file: Any) -> None:
        """Run the validators on a form's file, as the value that the row would have."""
        value = self.attr_class(None, self, file.name)  # type: ignore[arg-type]
        value.file, value._committed = file, False
        super().run_validators(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        file = getattr(model_instance, self.attname)
        if not isinstance(getattr(file, "_file", None), BorrowedFile):  # it is opened again
            file.require_content()
        copy_if_used(model_instance, self)
        file = super().pre_save(model_instance, add)
        if isinstance(content := getattr(file, "_file", None), BorrowedFile):
            content.close()
        if file and (picture := file.picture):
            file.name = picture.url  # as it goes into the database, see get_prep_value
            if picture.width:
                # Django fills them on assignment, but not of deferred and inherited fields.
                self.update_dimension_fields(model_instance, force=True)
        elif file and add:
            self._measure(model_instance, file)
        return file

    def update_dimension_fields(
        self, instance: models.Model, force: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        if not force and self._waits(vars(instance).get(self.attname)):
            return  # a row that is loaded says itself what is known
        super().update_dimension_fields(instance, force, *args, **kwargs)
        if force and (file := getattr(instance, self.attname)):
            self._measure(instance, file)

    def _waits(self, value: Any) -> bool:
        """Whether this is a file of the fallback storage."""
        is_stored = is_saved(value) if isinstance(value, File) else isinstance(value, str)
        name = getattr(value, "name", value)
        return isinstance(self.storage, GroupMeStorage) and is_stored and is_file_name(name)

    def _measure(self, instance: models.Model, file: GroupMeImageFieldFile) -> None:
        """Fill empty columns from a file in the fallback, which Django would read for it, too."""
        columns = [getattr(self, f"{side}_field") for side in ("width", "height")]
        if not self._waits(file) or all(getattr(instance, column) for column in columns if column):
            return
        with suppress(OSError), self.storage.open(str(file.name)) as content:
            sides = zip(columns, get_image_dimensions(content), strict=True)
            vars(instance).update({column: side for column, side in sides if column})

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(str(value) if isinstance(value, Picture) else value)
        picture = known_picture(value, self.storage)
        return picture.url if picture else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not _is_storable(value):
            raise ValueError(
                f"{self} was given a file that is not on the image service. Only saving a row and "
                "bulk_create() upload one; update() and bulk_update() need the URL of a picture."
            )
        # Django stores "" for None, which a unique field takes only once.
        if self.null and isinstance(value, FieldFile) and value.name is None:
            value = None
        return super().get_db_prep_save(value, connection)

    def value_from_object(self, obj: models.Model) -> Any:
        value = super().value_from_object(obj)
        return None if self.null and getattr(value, "name", "") is None else value

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        if value and not _is_storable(value) and isinstance(self.storage, GroupMeStorage):
            # Its name would be read back as that of a file in the fallback storage.
            raise ValueError(f"{self} has a file that is not saved yet. Save the object first.")
        return str(value or "")

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if isinstance(data, File):
            data = known_picture(uploaded_name(data, self.storage), self.storage) or data
        super().save_form_data(instance, data)
        if self.null and data is not None and not data:
            setattr(instance, self.attname, None)

    def formfield(self, **kwargs: Any) -> FormField | None:
        from .forms import GroupMeImageFormField, own_widget

        form_class = kwargs.setdefault("form_class", GroupMeImageFormField)
        if isinstance(form_class, type) and issubclass(form_class, GroupMeImageFormField):
            kwargs.setdefault("storage", self.storage)
            kwargs.setdefault("model_field", self)
            kwargs.setdefault("validators", [self._validate_upload])
        if "widget" in kwargs:
            kwargs["widget"] = own_widget(kwargs["widget"])
        # The file's own name is not stored, so it may have any length.
        return super().formfield(**{"max_length": None, **kwargs})


def _is_storable(value: Any) -> bool:
    """Whether this is, or will be in the database, a name and no content."""
    if isinstance(value, FieldFile):
        return is_saved(value) or (not value.name and getattr(value, "_file", None) is None)
    is_name = value is None or isinstance(value, str | Promise | Picture)
    return is_name or hasattr(value, "as_sql")
