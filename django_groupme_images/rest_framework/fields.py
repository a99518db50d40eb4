"""The serializer field: it accepts an image as a file or a URL, and represents it as a URL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.files import File
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings
from rest_framework.utils.html import is_html_input
from rest_framework.validators import ProhibitSurrogateCharactersValidator, UniqueValidator

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.forms.uploads import (
    changes_files,
    image_from_url,
    is_uploaded_by_form,
    is_uploaded_early,
    require_allowed_format,
    set_picture,
    upload_file,
    validate_image,
    validate_url_length,
)
from django_groupme_images.forms.validation import safe_name
from django_groupme_images.pictures import VARIANTS, Picture
from django_groupme_images.storage.backend import groupme_storage
from django_groupme_images.storage.file import RemoteImage
from django_groupme_images.storage.names import (
    is_committed,
    picture_from_file,
    picture_from_name,
    picture_from_value,
)

from .exceptions import convert_upload_errors
from .nested_serializers import find_model_field, upload_after_serializer_validation
from .stored_urls import find_stored_file, is_fallback_url

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GroupMeImageSerializerField", "register"]

# JSON can contain lone surrogates, but no response can be encoded with them.
_validate_characters = ProhibitSurrogateCharactersValidator()


class GroupMeImageSerializerField(serializers.ImageField):  # type: ignore[misc]
    """
    A serializer field for an image. It accepts a file or a URL, and represents the image as a URL.

    With ``variants``, the representation is an object that contains ``url``, ``width``, ``height``,
    ``format``, ``preview``, ``large``, and ``avatar``; unknown values are ``None``. The field also
    accepts such an object, and uses only its ``url``. The representation requires no I/O. As in
    DRF, ``use_url`` and ``UPLOADED_FILES_USE_URL`` define whether files that are not on GroupMe's
    image service are represented by URLs or names.

    The validated value of a file is the file, as in DRF. Like files of forms, it has a ``picture``
    and a ``url``, and saving it does not upload it again. The validated value of a URL is a
    ``Picture``, or ``None``. Validators run on a file before it is uploaded. If the option
    ``upload_early`` is true, the field uploads an image when it is validated. If it is false, the
    outermost serializer uploads it as the last step of its validation, and the validated value of a
    URL that the image service fetches is also a file.

    The field accepts the URL or name of a pending file from a representation of the same field of
    the same instance, also in nested and list serializers. It accepts only files of the
    serializer's instance. The validated value is then a field file.

    ``storage`` defaults to that of the model field. If the model field may be blank and the field
    is not required, ``allow_null`` defaults to ``True``. ``max_length`` limits the length of the
    URL.

    Validation raises ``ValidationError`` if the image is invalid, and ``PictureServiceUnavailable``
    if the image service fails.
    """

    default_error_messages = {
        "invalid": _("Expected a file or an image URL."),
        "unknown_file": _(
            "“{url}” is not an image of this object. Reload the object, or send the image file."
        ),
    }

    def __init__(
        self, *, variants: bool = False, storage: Storage | None = None, **kwargs: Any
    ) -> None:
        self.variants = variants
        self.model_field: models.FileField | None = None
        self._storage = storage
        super().__init__(**kwargs)
        if variants or not hasattr(self, "use_url"):
            self.use_url = variants or api_settings.UPLOADED_FILES_USE_URL

    @property
    def storage(self) -> Storage:
        """The ``storage`` argument, or the model field's storage, or ``STORAGES["groupme"]``."""
        if self._storage is not None:
            return self._storage
        return groupme_storage if self.model_field is None else self.model_field.storage

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        self.model_field = find_model_field(self)
        # An empty value is represented as null, so a client must be able to send null back.
        if self.model_field and self.model_field.blank and "allow_null" not in self._kwargs:
            self.allow_null = not self.required

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        if is_html_input(dictionary) and dictionary.get(self.field_name) == "":
            # Browsers send an empty string if no file was chosen. It must not clear the field.
            return empty
        return value

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if self.variants and isinstance(data, Mapping):
            data = data.get("url", data)
        if data == "":
            if not self.allow_null:
                self.fail("required")
            data = None
        result: tuple[bool, Any] = super().validate_empty_values(data)
        return result

    def to_internal_value(self, data: Any) -> Any:
        with convert_upload_errors(data):
            is_file = isinstance(data, File)
            value = self._validate_file(data) if is_file else self._value_from_url(data)
            if isinstance(value, File) and not isinstance(value, FieldFile):
                value = self._upload_early_or_after_validation(value)
            elif isinstance(value, Picture):
                validate_url_length(value.url, self.max_length)
        # The descriptor of Django's own field accepts names, but no instances of Picture.
        model_field = self.model_field
        accepts_pictures = model_field is None or isinstance(model_field, GroupMeImageField)
        return value.url if isinstance(value, Picture) and not accepts_pictures else value

    def run_validators(self, value: Any) -> None:
        """Check that no other row has the image. All other validators have run on the file."""
        if picture := picture_from_value(value, self.storage):
            self._run(picture, [each for each in self.validators if _is_unique(each)])

    def to_representation(self, value: Any) -> str | dict[str, Any] | None:
        picture = picture_from_value(value, self.storage)
        url = picture.url if picture else self._url_or_name(value)
        if url is None or not self.variants:
            return url
        picture = picture or picture_from_name(url, self.storage)
        return {
            "url": url,
            "width": picture and picture.width,
            "height": picture and picture.height,
            "format": picture and picture.format,
            **{name: picture.variant_url(name) if picture else url for name in VARIANTS},
        }

    def _url_or_name(self, value: Any) -> str | None:
        """Return DRF's representation, or ``None`` for a file that is not saved or has no URL."""
        if isinstance(value, FieldFile) and not is_committed(value):
            return None
        with suppress(AttributeError, NotImplementedError, ValueError):
            if not self.use_url or value.url:  # It is None for a form's file before the upload.
                url_or_name: str | None = super().to_representation(value)
                return url_or_name
        return None

    def _validate_file(self, file: File[bytes]) -> File[bytes]:
        """Return the file, after all validators except ``UniqueValidator`` have accepted it."""
        if not file.size:
            self.fail("empty")
        set_picture(file, None)
        validate_image(file, self.storage)
        self._run(file, [each for each in self.validators if not _is_unique(each)])
        return file

    def _value_from_url(self, url: Any) -> Picture | File[bytes]:
        """Return an uploaded image, a stored file, or an image that the service is to fetch."""
        if not isinstance(url, str):
            self.fail("invalid")
        _validate_characters(url)
        with suppress(DjangoValidationError):
            if picture := picture_from_name(url, self.storage):
                return require_allowed_format(picture, self.storage)
        if file := find_stored_file(self, url):
            return picture_from_file(file) or file
        if is_fallback_url(url, self.storage, self.context.get("request")):
            self.fail("unknown_file", url=safe_name(url))
        return image_from_url(url, self.storage)

    @property
    def uploads_early(self) -> bool:
        """Whether images are uploaded before the rest of the serializer is valid."""
        # If the model field changes files, the image is one that the service fetches. It has to be
        # a Picture before the instance is saved, because save() cannot read it.
        return changes_files(self.model_field) or is_uploaded_early(self.storage, self.model_field)

    def is_uploaded(self, value: Any) -> bool:
        """Return whether the field, or a list of such fields, uploads a validated value."""
        return is_uploaded_by_form(value, self.storage, self.model_field)

    def _upload_early_or_after_validation(self, file: File[bytes]) -> Picture | File[bytes]:
        """Upload the file, or let the list or the outermost serializer do that once it is valid."""
        if not self.is_uploaded(file):
            return file
        if not self.uploads_early:
            upload_after_serializer_validation(self.root, self, file)
        elif not getattr(self.parent, "uploads_items", False):
            return self._upload(file)
        return file

    def upload_validated(self, file: File[bytes]) -> Picture | File[bytes]:
        """
        Upload a valid file, and return the validated value.

        Raise the exceptions of the field's validation.
        """
        with convert_upload_errors(file):
            return self._upload(file)

    def _upload(self, file: File[bytes]) -> Picture | File[bytes]:
        value = upload_file(file, self.storage, self.model_field)  # type: ignore[arg-type]
        if isinstance(value, Picture):
            validate_url_length(value.url, self.max_length)
        return value if isinstance(file, RemoteImage) else file

    def _run(self, value: Any, validators: list[Any]) -> None:
        """Run only these of the field's validators."""
        field = copy(self)
        field.validators = validators
        super(GroupMeImageSerializerField, field).run_validators(value)


def register() -> None:
    """Make ``ModelSerializer`` use the serializer field for every ``GroupMeImageField``."""
    mapping = serializers.ModelSerializer.serializer_field_mapping
    mapping[GroupMeImageField] = GroupMeImageSerializerField


def _is_unique(validator: Any) -> bool:
    return isinstance(validator, UniqueValidator)
