"""The form field for several images: validate all files, and upload the valid ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import MAX_CONCURRENT_UPLOADS

from .fields import GroupMeImageFormField
from .multiple_widget import (
    BoundImages,
    GroupMeMultipleImageInput,
    SubmittedImages,
    initial_images,
    submitted_images,
)
from .signing import sign
from .upload_requests import is_temporary
from .uploads import is_uploaded_by_form, is_uploaded_early, set_picture
from .validation import safe_name

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GroupMeMultipleImageFormField"]

T = TypeVar("T")
R = TypeVar("R")


class GroupMeMultipleImageFormField(GroupMeImageFormField):
    """
    Several images, submitted as files.

    The cleaned value is a list of the images in the order in which they were chosen, without the
    initial images. Each element is like the cleaned value of a :class:`GroupMeImageFormField`: an
    ``UploadedFile`` with a ``picture`` and a ``url``, or for an image that the form uploaded
    before, a ``Picture`` or a ``GroupMeImageFieldFile``. Saving an element to a model field does
    not upload it again. If nothing was submitted, the list is empty, which is an error if the field
    is required and has no initial images.

    At most ``max_files`` images are accepted, including those that the form uploaded before. If
    there are more, nothing is uploaded. Otherwise, all files are validated before the first one is
    uploaded. Each file that is invalid, or whose upload fails, causes an error that contains the
    name of the file. The other files are uploaded, and a form that is displayed again refers to
    them with signed tokens. If the option ``upload_early`` is false, the form uploads as the last
    step of its validation, and uploads nothing if it is invalid.

    ``GroupMeStorage.concurrent_uploads()`` describes how several images are uploaded at the same
    time.
    """

    widget = GroupMeMultipleImageInput
    #: How many images are prepared and uploaded at the same time.
    max_concurrent_uploads = MAX_CONCURRENT_UPLOADS
    default_error_messages = {
        "too_many_files": ngettext_lazy(
            "Please choose at most %(limit)s image (you chose %(count)s).",
            "Please choose at most %(limit)s images (you chose %(count)s).",
            "limit",
        ),
        "invalid_file": _("“%(name)s”: %(error)s"),
        "expired": _("One of your uploads has expired. Please choose this image again."),
        "forged": _(
            "One of your earlier uploads could not be verified. Please choose this image again."
        ),
        "not_kept": _(
            "The form was not saved, and your uploads were not kept. Please choose the images "
            "again."
        ),
    }

    def __init__(
        self,
        *,
        max_files: int | None = None,
        storage: Storage | Callable[[], Storage] | None = None,
        **kwargs: Any,
    ) -> None:
        self.max_files = max_files
        super().__init__(storage=storage, allow_url=False, **kwargs)
        if isinstance(self.widget, GroupMeMultipleImageInput):
            self.widget.max_files = max_files

    def _reset(self) -> None:
        super()._reset()
        self._submission: SubmittedImages | None = None
        # The uploaded images of the last submission, and whether any of them is a new upload.
        self._images: list[Picture | FieldFile] = []
        self._has_new_images = False

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and submitted_images(data) != SubmittedImages()

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        if self.disabled:
            return initial_images(initial)
        self._reset()
        self._submission = submitted_images(data)
        if self._is_ignored():
            self._submission = SubmittedImages(preflight=self._submission.preflight)
        try:
            return self._clean_images(self._submission, initial)
        except ValidationError as error:
            self._last_error = error
            raise

    def bound_data(self, data: Any, initial: Any) -> BoundImages:
        shown = initial_images(initial)
        if self.disabled or not isinstance(data, SubmittedImages):
            return BoundImages(shown)
        is_clean = data == self._submission
        images = self._images if is_clean else _each(self._unsign, data.tokens)[0]
        purpose = self._purpose()
        error = self._last_error if data.preflight and not self._has_new_images else None
        return BoundImages(
            shown,
            [(image, sign(image, self.storage, purpose)) for image in images],
            error.messages if error else [],
            is_temporary=error is not None and is_temporary(error),
        )

    def upload_in_form(self, form: Any, name: str) -> bool:
        """Upload the cleaned value in a valid form. Return whether the form is still valid."""
        values = form.cleaned_data.get(name)
        errors = self._upload_all(values) if isinstance(values, list | tuple) else []
        if errors:
            form.add_error(name, ValidationError(errors))
        return not errors

    def report_if_lost(self, form: Any, name: str) -> None:
        """Add an error to an invalid form if the widget cannot refer to the uploaded images."""
        if self._images and not isinstance(self.widget, GroupMeMultipleImageInput):
            form.add_error(name, self._error("not_kept"))

    def _clean_images(self, submission: SubmittedImages, initial: Any) -> list[Any]:
        """Return the cleaned value. Upload its files if the option ``upload_early`` is true."""
        is_early = is_uploaded_early(self.storage, None)
        self._images, errors = _each(self._unsign, submission.tokens)
        if submission.preflight and not is_early:
            raise self._error("not_ahead")
        self._check_number(len(self._images) + len(submission.files))
        files, file_errors = _each(self._validated, submission.files)
        errors += file_errors
        values = [*self._images, *files]
        if is_early:
            errors += self._upload_all(values)
        if errors:
            raise ValidationError(errors)
        if submission.preflight:
            raise self._error("ahead")
        if not initial_images(initial):
            self.validate(values)
        return values

    def _check_number(self, count: int) -> None:
        """Raise ``ValidationError`` if this number of images is too large."""
        if self.max_files is not None and count > self.max_files:
            raise ValidationError(
                self.error_messages["too_many_files"],
                code="too_many_files",
                params={"limit": self.max_files, "count": count},
            )

    def _validated(self, file: Any) -> Any:
        """Return a valid file. Raise ``ValidationError`` with errors that contain its name."""
        if isinstance(file, File):
            set_picture(file, None)
        try:
            return super(GroupMeImageFormField, self).clean(file)
        except ValidationError as error:
            raise self._named(error, file) from error

    def _upload_all(self, values: Iterable[Any]) -> list[ValidationError]:
        """Upload the files among the values, and return an error for each that failed."""
        values = list(values)
        files = [value for value in values if is_uploaded_by_form(value, self.storage, None)]
        if not files:
            return []
        self._images = [value for value in values if isinstance(value, Picture | FieldFile)]
        with self.storage.concurrent_uploads(files, self.max_concurrent_uploads):  # type: ignore[union-attr]
            images, errors = _each(self._upload_one, files)
        self._images += images
        self._has_new_images = bool(images)
        return errors

    def _upload_one(self, file: File[bytes]) -> Picture | FieldFile:
        try:
            return self._uploaded_image(file)
        except ValidationError as error:
            raise self._named(error, file) from error

    def _named(self, error: ValidationError, file: Any) -> ValidationError:
        """Return the errors of a file. Each message contains its name."""
        name = safe_name(PurePath(str(getattr(file, "name", file))).name)
        return ValidationError([self._with_name(each, name) for each in error.error_list])

    def _with_name(self, error: ValidationError, name: str) -> ValidationError:
        if error.params and error.params.get("name") == name:
            return error
        return ValidationError(
            self.error_messages["invalid_file"],
            code=error.code,
            params={"name": name, "error": error.messages[0]},
        )


def _each(function: Callable[[T], R], items: Iterable[T]) -> tuple[list[R], list[ValidationError]]:
    """Call a function with each item. Return its results, and the errors that it raised."""
    results, errors = [], []
    for item in items:
        try:
            results.append(function(item))
        except ValidationError as error:
            # The traceback refers to this frame, and so to the list. This would be a cycle.
            errors.append(error.with_traceback(None))
    return results, errors
