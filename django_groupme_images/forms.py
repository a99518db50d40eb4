"""The form field for images, which uploads a file or a URL once when its form is validated."""

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

from .carrying import CARRIED_FOR, purpose_of, signed, unsigned
from .exceptions import ServiceError
from .files import RemoteImage
from .form_uploads import GroupMeImageFormSetMixin, set_on_instance, upload_after_validation
from .intake import (
    as_submitted,
    check_file,
    checked_picture,
    explained,
    image_at,
    set_result,
    upload,
)
from .options import checked_option
from .pictures import Picture
from .storage import GroupMeStorage, groupme_storage
from .widgets import GroupMeImageInput, Submission, Submitted, allows_urls, submission_of

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "CARRIED_FOR",
    "GroupMeImageFormField",
    "GroupMeImageFormSetMixin",
    "GroupMeImageInput",
    "own_widget",
]


class GroupMeImageFormField(forms.ImageField):
    """
    An image, submitted as a file or as a URL.

    The clean value of a file is the ``UploadedFile``, with two more attributes: ``picture``, the
    ``Picture`` that it was uploaded as, and ``url``. Both are ``None`` until the upload; a file
    that went to the fallback storage has a ``url`` only. On a ``storage`` that is not GroupMe's,
    both stay ``None``. Saving the value to a model field does not upload it again.

    The clean value of a URL, and of an image that the form uploaded before, is a ``Picture``; of
    a pending file that the form saved before, it is the value of a model field. It is the initial
    value if nothing was submitted, and ``False`` if the image is to be removed.

    Validators run on a file before the upload. A failed upload is an error of this field. If the
    option ``upload_early`` is true, the field uploads when it is cleaned. A form that is otherwise
    invalid then refers to the image with a signed token for ``CARRIED_FOR``. If it is false, the
    form uploads as the last step of its validation, and a field without a form uploads nothing.

    ``allow_url`` takes precedence over the option. ``model_field`` is set by a ``ModelForm``.
    """

    widget = GroupMeImageInput
    default_validators = []  # the format is that of the content, not that of the name
    default_error_messages = {
        "contradiction": _(
            "Choose a file, or give an address, or remove the picture: only one of them."
        ),
        "expired": _("The picture was uploaded too long ago. Choose it again."),
        "forged": _("The picture uploaded before was not recognised. Choose it again."),
        "ahead": _("The picture is uploaded. Send the form now."),
        "not_ahead": _("Images are uploaded when the form is submitted. Submit the form."),
        "url_not_allowed": _("Image URLs are not accepted here. Choose a file instead."),
    }

    def __init__(
        self,
        *,
        storage: Storage | Callable[[], Storage] | None = None,
        model_field: FileField | None = None,
        allow_url: bool | None = None,
        **kwargs: Any,
    ) -> None:
        made = storage() if callable(storage) else storage
        self.storage = groupme_storage if made is None else made
        self.model_field = model_field
        self.allow_url = allow_url
        self._form_class: type = forms.BaseForm
        self._name = ""
        self._forget()
        super().__init__(**kwargs)
        if isinstance(self.widget, GroupMeImageInput):
            self.widget.storage = self.storage
            self.widget.allow_url = allow_url

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = super().__deepcopy__(memo)
        copy._forget()  # the copy is for another form
        return copy

    def _forget(self) -> None:
        self._submission: Submission | None = None  # the last one, unless it was invalid
        self._value: Any = None  # its clean value, before the upload
        self._uploaded: Picture | FieldFile | None = None  # what it was uploaded as
        self._errors: list[str] = []

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        self._form_class, self._name = type(form), field_name
        upload_after_validation(form)
        return super().get_bound_field(form, field_name)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        # Not ImageField's, which accepts images of every kind.
        return super(forms.ImageField, self).widget_attrs(widget)

    def to_python(self, data: Any) -> Any:
        file = super(forms.ImageField, self).to_python(data)
        if file is not None:
            check_file(file, self.storage)
        return file

    def clean(self, data: Any, initial: Any = None) -> Any:
        if self.disabled:
            return initial  # Django passes it as the data, as if it were an upload
        submission = submission_of(data)
        if submission is None:
            return super().clean(data, initial)
        self._errors = []
        try:
            return self._clean(submission, initial)
        except ValidationError as error:
            self._errors = error.messages
            raise

    def bound_data(self, data: Any, initial: Any) -> Any:
        if not isinstance(data, Submission):
            return super().bound_data(data, initial)
        uploaded = self._uploaded if data == self._submission else None
        shown = uploaded or self._known(data.carried)
        return Submitted(
            initial,
            uploaded=shown,
            token=signed(shown, self.storage, self._purpose()) if shown else "",
            address="" if uploaded else data.address,
            errors=self._errors if data.ahead and not uploaded else [],
        )

    def upload_in_form(self, form: Any, name: str) -> bool:
        """Upload the clean value in a valid form. Return whether the form is still valid."""
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

    def _clean(self, submission: Submission, initial: Any) -> Any:
        early = checked_option(self.storage, "upload_early")
        self._check(submission, early)
        value = self._submitted(submission, early)
        if submission.ahead:
            raise self._error("ahead")
        return value or super().clean(None, initial)

    def _check(self, submission: Submission, early: bool) -> None:
        if submission.ahead and not early:
            raise self._error("not_ahead")
        if submission.address and not allows_urls(self.storage, self.allow_url):
            raise self._error("url_not_allowed")
        ways = submission.file, submission.address, submission.cleared
        if sum(map(bool, ways)) > 1:
            raise self._error("contradiction")

    def _submitted(self, submission: Submission, early: bool) -> Any:
        """Return the clean value of a submission, uploaded unless it is too early for that."""
        if not self._uploaded or submission != self._submission:
            self._submission = self._uploaded = None
            self._value = self._checked(submission)
            self._submission = submission
            if isinstance(self._value, Picture | FieldFile):
                self._uploaded = self._value
            elif early:
                self._upload(self._value)
        return (isinstance(self._value, RemoteImage) and self._uploaded) or self._value

    def _checked(self, submission: Submission) -> Any:
        if submission.file:
            set_result(submission.file, None)
            return super().clean(submission.file)
        if submission.address:
            return image_at(submission.address, self.storage)
        kept = submission.carried and not submission.cleared
        return self._carried(submission.carried) if kept else None

    def _upload(self, value: Any) -> None:
        """Upload a clean value, unless that has been done. Raises ``ValidationError``."""
        is_submitted = isinstance(value, File) and not isinstance(value, FieldFile)
        if not is_submitted or not isinstance(self.storage, GroupMeStorage):
            return
        try:
            self._uploaded = upload(value, self.storage, self.model_field)
        except ServiceError as error:
            raise explained(error, str(getattr(value, "source", value.name))) from error

    def _carried(self, token: str) -> Picture | FieldFile:
        """Return the image that a token stands for. Raises ``ValidationError``."""
        try:
            value = unsigned(token, self.storage, self._purpose())
            if isinstance(value, Picture):
                return checked_picture(value, self.storage)
            with as_submitted(value) as file:
                super().clean(file)
        except (SignatureExpired, FileNotFoundError):
            raise self._error("expired") from None
        except BadSignature:
            raise self._error("forged") from None
        return value

    def _known(self, token: str) -> Picture | FieldFile | None:
        with suppress(ValidationError):
            return self._carried(token)
        return None

    def _purpose(self) -> str:
        return purpose_of(self._form_class, self._name, self.storage)

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


def own_widget(widget: Any) -> Any:
    """Our widget in the admin's dress for the one that the admin gives any ``ImageField``."""
    if not apps.is_installed("django.contrib.admin"):
        return widget
    from django.contrib.admin.widgets import AdminFileWidget

    from .admin import AdminGroupMeImageInput

    return AdminGroupMeImageInput if widget is AdminFileWidget else widget
