"""The form field: a picture is uploaded when its form is validated, and only once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeGuard, TypeVar

from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.signing import BadSignature, SignatureExpired
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _

from .carrying import CARRIED_FOR, unsigned
from .exceptions import ServiceError
from .intake import check_file, checked_picture, explained, picture_at, picture_of_file
from .names import is_saved
from .pictures import Picture
from .storage import groupme_storage
from .widgets import GroupMeImageInput, Submission, Submitted

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["CARRIED_FOR", "GroupMeImageFormField", "GroupMeImageInput", "own_widget"]

T = TypeVar("T")


class GroupMeImageFormField(forms.ImageField):
    """
    A picture, handed in as a file or as the address of one.

    Its clean value is the ``Picture`` that a file or an address became, the initial value
    if there was neither, or ``False`` if the picture is to be removed. A file that had to go
    to the fallback storage is the value of a field, with a ``name`` and a ``url``. (On a
    ``storage`` that is not GroupMe's, a file stays a file, and is saved with its row.)

    A file is checked, and validators run on it, before a byte of it is sent. What the
    service says against it is an error of this field. If another field is wrong, the form
    shows the uploaded picture again and carries it along, signed, for ``CARRIED_FOR``; a
    widget of another kind cannot, and asks for the file again.

    In a ``ModelForm`` it belongs to a ``GroupMeImageField``, its ``model_field``; Django's own
    field takes no ``Picture``, and its own form field uploads when the row is saved.
    """

    widget = GroupMeImageInput
    default_validators = []  # the content says what it is; no extension of the name is kept
    default_error_messages = {
        "contradiction": _(
            "Choose a file, or give an address, or remove the picture: only one of them."
        ),
        "expired": _("The picture was uploaded too long ago. Choose it again."),
        "forged": _("The picture uploaded before was not recognised. Choose it again."),
        "ahead": _("The picture is uploaded. Send the form now."),
    }

    def __init__(
        self,
        *,
        storage: Storage | Callable[[], Storage] | None = None,
        model_field: FileField | None = None,
        **kwargs: Any,
    ) -> None:
        made = storage() if callable(storage) else storage
        self.storage = groupme_storage if made is None else made
        self.model_field = model_field
        # The last submission, and what became of it. A form has a copy of the field.
        self._taken: tuple[Submission, Picture | File[bytes]] | None = None
        self._errors: list[str] = []
        super().__init__(**kwargs)
        if isinstance(self.widget, GroupMeImageInput):
            self.widget.storage = self.storage

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = super().__deepcopy__(memo)
        copy._taken, copy._errors = None, []  # of another form
        return copy

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
            return initial  # which Django hands in as if it were an upload
        submission = _submission(data)
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
        value = self._result(data)
        return Submitted(
            initial,
            uploaded=value if _is_kept(value) else self._known(data.carried),
            address="" if value else data.address,
            errors=self._errors if data.ahead and not value else [],
        )

    def _clean(self, submission: Submission, initial: Any) -> Any:
        ways = submission.file, submission.address, submission.cleared
        if sum(map(bool, ways)) > 1:
            raise self._error("contradiction")
        value = self._result(submission) or self._take(submission)
        if submission.carried and not any(ways):
            value = self._carried(submission.carried)
        if submission.ahead:
            raise self._error("ahead")
        return value or super().clean(None, initial)

    def _take(self, submission: Submission) -> Picture | File[bytes] | None:
        value: Picture | File[bytes] | None = None
        if file := submission.file:
            checked = super().clean(file)
            value = _told(
                lambda: picture_of_file(checked, self.storage, self.model_field), checked.name
            )
        elif address := submission.address:
            value = _told(lambda: picture_at(address, self.storage), address)
        if value:
            self._taken = submission, value
        return value

    def _result(self, submission: Submission) -> Picture | File[bytes] | None:
        """What became of this submission, if it was taken before."""
        return self._taken[1] if self._taken and self._taken[0] == submission else None

    def _carried(self, text: str) -> Picture | FieldFile:
        """The picture that an earlier form uploaded. Raises ``ValidationError``."""
        try:
            value = unsigned(text, self.storage)
        except SignatureExpired:
            raise self._error("expired") from None
        except BadSignature:
            raise self._error("forged") from None
        return checked_picture(value, self.storage) if isinstance(value, Picture) else value

    def _known(self, text: str) -> Picture | FieldFile | None:
        with suppress(ValidationError):
            return self._carried(text)
        return None

    def _error(self, code: str) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code)


def _is_kept(value: Any) -> TypeGuard[Picture | FieldFile]:
    """Whether this is saved already, in either storage, so that it need not be chosen again."""
    return isinstance(value, Picture) or (isinstance(value, FieldFile) and is_saved(value))


def own_widget(widget: Any) -> Any:
    """Our widget in the admin's dress for the one that the admin gives any ``ImageField``."""
    if not apps.is_installed("django.contrib.admin"):
        return widget
    from django.contrib.admin.widgets import AdminFileWidget

    from .admin import AdminGroupMeImageInput

    return AdminGroupMeImageInput if widget is AdminFileWidget else widget


def _submission(data: Any) -> Submission | None:
    """What was handed in; ``None`` if that is nothing, or what Django's own field deals with."""
    if isinstance(data, Submission):
        return data
    if isinstance(data, str):
        return Submission(address=data) if data else None
    return Submission(file=data) if isinstance(data, File) else None


def _told(upload: Callable[[], T], subject: str) -> T:
    """The upload's result. What the service has against it becomes the field's error."""
    try:
        return upload()
    except ServiceError as error:
        raise explained(error, subject) from error
