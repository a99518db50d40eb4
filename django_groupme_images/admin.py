"""Admin integration: thumbnails in lists, the widget for images, and uploads after validation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.core.signals import setting_changed
from django.db.models.constants import LOOKUP_SEP
from django.dispatch import receiver
from django.forms.utils import pretty_name
from django.utils.safestring import SafeString

from . import rendering
from .forms.admin_widgets import AdminGroupMeImageInput
from .forms.after_validation import GroupMeImageFormSetMixin, upload_formset_images, upload_images
from .forms.widgets import LATE_THUMBNAILS_SCRIPT
from .pictures import Picture, known_variant, variant_size
from .storage.backend import groupme_storage
from .storage.names import picture_from_value

__all__ = ["AdminGroupMeImageInput", "GroupMeImageAdminMixin", "thumbnail"]

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

# The largest JPEG or GIF, in pixels. Each variant of it has the maximum size of that variant.
_MAX_DIMENSIONS = 65535, 65535


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


def thumbnail(
    field: str,
    *,
    variant: str = "avatar",
    alt: str | Callable[[Any], str] | None = None,
    description: Any = None,
) -> Callable[[Any], Any]:
    """
    Return a thumbnail column for ``list_display`` and ``readonly_fields``.

    ``field`` is the name of an image field. It may be that of a related object, as in
    ``"album__cover"``; then add the relation to ``list_select_related``. ``alt`` is the alternative
    text, or a callable that returns it for a model instance. It defaults to the value of the
    field's ``alt_field``, or else to the header of the column. ``description`` is that header, and
    defaults to the name of the field. Rendering a thumbnail makes no query and no request. Its HTML
    includes the script that requests late thumbnails again, because a column cannot add media to
    its page.

    Raise ``ValueError`` for an unknown variant.
    """
    known_variant(variant)
    header = description or pretty_name(field.replace(LOOKUP_SEP, "_"))
    get_attributes = _attributes_getter(alt, header, variant)

    @admin.display(description=header, ordering=field)
    @_followed_by_script
    def column(instance: Any) -> SafeString:
        value = _field_value(instance, field)
        image = picture_from_value(value, groupme_storage) or value
        return rendering.img_tag(
            partial(get_attributes, instance, value, image), value=image, variant=variant
        )

    column.__name__ = f"thumbnail_{field}"
    return column


def _followed_by_script(
    column: Callable[[Any], SafeString],
) -> Callable[[Any], SafeString]:
    """Append the script to the HTML of a column, unless it is empty."""

    @wraps(column)
    def column_with_script(instance: Any) -> SafeString:
        html = column(instance)
        return html and html + _late_thumbnails_script()

    return column_with_script


@cache  # Rendering the element takes longer than rendering the image.
def _late_thumbnails_script() -> SafeString:
    return SafeString(LATE_THUMBNAILS_SCRIPT)  # nosec B703  # Django has escaped its URL.


@receiver(setting_changed)
def _forget_script_url(**_: object) -> None:
    """Render the script again, because tests may override the settings of static files."""
    _late_thumbnails_script.cache_clear()


def _attributes_getter(
    alt: Any, header: Any, variant: str
) -> Callable[[Any, Any, Any], dict[str, str]]:
    """Return a function from an instance, its value, and its image to a thumbnail's attributes."""
    # A callable depends on the instance, and a lazy string on the active language.
    default = header if alt is None else alt
    shared = rendering.html_attributes({"alt": default}) if isinstance(default, str) else None
    # A file of unknown dimensions, which may be pending, must not be larger than a thumbnail.
    max_height = max(variant_size(variant, *_MAX_DIMENSIONS))
    height_limit = {"height": rendering.html_attribute("height", max_height)}

    def get_attributes(instance: Any, value: Any, image: Any) -> dict[str, str]:
        if alt is None and (text := rendering.alternative_text(value)):
            html = rendering.html_attributes({"alt": text})
        else:
            text = default(instance) if callable(default) else default
            html = shared or rendering.html_attributes({"alt": text})
        has_dimensions = isinstance(image, Picture) or any(rendering.file_dimensions(image))
        return html if has_dimensions else html | height_limit

    return get_attributes


def _field_value(instance: Any, path: str) -> Any:
    """Return the value of a field, or ``None`` if a related object on the path is missing."""
    value = instance
    try:
        for name in path.split(LOOKUP_SEP):
            value = value if value is None else getattr(value, name)
    except ObjectDoesNotExist:
        return None
    return value
