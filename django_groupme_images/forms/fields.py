"""The form field for images: validate a file or a URL, and upload it once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.signing import BadSignature, SignatureExpired
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

from django_groupme_images.exceptions import ServiceError
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import groupme_storage
from django_groupme_images.storage.file import RemoteImage

from .after_validation import set_on_instance, upload_after_validation
from .ordering import ordering_field
from .signing import purpose_of, sign, unsign
from .upload_requests import hidden_row_fields, is_temporary
from .uploads import (
    changes_files,
    image_from_url,
    is_uploaded_by_form,
    is_uploaded_early,
    open_pending_file,
    require_allowed_format,
    set_picture,
    to_validation_error,
    upload_file,
    validate_image,
)
from .widgets import BoundValue, GroupMeImageInput, SubmittedData, allows_urls, submitted_data

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GroupMeImageFormField"]


class GroupMeImageFormField(forms.ImageField):
    """
    An image, submitted as a file or as a URL.

    The cleaned value of a file is the ``UploadedFile``, with two more attributes: ``picture``, the
    uploaded image as a ``Picture``, and ``url``. Both are ``None`` until the upload. A file in the
    fallback storage has a ``url`` but no ``picture``. If ``storage`` is not a ``GroupMeStorage``,
    both stay ``None``. Saving the value to a model field does not upload it again.

    The cleaned value of a URL, and of an image that the form uploaded before, is a ``Picture``. The
    cleaned value of a pending file that the form saved before is a ``GroupMeImageFieldFile``. If
    nothing was submitted, the cleaned value is the initial value; if the image is to be removed, it
    is ``False``.

    Validators run on a file before the upload. A failed upload is an error of this field. If the
    option ``upload_early`` is true, the field uploads when it is cleaned. A form that is otherwise
    invalid then refers to the image with a signed token, which is valid for
    ``SIGNED_PICTURE_MAX_AGE``. If the option is false, the form uploads as the last step of its
    validation, and a field without a form uploads nothing.

    ``storage`` defaults to ``STORAGES["groupme"]``. ``allow_url`` takes precedence over the option
    of that name. A ``ModelForm`` passes the storage of its model field, and sets ``model_field``.
    """

    widget = GroupMeImageInput
    # Django would compare the submission with the value of a hidden input, which is not a file.
    show_hidden_initial = property(lambda self: False, lambda self, value: None)
    default_validators = []  # The content is validated instead of the file extension.
    default_error_messages = {
        "contradiction": _(
            "Please choose a file, enter an image URL, or remove the image, but not more than one "
            "of these."
        ),
        "expired": _("Your upload has expired. Please choose the image again."),
        "forged": _("Your earlier upload could not be verified. Please choose the image again."),
        "ahead": _("Your image has been uploaded. Submit the form to save it."),
        "not_kept": _(
            "The form was not saved, and your upload was not kept. Please choose the image again."
        ),
        "not_ahead": _("Images are uploaded when the form is submitted. Please submit the form."),
        "url_not_allowed": _("Image URLs are not accepted here. Please choose a file instead."),
    }

    def __init__(
        self,
        *,
        storage: Storage | Callable[[], Storage] | None = None,
        model_field: FileField | None = None,
        allow_url: bool | None = None,
        **kwargs: Any,
    ) -> None:
        storage = storage() if callable(storage) else storage
        self.storage = groupme_storage if storage is None else storage
        self.model_field = model_field
        self.allow_url = allow_url
        self._form_class: type = forms.BaseForm
        self._name = ""
        self._form: forms.BaseForm | None = None
        self._reset()
        if kwargs.get("widget") and apps.is_installed("django.contrib.admin"):
            from .admin_widgets import admin_widget_for

            kwargs["widget"] = admin_widget_for(kwargs["widget"])
        super().__init__(**kwargs)
        if isinstance(self.widget, GroupMeImageInput):
            self.widget.storage = self.storage
            self.widget.allow_url = allow_url
            self.widget.uploads_ahead = not changes_files(model_field)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = super().__deepcopy__(memo)
        copy._form = None  # The copy belongs to another form.
        copy._reset()
        return copy

    def _reset(self) -> None:
        """Discard everything that depends on a submission."""
        # The last valid submission, its cleaned value before the upload, and the uploaded image.
        self._last_submission: SubmittedData | None = None
        self._last_value: Any = None
        self._uploaded: Picture | FieldFile | None = None
        self._last_error: ValidationError | None = None

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        self._form_class, self._name = type(form), field_name
        self._form = form
        if isinstance(self.widget, GroupMeImageInput):
            self.widget.order_name = ordering_field(form)
            self.widget.row_fields = hidden_row_fields(form)
        upload_after_validation(form)
        return super().get_bound_field(form, field_name)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        # Skip ImageField, which sets accept="image/*". The widget sets the allowed formats.
        return super(forms.ImageField, self).widget_attrs(widget)

    def to_python(self, data: Any) -> Any:
        file = super(forms.ImageField, self).to_python(data)
        if file is not None:
            validate_image(file, self.storage)
        return file

    def clean(self, data: Any, initial: Any = None) -> Any:
        if self.disabled:
            return initial  # Django also passes it as the data, as if it were submitted.
        submission = submitted_data(data)
        if submission is None:
            return super().clean(data, initial)
        if self._is_ignored():
            submission = SubmittedData(preflight=submission.preflight)
        self._last_error = None
        try:
            return self._clean(submission, initial)
        except ValidationError as error:
            self._last_error = error
            raise

    def bound_data(self, data: Any, initial: Any) -> Any:
        if self.disabled or not isinstance(data, SubmittedData):
            return initial
        new_upload = self._uploaded if data == self._last_submission else None
        uploaded = new_upload or self._unsign_or_none(data.token)
        error = self._last_error if data.preflight and not new_upload else None
        return BoundValue(
            initial,
            uploaded=uploaded,
            token=sign(uploaded, self.storage, self._purpose()) if uploaded else "",
            submitted_url="" if new_upload else data.url,
            errors=error.messages if error else [],
            is_temporary=bool(error and is_temporary(error)),
        )

    def upload_in_form(self, form: Any, name: str) -> bool:
        """Upload the cleaned value in a valid form. Return whether the form is still valid."""
        value = form.cleaned_data.get(name)
        try:
            self._upload(value)
        except ValidationError as error:
            form.add_error(name, error)
            return False
        if isinstance(value, RemoteImage) and self._uploaded:
            form.cleaned_data[name] = self._uploaded
            set_on_instance(form, name, value)
        return True

    def report_if_lost(self, form: Any, name: str) -> None:
        """Add an error to an invalid form if the widget cannot refer to the uploaded image."""
        if self._uploaded and not isinstance(self.widget, GroupMeImageInput):
            form.add_error(name, self._error("not_kept"))

    def _is_ignored(self) -> bool:
        """Return whether the form is not saved, although an image was submitted."""
        # In the admin's forms, this method returns False if the user lacks permission to add or
        # change the object.
        return self._form is not None and not self._form.has_changed()

    def _clean(self, submission: SubmittedData, initial: Any) -> Any:
        is_early = is_uploaded_early(self.storage, self.model_field)
        self._check_sources(submission, is_early)
        value = self._clean_once(submission, is_early)
        if submission.preflight:
            raise self._error("ahead")
        return value or super().clean(None, initial)

    def _check_sources(self, submission: SubmittedData, is_early: bool) -> None:
        """Raise ``ValidationError`` for a combination of inputs that is not allowed."""
        if submission.preflight and not is_early:
            raise self._error("not_ahead")
        if submission.url and not allows_urls(self.storage, self.allow_url):
            raise self._error("url_not_allowed")
        sources = submission.file, submission.url, submission.cleared
        if sum(map(bool, sources)) > 1:
            raise self._error("contradiction")

    def _clean_once(self, submission: SubmittedData, is_early: bool) -> Any:
        """
        Return the cleaned value of a submission, uploaded if ``is_early`` is true.

        If the same submission has been uploaded before, return its value without another upload.
        """
        if not self._uploaded or submission != self._last_submission:
            self._last_submission = self._uploaded = None
            self._last_value = self._value_of(submission)
            self._last_submission = submission
            if isinstance(self._last_value, Picture | FieldFile):
                self._uploaded = self._last_value
            elif is_early:
                self._upload(self._last_value)
        return (isinstance(self._last_value, RemoteImage) and self._uploaded) or self._last_value

    def _value_of(self, submission: SubmittedData) -> Any:
        """Return the validated image of a submission, or ``None`` if it has none."""
        if submission.file:
            set_picture(submission.file, None)
            return super().clean(submission.file)
        if submission.url:
            return image_from_url(submission.url, self.storage)
        if submission.token and not submission.cleared:
            return self._unsign(submission.token)
        return None

    def _upload(self, value: Any) -> None:
        """Upload a cleaned value that is not uploaded yet. Raise ``ValidationError`` on failure."""
        if is_uploaded_by_form(value, self.storage, self.model_field):
            self._uploaded = self._uploaded_image(value)

    def _uploaded_image(self, file: File[bytes]) -> Picture | FieldFile:
        """Upload a file, and return the image. Raise ``ValidationError`` on failure."""
        try:
            return upload_file(file, self.storage, self.model_field)  # type: ignore[arg-type]
        except ServiceError as error:
            raise to_validation_error(error, file) from error

    def _unsign(self, token: str) -> Picture | FieldFile:
        """Return the image that a token refers to. Raise ``ValidationError`` if it is invalid."""
        try:
            value = unsign(token, self.storage, self._purpose())
            if isinstance(value, Picture):
                return require_allowed_format(value, self.storage)
            with open_pending_file(value) as file:
                super().clean(file)
        except (SignatureExpired, FileNotFoundError):
            raise self._error("expired") from None
        except BadSignature:
            raise self._error("forged") from None
        return value

    def _unsign_or_none(self, token: str) -> Picture | FieldFile | None:
        with suppress(ValidationError):
            return self._unsign(token)
        return None

    def _purpose(self) -> str:
        return purpose_of(self._form_class, self._name, self.storage)

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)
