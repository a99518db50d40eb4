"""Upload the images of a form once all of it is valid, where the option ``upload_early`` is off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.forms.formsets import TOTAL_FORM_COUNT, BaseFormSet

if TYPE_CHECKING:
    from django.forms import BaseForm

    _FormSet = BaseFormSet[BaseForm]
else:
    _FormSet = object

__all__ = [
    "GroupMeImageFormSetMixin",
    "set_on_instance",
    "upload_after_validation",
    "upload_formset_images",
    "upload_images",
]


def upload_after_validation(form: BaseForm) -> None:
    """Let the form upload its images as the last step of its validation."""
    # Django has no hook for it: _post_clean() is the last method that full_clean() calls.
    is_done = getattr(vars(form).get("_post_clean"), "func", None) is _validate_and_upload
    if not is_done:
        form._post_clean = partial(_validate_and_upload, form, form._post_clean)  # type: ignore[attr-defined]


def _validate_and_upload(form: BaseForm, validate: Callable[[], None]) -> None:
    validate()
    if not form.errors and not _belongs_to_others(form):
        upload_images(form)


def upload_images(form: BaseForm) -> bool:
    """
    Upload the images of a valid form that have not been uploaded. Return whether it is still valid.

    The first upload that fails becomes an error of its field, and no further image is uploaded.
    """
    return all(
        field.upload_in_form(form, name)
        for name, field in form.fields.items()
        if hasattr(field, "upload_in_form") and not field.disabled
    )


def set_on_instance(form: Any, name: str, value: Any) -> None:
    """Set an uploaded image on a model form's instance, which has the file from validation."""
    instance = getattr(form, "instance", None)
    held = getattr(instance, name, None) if isinstance(value, File) else None
    if isinstance(held, FieldFile) and getattr(held, "_file", None) is value:
        held.field.save_form_data(instance, value)  # type: ignore[arg-type]


def upload_formset_images(formset: Any) -> bool:
    """Upload the images of a valid formset, as :func:`upload_images` does those of a form."""
    return all(map(upload_images, _saved_forms(formset)))


def _saved_forms(formset: Any) -> Iterator[BaseForm]:
    """Yield the forms of a valid formset that are saved with it."""
    forms = formset.initial_forms if getattr(formset, "edit_only", False) else formset.forms
    for form in forms:
        if not (formset.can_delete and formset._should_delete_form(form)):
            yield form


class GroupMeImageFormSetMixin(_FormSet):
    """
    Upload the images of a formset once all of its forms and its own checks are valid.

    For formsets where the option ``upload_early`` is ``False``. Without it, a form of a formset
    uploads its images when they are saved, and a failure of the image service is then raised. With
    it, a failure is an error of the field. Put it before Django's class::

        class BasePhotoFormSet(GroupMeImageFormSetMixin, BaseInlineFormSet):
            pass
    """

    def _construct_form(self, *args: Any, **kwargs: Any) -> BaseForm:
        form: Any = super()._construct_form(*args, **kwargs)  # type: ignore[misc]
        form.groupme_formset = self
        return form  # type: ignore[no-any-return]

    def full_clean(self) -> None:
        super().full_clean()
        is_valid = self.is_bound and not any(self.errors) and not self.non_form_errors()
        if is_valid and not _is_in_admin(self):
            upload_formset_images(self)


def _belongs_to_others(form: BaseForm) -> bool:
    """Return whether the form is saved only if other forms are valid, too."""
    return _is_in_admin(form) or _is_in_formset(form)


def _is_in_admin(form: Any) -> bool:
    """Return whether the admin uploads the images of the form or formset."""
    return bool(getattr(form, "groupme_formsets", ()))


def _is_in_formset(form: BaseForm) -> bool:
    """
    Return whether the form is one of a formset's.

    A form does not know it without the mixin. But a formset that is submitted without the number
    of its forms has no forms, and the prefix of a form consists of the prefix of its formset and an
    index, in any order.
    """
    if hasattr(form, "groupme_formset"):
        return True
    names = (str(name).rpartition("-") for name in form.data)
    formsets = (prefix for prefix, _, name in names if name == TOTAL_FORM_COUNT)
    own = str(form.prefix or "")
    return any(
        prefix in own and re.search(r"\d", own.replace(prefix, "", 1)) for prefix in formsets
    )
