"""The admin: a column of thumbnails, the widget for images, and uploads after validation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ObjectDoesNotExist
from django.db.models.constants import LOOKUP_SEP
from django.forms.utils import pretty_name

from . import rendering
from .form_uploads import GroupMeImageFormSetMixin, upload_formset_images, upload_images
from .pictures import known_variant, variant_size
from .widgets import GroupMeImageInput

__all__ = ["AdminGroupMeImageInput", "GroupMeImageAdminMixin", "thumbnail"]

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

_LARGEST = 65535, 65535  # pixels


class AdminGroupMeImageInput(GroupMeImageInput, AdminFileWidget):
    """The widget in the admin's dress; a ``GroupMeImageField`` has it there by itself."""

    template_name = "groupme_images/widgets/admin_image_input.html"


class GroupMeImageAdminMixin(_ModelAdmin):
    """
    Upload the images of a change form and its inlines once all of them are valid.

    For admins where the option ``upload_early`` is ``False``. Without it, the change form uploads
    its images although an inline is invalid; inlines, and lists with ``list_editable``, upload
    theirs when they are saved, and a failure of the image service is then raised. With it, a
    failure is an error of the field, and nothing is saved. Put it before ``ModelAdmin``::

        class AlbumAdmin(GroupMeImageAdminMixin, admin.ModelAdmin):
            inlines = [PhotoInline]
    """

    def get_form(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        form_class: Any = super().get_form(request, *args, **kwargs)
        if request is None:
            return form_class
        attributes = {"groupme_formsets": _formsets(request)}
        own_class = type(form_class)(form_class.__name__, (form_class,), attributes)
        # The metaclass creates new ones, without what another admin class has changed.
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
        # The admin calls this once the change form is valid, and then validates all formsets.
        if formsets := _formsets(request):
            last = formsets[-1]
            last.is_valid = partial(_upload_with_inlines, form, formsets, last.is_valid)
        return super().save_form(request, form, *args, **kwargs)

    def get_changelist_formset(self, *args: Any, **kwargs: Any) -> Any:
        formset_class: Any = super().get_changelist_formset(*args, **kwargs)
        return type(formset_class.__name__, (GroupMeImageFormSetMixin, formset_class), {})


def _formsets(request: Any) -> list[Any]:
    """Return the list of the inline formsets of a request, which is filled later."""
    formsets: list[Any] = vars(request).setdefault("_groupme_formsets", [])
    return formsets


def _upload_with_inlines(form: Any, formsets: list[Any], is_valid: Callable[[], bool]) -> bool:
    """Validate the last formset, and upload all images if the others and the form are valid."""
    others = [form, *formsets[:-1]]
    return (
        is_valid()
        and all(other.is_valid() for other in others)
        and upload_images(form)
        and all(map(upload_formset_images, formsets))
    )


def thumbnail(
    field: str,
    *,
    variant: str = "avatar",
    alt: str | Callable[[Any], str] | None = None,
    description: Any = None,
) -> Callable[[Any], Any]:
    """
    A thumbnail of a picture, for ``list_display`` and ``readonly_fields``.

    ``field`` is the name of a picture's field, of a related object too
    (``"album__cover"``, which wants ``list_select_related``). ``alt`` is what stands for
    the picture where it is not seen: a text, or what a callable says of the row; by default
    the column's header. ``description`` is that header, by default the field's name. Costs
    no query and no request.

    Raises ``ValueError`` if there is no such variant.
    """
    known_variant(variant)
    header = description or pretty_name(field.replace(LOOKUP_SEP, "_"))
    text = alt or header
    # The same for every row, unless it depends on the row, or on who looks.
    same = rendering.written({"alt": text}) if isinstance(text, str) else None

    @admin.display(description=header, ordering=field)
    def column(row: Any) -> str:
        value = _value(row, field)
        picture = rendering.picture_in(value)

        def attributes() -> dict[str, str]:
            written = same or rendering.written({"alt": text(row) if callable(text) else text})
            if picture or any(rendering.size_of_file(value)):
                return written
            # A file that waits in the fallback storage, and may be as large as a wall.
            most = max(variant_size(variant, *_LARGEST))
            return written | {"height": rendering.attribute("height", most)}

        return rendering.image_with(attributes, value=picture or value, variant=variant)

    column.__name__ = f"thumbnail_{field}"
    return column


def _value(row: Any, field: str) -> Any:
    try:
        for name in field.split(LOOKUP_SEP):
            row = row if row is None else getattr(row, name)
    except ObjectDoesNotExist:
        return None
    return row
