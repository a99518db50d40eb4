"""The serializer field: a picture is written as a file or an address, and read as a URL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.files import File
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.fields import empty, get_error_detail
from rest_framework.utils import model_meta
from rest_framework.utils.html import is_html_input
from rest_framework.validators import ProhibitSurrogateCharactersValidator, UniqueValidator

from .exceptions import RateLimited, ServiceError, UploadRejected
from .fields import GroupMeImageField
from .intake import check_file, check_length, explained, image_at, set_result, upload
from .options import checked_option
from .pictures import VARIANTS, Picture
from .rendering import own_url, picture_in
from .serializer_uploads import upload_after_validation
from .storage import GroupMeStorage, groupme_storage

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GroupMeImageSerializerField", "PictureServiceUnavailable", "register"]

_is_text = ProhibitSurrogateCharactersValidator()  # what JSON can hold, and no answer


class PictureServiceUnavailable(APIException):  # type: ignore[misc]  # DRF is untyped
    """
    503: the image service failed, and the request was not at fault.

    ``wait`` is how many seconds it asked to wait, or ``None`` if it did not say; the answer
    then has it as ``Retry-After``.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("The image service does not answer. Try again in a few minutes.")
    default_code = "unavailable"

    def __init__(
        self, detail: Any = None, code: str | None = None, wait: float | None = None
    ) -> None:
        super().__init__(detail, code)
        self.wait = None if wait is None else math.ceil(wait)


class GroupMeImageSerializerField(serializers.ImageField):  # type: ignore[misc]
    """
    A picture: written as a file or as the address of one, read as its URL.

    With ``variants`` it is read as an object of its ``url``, ``width``, ``height``,
    ``format``, ``preview``, ``large`` and ``avatar``; what is not known is ``None``. Such an
    object may be written, too: its ``url`` counts. Reading is at no I/O.

    A file is checked, validators run on it, and it is uploaded when the field is validated. The
    valid value is the ``Picture`` that a file or a URL became, or ``None``; on a ``storage`` that
    is not GroupMe's, a file stays a file, and is saved with its row. The URL that the row already
    has is accepted as it is.

    If the option ``upload_early`` is false, images are uploaded as the last step of the outermost
    serializer's validation. The valid value is then the file, which has a ``picture`` and a
    ``url`` as those of forms do; saving it does not upload it again.

    ``storage``, and whether a field that is not required can be cleared, are those of the
    model field, unless they are given; ``max_length`` is that of the URL.

    Raises ``ValidationError`` for what is wrong with the picture, and
    ``PictureServiceUnavailable`` if the service fails.
    """

    default_error_messages = {
        "invalid": _("Send a file, or the address of a picture as a text."),
    }

    def __init__(
        self, *, variants: bool = False, storage: Storage | None = None, **kwargs: Any
    ) -> None:
        self.variants = variants
        self.model_field: models.FileField | None = None
        self._storage = storage
        super().__init__(**kwargs)

    @property
    def storage(self) -> Storage:
        """The storage given, or that of the model field, or the project's."""
        if self._storage is not None:
            return self._storage
        return groupme_storage if self.model_field is None else self.model_field.storage

    def bind(self, field_name: str, parent: Any) -> None:
        super().bind(field_name, parent)
        self.model_field = _model_field(self)
        # The API then says null, and what it says has to be a thing that it takes.
        if self.model_field and self.model_field.blank and "allow_null" not in self._kwargs:
            self.allow_null = not self.required

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        if is_html_input(dictionary) and dictionary.get(self.field_name) == "":
            return empty  # browsers send it where no file was chosen, which clears nothing
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
        with _answers(str(getattr(data, "name", data))):
            value = self._of_file(data) if isinstance(data, File) else self._of_address(data)
            if isinstance(value, File) and not isinstance(value, FieldFile):
                value = self._upload(value)
            if not isinstance(value, Picture):
                return value
            check_length(value.url, self.max_length)
        # Django's own field knows names alone.
        is_own = self.model_field is None or isinstance(self.model_field, GroupMeImageField)
        return value if is_own else value.url

    def run_validators(self, value: Any) -> None:
        """Ask whether another row has the picture. All else is for files, before the upload."""
        if not isinstance(value, File):
            self._run(value, [item for item in self.validators if _is_unique(item)])

    def to_representation(self, value: Any) -> str | dict[str, Any] | None:
        url = self._url(value)
        if url is None or not self.variants:
            return url
        picture = picture_in(value, self.storage)
        return {
            "url": url,
            "width": picture and picture.width,
            "height": picture and picture.height,
            "format": picture and picture.format,
            **{name: picture.variant_url(name) if picture else url for name in VARIANTS},
        }

    def _of_file(self, file: File[bytes]) -> File[bytes]:
        if not file.size:
            self.fail("empty")
        set_result(file, None)
        check_file(file, self.storage)
        self._run(file, [item for item in self.validators if not _is_unique(item)])
        return file

    def _of_address(self, url: Any) -> Picture | File[bytes]:
        if not isinstance(url, str):
            self.fail("invalid")
        current = getattr(getattr(self.parent, "instance", None), self.source or "", None)
        if isinstance(current, FieldFile) and url == self._url(current):
            return picture_in(current) or current
        _is_text(url)
        return image_at(url, self.storage)

    def _upload(self, file: File[bytes]) -> Picture | File[bytes]:
        """Upload the file, or let the outermost serializer do that once it is valid."""
        if not isinstance(self.storage, GroupMeStorage):
            return file
        if checked_option(self.storage, "upload_early"):
            return upload(file, self.storage, self.model_field)
        upload_after_validation(self.root)
        file._groupme_field = self  # type: ignore[attr-defined]
        return file

    def upload_valid(self, file: File[bytes]) -> None:
        """Upload a file of a valid serializer. Raises as the validation of the field does."""
        with _answers(str(getattr(file, "source", file.name))):
            del file._groupme_field  # type: ignore[attr-defined]
            value = upload(file, self.storage, self.model_field)  # type: ignore[arg-type]
            if isinstance(value, Picture):
                check_length(value.url, self.max_length)

    def _run(self, value: Any, validators: list[Any]) -> None:
        field = copy(self)
        field.validators = validators
        super(GroupMeImageSerializerField, field).run_validators(value)

    def _url(self, value: Any) -> str | None:
        if picture := picture_in(value, self.storage):
            return picture.url
        # Of a file elsewhere, which DRF makes absolute.
        url: str | None = super().to_representation(value) if own_url(value) else None
        return url


def register() -> None:
    """Let every ``ModelSerializer`` use the field for a ``GroupMeImageField``."""
    mapping = serializers.ModelSerializer.serializer_field_mapping
    mapping[GroupMeImageField] = GroupMeImageSerializerField


@contextmanager
def _answers(subject: str) -> Iterator[None]:
    """Turn what is wrong with a picture, or with the service, into what DRF answers."""
    try:
        yield
    except DjangoValidationError as error:
        raise ValidationError(get_error_detail(error)) from error
    except ServiceError as error:
        (detail,) = get_error_detail(explained(error, subject))
        if isinstance(error, UploadRejected):
            raise ValidationError([detail]) from error
        wait = error.retry_after if isinstance(error, RateLimited) else None
        raise PictureServiceUnavailable(detail, detail.code, wait) from error


def _is_unique(validator: Any) -> bool:
    return isinstance(validator, UniqueValidator)


def _model_field(field: Any) -> models.FileField | None:
    """The model field that a serializer's field is for, as far as its serializers say."""
    path: list[str] = []
    while field.parent is not None:
        if field.field_name:  # each item of a list has none, and may repeat the list's source
            path = [*field.source_attrs, *path]
        field = field.parent
        if model := getattr(getattr(field, "Meta", None), "model", None):
            return _followed(model, path)
    return None


def _followed(model: Any, path: list[str]) -> models.FileField | None:
    with suppress(FieldDoesNotExist, KeyError):
        for relation in path[:-1]:
            model = model_meta.get_field_info(model).relations[relation].related_model
        field = model._meta.get_field(path[-1] if path else "")
        return field if isinstance(field, models.FileField) else None
    return None
