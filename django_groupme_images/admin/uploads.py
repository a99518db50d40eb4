"""``ModelAdmin`` mixin that uploads the images of valid forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin

from django_groupme_images.forms.after_validation import (
    GroupMeImageFormSetMixin,
    upload_formset_images,
    upload_images,
)

__all__ = ["GroupMeImageAdminMixin"]

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object


class GroupMeImageAdminMixin(_ModelAdmin):
    """
    ``ModelAdmin`` mixin that uploads images once a change form and its inlines are valid.

    Use it if the option ``upload_early`` is ``False``. Put it before ``ModelAdmin``::

        class AlbumAdmin(GroupMeImageAdminMixin, admin.ModelAdmin):
            inlines = [PhotoInline]

    A failure of the image service is then a field error, and nothing is saved. Without the
    mixin, the change form uploads its images even if an inline is invalid. Inlines, and lists with
    ``list_editable``, then upload their images when they are saved, which raises ``ServiceError``
    if the image service fails.
    """

    def get_form(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        form_class: Any = super().get_form(request, *args, **kwargs)
        if request is None:
            return form_class
        attributes = {"groupme_formsets": _formsets(request)}
        own_class = type(form_class)(form_class.__name__, (form_class,), attributes)
        # The metaclass has replaced both, and so lost the changes of other admin classes.
        own_class.base_fields = form_class.base_fields
        own_class._meta = form_class._meta
        return own_class

    def _create_formsets(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        formsets, inlines = super()._create_formsets(request, *args, **kwargs)  # type: ignore[misc]
        _formsets(request)[:] = formsets
        for formset in formsets:
            formset.groupme_formsets = formsets
        return formsets, inlines

    def save_form(self, request: Any, form: Any, *args: Any, **kwargs: Any) -> Any:
        # The admin calls this method once the change form is valid. It then validates all formsets.
        if formsets := _formsets(request):
            last = formsets[-1]
            last.is_valid = partial(_upload_with_inlines, form, formsets, last.is_valid)
        return super().save_form(request, form, *args, **kwargs)

    def get_changelist_formset(self, *args: Any, **kwargs: Any) -> Any:
        formset_class: Any = super().get_changelist_formset(*args, **kwargs)
        return type(formset_class.__name__, (GroupMeImageFormSetMixin, formset_class), {})


def _formsets(request: Any) -> list[Any]:
    """Return the list for the inline formsets of a request; ``_create_formsets()`` fills it."""
    formsets: list[Any] = vars(request).setdefault("_groupme_formsets", [])
    return formsets


def _upload_with_inlines(form: Any, formsets: list[Any], is_valid: Callable[[], bool]) -> bool:
    """
    Validate the last formset, and upload all images if the form and the other formsets are valid.

    Return whether everything is valid, including the uploads.
    """
    others = [form, *formsets[:-1]]
    return (
        is_valid()
        and all(other.is_valid() for other in others)
        and upload_images(form)
        and all(map(upload_formset_images, formsets))
    )
