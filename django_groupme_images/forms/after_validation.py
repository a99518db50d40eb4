"""Uploads of valid forms and formsets, for fields whose option ``upload_early`` is ``False``."""

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
    """Make the form upload its images as the last step of its validation."""
    # Django has no hook for this; _post_clean() is the last method that full_clean() calls.
    is_patched = getattr(vars(form).get("_post_clean"), "func", None) is _validate_and_upload
    if not is_patched:
        form._post_clean = partial(_validate_and_upload, form, form._post_clean)  # type: ignore[attr-defined]


def _validate_and_upload(form: BaseForm, post_clean: Callable[[], None]) -> None:
    post_clean()
    if form.errors:
        _report_lost_images(form)
    elif not (_is_in_admin(form) or _is_in_formset(form)):
        upload_images(form)


def _report_lost_images(form: BaseForm) -> None:
    """Add an error for each uploaded image to which the invalid form cannot refer."""
    for name, field in form.fields.items():
        if hasattr(field, "report_if_lost"):
            field.report_if_lost(form, name)


def _is_in_admin(form: Any) -> bool:
    """Return whether the form or formset is one whose images ``GroupMeImageAdminMixin`` uploads."""
    return bool(getattr(form, "groupme_formsets", ()))


def _is_in_formset(form: BaseForm) -> bool:
    """
    Return whether the form is part of a formset, and so is saved only if other forms are valid.

    A form refers to its formset only with the mixin. Without the mixin, the form's prefix is
    compared with those of the submitted formsets, because it consists of the formset's prefix and
    an index, in any order. Each formset submits its number of forms; otherwise, Django treats it as
    empty.
    """
    if hasattr(form, "groupme_formset"):
        return True
    names = (str(name).rpartition("-") for name in form.data)
    formset_prefixes = (prefix for prefix, _, name in names if name == TOTAL_FORM_COUNT)
    form_prefix = str(form.prefix or "")
    return any(
        prefix in form_prefix and re.search(r"\d", form_prefix.replace(prefix, "", 1))
        for prefix in formset_prefixes
    )


def upload_images(form: BaseForm) -> bool:
    """
    Upload the images of a valid form that are not uploaded yet. Return whether it is still valid.

    A failed upload becomes an error of its field, and the images of later fields are not uploaded.
    """
    return all(
        field.upload_in_form(form, name)
        for name, field in form.fields.items()
        if hasattr(field, "upload_in_form") and not field.disabled
    )


def set_on_instance(form: Any, name: str, value: Any) -> None:
    """
    Set a model form's uploaded image on its instance.

    ``value`` is the cleaned value that validation set on the instance, before the upload. Do
    nothing if the instance now has another value, or if the form has no instance.
    """
    instance = getattr(form, "instance", None)
    field_file = getattr(instance, name, None) if isinstance(value, File) else None
    if isinstance(field_file, FieldFile) and getattr(field_file, "_file", None) is value:
        field_file.field.save_form_data(instance, value)  # type: ignore[arg-type]


class GroupMeImageFormSetMixin(_FormSet):
    """
    Mixin that uploads the images of a formset once all of its forms and its own checks are valid.

    Use it if the option ``upload_early`` is ``False``. A failure of the image service is then a
    field error. Without the mixin, a form of a formset uploads its images when they are
    saved, which raises ``ServiceError`` if the image service fails. Put it before Django's class::

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


def upload_formset_images(formset: Any) -> bool:
    """
    Upload the images of a valid formset, form by form. Return whether all forms are still valid.

    See :func:`upload_images` for failed uploads; the forms after the first failure are skipped.
    """
    return all(map(upload_images, _saved_forms(formset)))


def _saved_forms(formset: Any) -> Iterator[BaseForm]:
    """Yield the forms that ``formset.save()`` saves, without deleted forms."""
    forms = formset.initial_forms if getattr(formset, "edit_only", False) else formset.forms
    for form in forms:
        if not (formset.can_delete and formset._should_delete_form(form)):
            yield form
