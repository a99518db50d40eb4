"""
The widget that hands in a picture: as a file, or as an address.

It works without JavaScript. Its script (``static/groupme_images/``) adds dropping,
pasting, a look at the picture before it is sent, and a progress bar: it sends the form
once *ahead*, marked so, with the file; the field uploads that and calls the form invalid,
so that nothing is saved; and then sends it for good with what the field signed instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.widgets import FILE_INPUT_CONTRADICTION
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from .options import checked_option, options_of
from .pictures import Picture
from .rendering import own_url, picture_in
from .script import for_script
from .storage import groupme_storage

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GroupMeImageInput", "Submission", "Submitted", "allows_urls", "submission_of"]

#: The name under which a form is marked as sent ahead.
AHEAD = "groupme-images-ahead"


@dataclass(frozen=True)
class Submission:
    """
    What a person handed in: a file, an address, or a picture uploaded before, signed.

    ``cleared`` where the present picture is to go, ``ahead`` where the form is sent ahead.
    """

    file: File[bytes] | None = None
    address: str = ""
    carried: str = ""
    cleared: bool = False
    ahead: bool = False


@dataclass(frozen=True)
class Submitted:
    """
    The value that a bound form displays: the initial value, and the result of the submission.

    Templates can read its ``url`` like that of the initial value. ``token`` is the signed form
    of ``uploaded``.
    """

    initial: Any
    uploaded: Picture | FieldFile | None = None
    token: str = ""
    address: str = ""
    errors: list[str] = field(default_factory=list)

    @property
    def present(self) -> Any:
        """The uploaded image, or else the initial one."""
        return self.uploaded or self.initial

    @property
    def url(self) -> str:
        return str(self.present.url)

    def __bool__(self) -> bool:
        return bool(self.present)

    def __str__(self) -> str:
        return str(self.present or "")


def submission_of(data: Any) -> Submission | None:
    """Return what was submitted with any widget, or ``None`` if that is no image."""
    if isinstance(data, Submission):
        return data
    if isinstance(data, str):
        return Submission(address=data) if data else None
    return Submission(file=data) if isinstance(data, File) else None


def allows_urls(storage: Storage, allow_url: bool | None) -> bool:
    """Return ``allow_url``, or the storage's option of that name if it is ``None``."""
    return bool(checked_option(storage, "allow_url")) if allow_url is None else allow_url


class GroupMeImageInput(forms.ClearableFileInput):
    """
    Hands in a picture: chosen, dropped or pasted, or by its address.

    Shows the present one by its preview. ``storage`` and ``allow_url`` are set by the form field.
    """

    template_name = "groupme_images/widgets/image_input.html"
    storage: Storage = groupme_storage
    allow_url: bool | None = None

    address_label = _("Or its address on the web")
    carried_text = _("Uploaded; not saved yet")
    file_label = _("Choose a picture")
    initial_text: Any = _("Currently")
    clear_checkbox_label: Any = _("Remove the picture")

    class Media:
        css = {"all": ["groupme_images/image_input.css"]}
        js = [forms.Script("groupme_images/image_input.js", defer=True)]

    def address_name(self, name: str) -> str:
        """Given the name of the file input, the name of the input of an address."""
        return f"{name}-url"

    def carried_name(self, name: str) -> str:
        """Given the name of the file input, the name of the input of an uploaded picture."""
        return f"{name}-uploaded"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        goes = _is_to_be_deleted(data, name)  # the row, and nothing of it has to be uploaded
        ahead = AHEAD in data and not goes
        upload = super().value_from_datadict(data, MultiValueDict() if goes else files, name)
        contradicts = upload is FILE_INPUT_CONTRADICTION
        submission = Submission(
            file=files.get(name) if contradicts else upload or None,
            # An address has time until the form itself is sent.
            address="" if goes or ahead else _text(data, self.address_name(name)).strip(),
            carried=_text(data, self.carried_name(name)),
            cleared=contradicts or upload is False,
            ahead=ahead,
        )
        if submission.cleared and not (submission.file or submission.address or ahead):
            return False
        return None if submission == Submission() else submission

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return super().value_omitted_from_data(data, files, name) and not (
            data.get(self.address_name(name)) or data.get(self.carried_name(name))
        )

    def use_required_attribute(self, initial: Any) -> bool:
        return False  # an address will do instead of a file

    def is_initial(self, value: Any) -> bool:
        return _present(value, self.storage) is not None

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        shown = value if isinstance(value, Submitted) else Submitted(value)
        context = super().get_context(name, shown.present, attrs)
        widget = context["widget"]
        file_id = widget["attrs"].get("id") or ""
        has_url = allows_urls(self.storage, self.allow_url)
        widget["attrs"].setdefault("accept", self._accepted_types())
        widget.update(
            present=_present(widget["value"], self.storage),
            present_text=self.carried_text if shown.uploaded else self.initial_text,
            file_label=self.file_label,
            file_id=file_id,
            address_label=self.address_label,
            address_name=self.address_name(name) if has_url else "",
            address_id=file_id and f"{file_id}-url",
            address=shown.address,
            carried_name=self.carried_name(name),
            carried=shown.token,
            errors=json.dumps(shown.errors) if shown.errors else "",
            script=for_script(self.storage, AHEAD),
        )
        return context

    def _accepted_types(self) -> str:
        return ",".join(f"image/{word}" for word in options_of(self.storage).allowed_formats)


def _present(value: Any, storage: Storage) -> dict[str, Any] | None:
    """The picture that is there already: by its preview, or by its name if it has none."""
    if picture := picture_in(value, storage):
        size = {"width": picture.width, "height": picture.height}
        text = _("Original, %(width)s × %(height)s pixels") if picture.width else _("Original")
        return {"url": picture.url, "preview": picture.preview_url, "text": text % size}
    if isinstance(value, FieldFile) and value:
        return {"url": own_url(value), "preview": "", "text": value.name}
    return None


def _text(data: Mapping[str, Any], name: str) -> str:
    # Half a character, which some encodings of a form can spell, cannot even be signed.
    return str(data.get(name) or "").encode("utf-8", "replace").decode()


def _is_to_be_deleted(data: Mapping[str, Any], name: str) -> bool:
    """Whether the row of a formset that this input is in was marked so."""
    prefix, _dash, _field = name.rpartition("-")
    box = f"{prefix}-{DELETION_FIELD_NAME}"
    return bool(prefix) and forms.CheckboxInput().value_from_datadict(data, MultiValueDict(), box)
