"""The model field: an ``ImageField`` for images on GroupMe's image service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from django.apps import apps
from django.core import checks
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .alternative_text import alt_field_problem
from .dimensions import (
    are_dimensions_missing,
    dimensions_from_url_or_content,
    has_dimension_fields,
    set_dimensions,
)
from .field_files import ForeignFile, GroupMeImageDescriptor, GroupMeImageFieldFile, require_content
from .pending_files import copy_if_in_another_row
from .pictures import Picture
from .storage.backend import GroupMeStorage, groupme_storage
from .storage.file import RemoteImage
from .storage.names import (
    is_committed,
    is_file_name,
    is_pending,
    picture_from_file,
    picture_from_name,
)
from .storage.reuse import remote_image, unchanged_upload_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from django.core.files.storage import Storage
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.forms import Field as FormField

__all__ = ["GroupMeImageField", "GroupMeImageFieldFile"]


class GroupMeImageField(models.ImageField):
    """
    An ``ImageField`` for an image on GroupMe's image service. The column contains its URL.

    The field accepts the values that an ``ImageField`` accepts, the URL of an image on the CDN, and
    a ``Picture``. A file is uploaded when the model instance is saved. ``storage`` defaults to
    ``STORAGES["groupme"]``, or to a ``GroupMeStorage`` that is configured by the settings.

    ``bulk_create()`` also uploads files. ``update()`` and ``bulk_update()`` raise ``ValueError``
    for a file that is not uploaded yet.

    Copies of a model instance share a file that is not uploaded yet. A pickle contains it if it has
    at most ``FILE_UPLOAD_MAX_MEMORY_SIZE`` bytes; otherwise, saving the unpickled instance raises
    ``ValueError``.

    ``width_field`` and ``height_field`` are set from the URL, or else from the file. Declare them
    after this field: a field declared before it is saved with the dimensions that were known before
    the upload. ``save(update_fields=["photo"])`` does not save them unless you add their names.

    ``alt_field`` is the name of a field or property of the model, for example ``"caption"``. The
    template tags and the thumbnails of the admin use its value as the alternative text.

    An empty value is stored as ``""``, and as ``NULL`` only with ``null=True`` and ``unique=True``.
    """

    attr_class = GroupMeImageFieldFile
    descriptor_class = GroupMeImageDescriptor
    # A new value of this argument does not change the column.
    non_db_attrs = (*models.ImageField.non_db_attrs, "alt_field")

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> GroupMeImageDescriptor: ...
        @overload
        def __get__(self, instance: models.Model, owner: Any) -> GroupMeImageFieldFile: ...
        @overload
        def __get__(self, instance: Any, owner: Any) -> Self: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...

    description = _("Image on GroupMe’s image service")

    def __init__(
        self,
        *args: Any,
        storage: Storage | Callable[[], Storage] | None = None,
        alt_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.alt_field = alt_field
        super().__init__(*args, storage=groupme_storage if storage is None else storage, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        storage = kwargs.pop("storage", get_default_storage)  # Django omits its own default.
        if storage is not groupme_storage:
            kwargs["storage"] = storage
        # Most fields have no upload_to, because the image service chooses the names, so migrations
        # omit an empty one.
        if not kwargs["upload_to"]:
            del kwargs["upload_to"]
        if self.alt_field is not None:
            kwargs["alt_field"] = self.alt_field
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *self._check_app(), *self._check_alt_field()]

    def _check_app(self) -> Iterator[checks.CheckMessage]:
        # Without the app, the functions in checks.py are not registered.
        if not apps.is_installed("django_groupme_images"):
            yield checks.Warning(
                f'{self} is a GroupMeImageField, but "django_groupme_images" is not in '
                "INSTALLED_APPS.",
                hint="Add it. Without it, rendering a form with this field fails, deferred files "
                "are not uploaded, and the template tags, management commands, and other system "
                "checks are not available.",
                obj=self,
                id="groupme_images.W012",
            )

    def _check_alt_field(self) -> Iterator[checks.CheckMessage]:
        if self.alt_field is None:
            return
        if problem := alt_field_problem(self.model, self.alt_field):
            yield checks.Error(
                f"alt_field={self.alt_field!r} {problem}.",
                hint="Set it to the name of a field, or of a property that makes no queries.",
                obj=self,
                id="groupme_images.E006",
            )

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        from .forms.uploads import validate_url_length

        super().validate(value, model_instance)
        is_file = isinstance(value, File)
        if not value or (is_file and not is_committed(value)):
            return
        name = value.name if is_file else value
        if isinstance(self.storage, GroupMeStorage) and not self._is_valid_name(name):
            raise ValidationError(
                _("“%(value)s” is not the URL of an image on %(cdn_url)s."),
                code="invalid_picture",
                params={"value": value, "cdn_url": self.storage.cdn_url},
            )
        validate_url_length(str(name), self.max_length)

    def _is_valid_name(self, name: Any) -> bool:
        """Return whether this is the URL of an image, or the name of a file in the fallback."""
        has_fallback = getattr(self.storage, "fallback", None) is not None
        return bool(picture_from_name(name, self.storage)) or (
            has_fallback and is_file_name(str(name))
        )

    def run_validators(self, value: Any) -> None:
        # Validators check a file once, before it is uploaded. Later, a validator that reads the
        # size would make a request on each validation, and a pending file has another name.
        if not self._is_uploaded(value) and remote_image(value) is None:
            super().run_validators(value)

    def _is_uploaded(self, value: Any) -> bool:
        """Return whether this is a stored file, or one that a form has uploaded."""
        if not isinstance(value, FieldFile):
            return False
        is_stored = picture_from_file(value) or is_pending(value)
        return bool(is_stored or unchanged_upload_name(value, self.storage))

    def _validate_upload(self, file: Any) -> None:
        """Run the validators on a form's file, as the value that the instance would have."""
        from .forms.uploads import is_uploaded_early

        on_groupme = isinstance(self.storage, GroupMeStorage)
        if not on_groupme or not is_uploaded_early(self.storage, self):
            return  # The form does not upload the file, so the model validates it later.
        value = self.attr_class(None, self, file.name)  # type: ignore[arg-type]
        value.file, value._committed = file, False
        super().run_validators(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        file = getattr(model_instance, self.attname)
        if not isinstance(getattr(file, "_file", None), ForeignFile):
            require_content(file)  # A ForeignFile is skipped, because the upload reopens it.
        copy_if_in_another_row(model_instance, self)
        file = super().pre_save(model_instance, add)
        if isinstance(content := getattr(file, "_file", None), ForeignFile):
            content.close()
        if picture := picture_from_file(file):
            file.name = picture.url  # get_prep_value() also normalizes the stored URL.
        # Django sets the dimension fields of a new instance, but not those of an inherited field.
        is_known = picture.width if picture else add and is_pending(file)
        if is_known and are_dimensions_missing(model_instance, self):
            set_dimensions(model_instance, self, dimensions_from_url_or_content(file))
        return file

    def update_dimension_fields(
        self, instance: models.Model, force: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        if not has_dimension_fields(self) or self.attname not in vars(instance):
            return
        if force:
            set_dimensions(
                instance, self, dimensions_from_url_or_content(getattr(instance, self.attname))
            )
        elif are_dimensions_missing(instance, self):
            file = getattr(instance, self.attname)
            if not file or is_pending(file):
                return  # Loading a row must not read its file.
            if all(dimensions := dimensions_from_url_or_content(file)) or not is_committed(file):
                set_dimensions(instance, self, dimensions)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(str(value) if isinstance(value, Picture) else value)
        picture = picture_from_name(value, self.storage)
        return picture.url if picture else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if not _is_storable(value):
            raise ValueError(
                f"Cannot store an unsaved file in {self}. save() and bulk_create() upload files; "
                "update() and bulk_update() require the URL of an image."
            )
        if self._stores_null and isinstance(value, FieldFile) and value.name is None:
            value = None
        return super().get_db_prep_save(value, connection)

    @property
    def _stores_null(self) -> bool:
        """Whether a row without an image contains ``NULL``."""
        # A unique column can contain an empty string only once.
        return self.null and self.unique

    def value_from_object(self, obj: models.Model) -> Any:
        value = super().value_from_object(obj)
        return None if self._stores_null and getattr(value, "name", "") is None else value

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        if value and not _is_storable(value) and isinstance(self.storage, GroupMeStorage):
            # A deserializer would interpret its name as that of a file in the fallback storage.
            raise ValueError(
                f"Cannot serialize {self}, because its file is not saved yet. Save the model "
                "instance first."
            )
        return str(value or "")

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if isinstance(data, RemoteImage):
            data = (
                picture_from_name(unchanged_upload_name(data, self.storage), self.storage) or data
            )
        super().save_form_data(instance, data)
        if self._stores_null and data is not None and not data:
            setattr(instance, self.attname, None)

    def formfield(self, **kwargs: Any) -> FormField | None:
        from .forms.fields import GroupMeImageFormField

        form_class = kwargs.setdefault("form_class", GroupMeImageFormField)
        if isinstance(form_class, type) and issubclass(form_class, GroupMeImageFormField):
            kwargs.setdefault("storage", self.storage)
            kwargs.setdefault("model_field", self)
            kwargs.setdefault("validators", [self._validate_upload])
        # The submitted name is not stored, so it may have any length.
        return super().formfield(**{"max_length": None, **kwargs})


def get_default_storage() -> Storage:
    """Return ``default_storage``. Migrations of fields that use it refer to this function."""
    return default_storage


def _is_storable(value: Any) -> bool:
    """Return whether the value can be stored without an upload: a name, or an expression."""
    if isinstance(value, FieldFile):
        return is_committed(value) or (not value.name and getattr(value, "_file", None) is None)
    is_name = value is None or isinstance(value, str | Promise | Picture)
    return is_name or hasattr(value, "as_sql")
