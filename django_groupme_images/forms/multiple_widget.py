"""The widget for several images: a file input, and a grid of the images that are uploaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from django_groupme_images.pictures import Picture
from django_groupme_images.storage.names import picture_from_value

from .upload_requests import errors_json
from .validation import safe_name
from .widget_script import GRID_TEXTS
from .widgets import (
    PREFLIGHT_FIELD,
    GroupMeImageInput,
    clean_string,
    current_image,
    is_marked_for_deletion,
)

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = [
    "BoundImages",
    "GroupMeMultipleImageInput",
    "SubmittedImages",
    "initial_images",
    "submitted_images",
]


@dataclass(frozen=True)
class SubmittedImages:
    """
    Submitted files, and signed tokens of images that the form uploaded before.

    ``preflight`` is true if this is an upload request of the script.
    """

    files: tuple[Any, ...] = ()
    tokens: tuple[str, ...] = ()
    preflight: bool = False


def submitted_images(data: Any) -> SubmittedImages:
    """Return the data of any widget: a list of files, a single file, or nothing."""
    if isinstance(data, SubmittedImages):
        return data
    files = data if isinstance(data, list | tuple) else [data]
    return SubmittedImages(tuple(file for file in files if file))


@dataclass(frozen=True)
class BoundImages:
    """
    The images that a bound form displays: the initial ones, and those that it has uploaded.

    ``uploads`` contains each uploaded image with its signed token. ``errors`` are those of an
    upload request, and ``is_temporary`` is true if a later one may succeed. Templates can loop over
    the images.
    """

    initial: list[Any] = field(default_factory=list)
    uploads: list[tuple[Picture | FieldFile, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_temporary: bool = False

    def __iter__(self) -> Iterator[Any]:
        yield from self.initial
        for image, _token in self.uploads:
            yield image

    def __len__(self) -> int:
        return len(self.initial) + len(self.uploads)


class GroupMeMultipleImageInput(GroupMeImageInput):
    """
    A file input for several images, with a grid of the images that the form has uploaded before.

    Each of them has a checkbox that removes it from the form. Initial images have no checkbox. The
    form field sets ``storage`` and ``max_files``.
    """

    template_name = "groupme_images/widgets/images_input.html"
    allow_multiple_selected = True
    allow_url = False
    max_files: int | None = None

    initial_text: Any = _("Current images")
    file_label = _("Choose images or drop them here")
    touch_label = _("Choose images or take photos")
    remove_label = _("Remove")
    script_texts = GRID_TEXTS

    class Media:
        css = {"all": ["groupme_images/image_grid.css"]}
        js = [
            *GroupMeImageInput.Media.js,  # Otherwise, Django may reorder the scripts.
            forms.Script("groupme_images/image_copies.js", defer=True),
            forms.Script("groupme_images/image_grid.js", defer=True),
        ]

    def remove_name(self, name: str) -> str:
        """Return the name of the checkboxes that remove an upload; the value is its token."""
        return f"{name}-remove"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        is_deleted = is_marked_for_deletion(data, name)
        if is_deleted:
            files = MultiValueDict()  # Images of a form that is deleted must not be uploaded.
        removed = _strings(data, self.remove_name(name))
        # The same token twice is the same image.
        tokens = dict.fromkeys(_strings(data, self.carried_name(name)))
        submission = SubmittedImages(
            files=tuple(_values(files, name)),
            tokens=tuple(token for token in tokens if token not in removed),
            preflight=PREFLIGHT_FIELD in data and not is_deleted,
        )
        return None if submission == SubmittedImages() else submission

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return not (_values(files, name) or _strings(data, self.carried_name(name)))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        widget = context["widget"]
        bound = value if isinstance(value, BoundImages) else BoundImages(initial_images(value))
        images = list(self._images(bound, widget["file_id"]))
        widget.update(
            max_files=self.max_files,
            remove_label=self.remove_label,
            remove_name=self.remove_name(name),
            initial_images=[image for image in images if not image["token"]],
            uploads=[image for image in images if image["token"]],
            uploads_text=self.carried_text,
            errors=errors_json(bound),
        )
        return context

    def _images(self, bound: BoundImages, file_id: str) -> Iterator[dict[str, Any]]:
        """Yield the data of each image for the template."""
        images = [(image, "") for image in bound.initial] + bound.uploads
        for number, (image, token) in enumerate(images, 1):
            present = current_image(image, self.storage)
            if present:
                yield {
                    **present,
                    "id": file_id and f"{file_id}-image-{number}",
                    "text": _description(image, number, self.storage) or present["text"],
                    "token": token,
                }

    def _tokens(self, widget: dict[str, Any]) -> list[str]:
        return [image["token"] for image in widget["uploads"]]


def initial_images(initial: Any) -> list[Any]:
    """Return the initial value of the field as a list. It may be any iterable, or one image."""
    if not initial:
        return []
    is_image = isinstance(initial, str | File | Picture)
    return [initial] if is_image else list(initial)


def _description(image: Any, number: int, storage: Storage) -> str:
    """Return the name of an image, or its number, and its size. A pending file has no size."""
    name = safe_name(getattr(image, "submitted_name", None) or "")
    picture = picture_from_value(image, storage)
    if not picture:
        return name
    # The writing direction of a file name may differ from that of the description.
    name = f"\u2068{name}\u2069" if name else _("Image %(number)s") % {"number": number}
    text = _("%(name)s: %(width)s × %(height)s pixels") if picture.width else "%(name)s"
    return text % {"name": name, "width": picture.width, "height": picture.height}


def _values(data: Any, name: str) -> list[Any]:
    """Return all submitted values of a name. ``data`` may be a dictionary of values or lists."""
    values = data.getlist(name) if hasattr(data, "getlist") else data.get(name)
    values = values if isinstance(values, list | tuple) else [values]
    return [value for value in values if value]


def _strings(data: Any, name: str) -> list[str]:
    return list(map(clean_string, _values(data, name)))
