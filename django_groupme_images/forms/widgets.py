"""
The widget for images: a file input with a preview, and an input for a URL.

- :func:`submitted_data` and :class:`SubmittedData`: the data that a form submits.
- :class:`BoundValue` and :func:`current_image`: the data that a form displays.
- :class:`GroupMeImageInput`: the widget.

The widget works without its scripts. ``image_shrink.js`` shrinks and converts images before they
are sent. ``image_input.js`` adds drag and drop, pasting, and a preview of the chosen image.
``image_uploads.js`` adds progress bars: it first posts the form once for each image, with that file
and the name ``PREFLIGHT_FIELD``. The form field uploads the file in this *upload request*, and
always makes the form invalid, so that nothing is saved. Then the script submits the form, with the
signed tokens of the uploaded images in place of the files. ``image_form_data.js`` omits data that
Django does not need. In the admin, it reduces the upload requests to one row of an inline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.widgets import FILE_INPUT_CONTRADICTION
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_groupme_images.conf import validated_option
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.backend import groupme_storage
from django_groupme_images.storage.names import file_url, picture_from_value, url_attribute

from .upload_requests import errors_json
from .uploads import image_options
from .widget_script import acceptable_formats, widget_config_json

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "BoundValue",
    "GroupMeImageInput",
    "SubmittedData",
    "allows_urls",
    "clean_string",
    "current_image",
    "is_marked_for_deletion",
    "submitted_data",
    "url_of",
]

#: The name that marks the data of a form as an upload request of the script.
PREFLIGHT_FIELD = "groupme-images-ahead"

#: The script that requests late thumbnails again. A page can include it several times.
LATE_THUMBNAILS_SCRIPT = forms.Script("groupme_images/late_thumbnails.js", defer=True)


@dataclass(frozen=True)
class SubmittedData:
    """
    A submitted file, URL, or signed token of an image that the form uploaded before.

    ``cleared`` is true if the saved image is to be removed, and ``preflight`` if this is an upload
    request of the script.
    """

    file: File[bytes] | None = None
    url: str = ""
    token: str = ""
    cleared: bool = False
    preflight: bool = False


def submitted_data(data: Any) -> SubmittedData | None:
    """Return the data of any widget, a file or a URL, or ``None`` if it is neither."""
    if isinstance(data, SubmittedData):
        return data
    if isinstance(data, str):
        return SubmittedData(url=data) if data else None
    return SubmittedData(file=data) if isinstance(data, File) else None


@dataclass(frozen=True)
class BoundValue:
    """
    The value that a bound form displays: the initial value, and the uploaded image, if any.

    Templates can read its ``url`` and ``name`` like those of the initial value. ``token`` is the
    signed token of ``uploaded``. ``errors`` are those of an upload request, and
    ``is_temporary`` is true if a later request with the same file may succeed.
    """

    initial: Any
    uploaded: Picture | FieldFile | None = None
    token: str = ""
    submitted_url: str = ""
    errors: list[str] = field(default_factory=list)
    is_temporary: bool = False

    @property
    def current(self) -> Any:
        """The uploaded image, or else the initial one."""
        return self.uploaded or self.initial

    @property
    def url(self) -> str:
        """The URL of the image, or an empty string."""
        return url_of(self.current)

    @property
    def name(self) -> str:
        """The stored name of the image, or its URL."""
        return str(getattr(self.current, "name", None) or self.url)

    def __bool__(self) -> bool:
        return bool(self.current)

    def __str__(self) -> str:
        return str(self.current or "")


def current_image(value: Any, storage: Storage) -> dict[str, Any] | None:
    """
    Return the URL, preview URL, and description of the image that the widget displays.

    The preview URL is empty if the image is not on GroupMe's CDN. Return ``None`` without an image.
    """
    url = url_of(value)
    if picture := picture_from_value(value, storage) or picture_from_value(url, storage):
        size = {"width": picture.width, "height": picture.height}
        text = _("Original, %(width)s × %(height)s pixels") if picture.width else _("Original")
        return {"url": picture.url, "preview": picture.preview_url, "text": text % size}
    if url or (value and isinstance(value, FieldFile)):
        return {"url": url, "preview": "", "text": getattr(value, "name", None) or url}
    return None


def url_of(value: Any) -> str:
    """
    Return the URL of an object, the value itself if it is an HTTP URL, or an empty string.

    As in Django's template for file inputs, the URL may be a method, and an object that is false
    has no URL.
    """
    if isinstance(value, str):
        return value if value.startswith(("http://", "https://")) else ""
    if isinstance(value, File):
        return file_url(value)
    return url_attribute(value) if value else ""


def allows_urls(storage: Storage, allow_url: bool | None) -> bool:
    """Return ``allow_url``, or the storage's option of that name if it is ``None``."""
    return bool(validated_option(storage, "allow_url")) if allow_url is None else allow_url


class GroupMeImageInput(forms.ClearableFileInput):
    """
    A file input that displays a preview of the saved image, with an input for a URL.

    The form field sets ``storage``, ``allow_url``, ``order_name``, and ``uploads_ahead``, which is
    false if its files must not be uploaded before the form is submitted. ``row_fields`` are
    the names of hidden fields that the script may omit, see :func:`hidden_row_fields`.
    """

    template_name = "groupme_images/widgets/image_input.html"
    storage: Storage = groupme_storage
    allow_url: bool | None = None
    uploads_ahead = True
    row_fields: Mapping[str, str] = MappingProxyType({})
    #: Name of the field that orders the forms of a formset; it starts with a hyphen if descending.
    order_name = ""
    #: Additional messages of the script.
    script_texts: Mapping[str, Any] = MappingProxyType({})

    address_label = _("Or enter an image URL")
    carried_text = _("Uploaded, not saved yet")
    file_label = _("Choose an image or drop it here")
    #: Replaces ``file_label`` on touch screens.
    touch_label = _("Choose an image or take a photo")
    initial_text: Any = _("Current image")
    clear_checkbox_label: Any = _("Remove")

    class Media:
        css = {"all": ["groupme_images/image_input.css"]}
        js = [
            forms.Script("groupme_images/image_shrink.js", defer=True),
            forms.Script("groupme_images/image_input.js", defer=True),
            forms.Script("groupme_images/image_form_data.js", defer=True),
            forms.Script("groupme_images/image_uploads.js", defer=True),
            LATE_THUMBNAILS_SCRIPT,
        ]

    def address_name(self, name: str) -> str:
        """Return the name of the URL input. ``name`` is that of the file input."""
        return f"{name}-url"

    def carried_name(self, name: str) -> str:
        """Return the name of the input for the token. ``name`` is that of the file input."""
        return f"{name}-uploaded"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        is_deleted = is_marked_for_deletion(data, name)
        if is_deleted:
            files = MultiValueDict()  # An image of a form that is deleted must not be uploaded.
        preflight = PREFLIGHT_FIELD in data and not is_deleted
        upload = super().value_from_datadict(data, files, name)
        is_contradiction = upload is FILE_INPUT_CONTRADICTION
        # An upload request ignores the URL, which is uploaded when the form itself is submitted.
        is_url_ignored = is_deleted or preflight
        submission = SubmittedData(
            file=files.get(name) if is_contradiction else upload or None,
            url="" if is_url_ignored else clean_string(data.get(self.address_name(name))).strip(),
            token=clean_string(data.get(self.carried_name(name))),
            cleared=is_contradiction or upload is False,
            preflight=preflight,
        )
        if submission.cleared and not (submission.file or submission.url or preflight):
            return False
        return None if submission == SubmittedData() else submission

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return super().value_omitted_from_data(data, files, name) and not (
            data.get(self.address_name(name)) or data.get(self.carried_name(name))
        )

    def use_required_attribute(self, initial: Any) -> bool:
        return False  # A URL can be submitted in place of a file.

    def is_initial(self, value: Any) -> bool:
        # Third-party templates read the URL from the value, and a string does not have one.
        return not isinstance(value, str) and bool(url_of(value))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        bound = value if isinstance(value, BoundValue) else BoundValue(value)
        context = super().get_context(name, value, attrs)
        widget = context["widget"]
        file_id = widget["attrs"].get("id") or ""
        has_url = allows_urls(self.storage, self.allow_url)
        widget["attrs"].setdefault("accept", self._accepted_types())
        widget.update(
            present=current_image(bound.current, self.storage),
            initial_text=self.carried_text if bound.uploaded else self.initial_text,
            file_label=self.file_label,
            touch_label=self.touch_label,
            file_id=file_id,
            address_label=self.address_label,
            address_name=self.address_name(name) if has_url else "",
            address_id=file_id and f"{file_id}-url",
            address=bound.submitted_url,
            carried_name=self.carried_name(name),
            carried=bound.token,
            errors=errors_json(bound),
            script=widget_config_json(
                self.storage,
                PREFLIGHT_FIELD if self.uploads_ahead else "",
                self.row_fields,
                self.script_texts,
            ),
        )
        return context

    def subwidgets(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """
        Yield the file input, and then the hidden input with the token of an upload, if any.

        The templates of crispy-forms render an input for each subwidget, whose value has to be in
        ``attrs``.
        """
        for widget in super().subwidgets(name, value, attrs):
            yield widget
            for token in self._tokens(widget):
                hidden = forms.HiddenInput({"class": "groupme-uploaded", "value": token})
                yield hidden.get_context(widget["carried_name"], token, None)["widget"]

    def _render(self, template_name: str, context: Any, renderer: Any = None) -> SafeString:
        """
        Render a subwidget. Append the hidden input if the template does not contain it.

        Third-party templates of file inputs would otherwise display an uploaded image that the
        next submission does not contain.
        """
        widget = context["widget"]
        if "carried" not in widget:
            return SafeString("")  # The hidden input is already in the HTML of the file input.
        html: SafeString = super()._render(template_name, context, renderer)  # type: ignore[misc]
        if widget["carried_name"] not in html:
            for token in self._tokens(widget):
                html += forms.HiddenInput().render(widget["carried_name"], token, renderer=renderer)
        return html

    def _tokens(self, widget: dict[str, Any]) -> list[str]:
        """Return the signed tokens in the context of the template."""
        return [widget["carried"]] if widget["carried"] else []

    def _accepted_types(self) -> str:
        """Return the value of the file input's ``accept`` attribute."""
        formats = acceptable_formats(image_options(self.storage))
        return ",".join(type_ for name in formats for type_ in _media_types(name))


def _media_types(image_format: str) -> list[str]:
    # Browsers distinguish HEIF files by their codec.
    names = ["heic", "heif"] if image_format == "heif" else [image_format]
    return [f"image/{name}" for name in names]


def clean_string(value: Any) -> str:
    """Return a submitted string, or an empty one, in which lone surrogates are replaced."""
    # Some encodings of a form can contain lone surrogates, which cannot be signed.
    return str(value or "").encode("utf-8", "replace").decode()


def is_marked_for_deletion(data: Mapping[str, Any], name: str) -> bool:
    """Return whether the input is part of a formset's form that is marked for deletion."""
    prefix, _dash, _field = name.rpartition("-")
    box = f"{prefix}-{DELETION_FIELD_NAME}"
    return bool(prefix) and forms.CheckboxInput().value_from_datadict(data, MultiValueDict(), box)
