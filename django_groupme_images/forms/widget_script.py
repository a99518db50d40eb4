"""The configuration of the widget's scripts: limits, formats, and messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from django_groupme_images.conf import validated_option
from django_groupme_images.images.opening.decoding import is_decodable
from django_groupme_images.images.options import ImageOptions
from django_groupme_images.images.signatures import DETECTED_FORMATS, display_name
from django_groupme_images.storage.backend import GroupMeStorage

from .upload_requests import UPLOAD_TEXTS
from .uploads import image_options
from .validation import format_list, script_message

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["GRID_TEXTS", "SEVERAL_FILES_TEXTS", "acceptable_formats", "widget_config_json"]

# The script replaces the placeholders. Messages about a failed upload request must not claim that
# nothing was uploaded: once its body has been sent, the server may upload the image even if the
# response is lost. The request does not save the form, however. Keys must not change without need,
# because browsers may have cached an older script.
_SCRIPT_TEXTS = {
    "newImage": _("New image"),
    "replace": _("Replace"),
    "remove": _("Remove"),
    "undo": _("Undo"),
    "willBeReplaced": _("Will be replaced"),
    "willBeRemoved": _("Will be removed"),
    "chosen": _("{name}: {width} × {height} pixels, {size}"),
    "unreadable": _("{name}: {size}, no preview available"),
    "addressed": _("The image URL was added."),
    "notAddressed": _("The image URL was removed."),
    "onlyFirst": _("Only “{name}” was added, because this field accepts one image."),
    "preparing": _("Preparing “{name}”…"),
    "removed": _("“{name}” was removed."),
    "preview": _("Preview of “{name}”"),
    "wrongType": script_message("invalid_image"),
    "wrongFormat": script_message("format_not_allowed"),
    "tooLarge": script_message("too_large"),
    "empty": script_message("empty"),
    "sending": _("Uploading “{name}”…"),
    "waiting": _("Processing “{name}”…"),
    "stopped": _("Upload canceled. The form was not saved."),
    "stoppedLate": _(
        "Upload canceled. The form was not saved, but the image may have been uploaded."
    ),
    "uploaded": _("“{name}” has been uploaded. Submit the form to save it."),
    "broken": _(
        "The connection to the site was lost. The form may not have been saved, but the image "
        "may have been uploaded. Please submit the form again."
    ),
    "failed": _(
        "The site returned error {status}. The form was not saved, but the image may have been "
        "uploaded. Please submit the form again."
    ),
    "otherPage": _(
        "The site returned a different page. The form may already have been saved. Please check "
        "before you submit it again."
    ),
    "openPage": _("Open the page"),
    "tooLargeForSite": _("“{name}” is too large for this site. Please choose a smaller image."),
    "stop": _("Cancel"),
}

#: The messages of scripts that accept several files at once.
SEVERAL_FILES_TEXTS = {
    "added": _("Images added: {count}"),
    "limit": _("Not added, because the maximum number of images is {limit}: {names}"),
    "copies": _("Chosen more than once: {names}. Please remove the copies that you do not need."),
    "copy": _("This is the same image as “{name}”. It would be uploaded again."),
    "moved": _("Moved to position {number} of {count}"),
}

#: The messages of the widget for several images.
GRID_TEXTS = SEVERAL_FILES_TEXTS | {
    "earlier": _("Move “{name}” earlier"),
    "later": _("Move “{name}” later"),
}


def widget_config_json(
    storage: Storage,
    preflight_field: str,
    row_fields: Mapping[str, str] = MappingProxyType({}),
    more_texts: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """
    Return the configuration of the widget's script as JSON: limits, formats, and messages.

    The messages are in the active language. ``preflight_field`` is the name that marks an upload
    request. If it is empty, or the storage does not upload early, the script sends no such request,
    and files are submitted with their form. ``row_fields`` and ``more_texts`` are those of the
    widget.
    """
    options = image_options(storage)
    formats = acceptable_formats(options)
    texts = _SCRIPT_TEXTS | UPLOAD_TEXTS | dict(more_texts)
    is_early = isinstance(storage, GroupMeStorage) and validated_option(storage, "upload_early")
    return json.dumps(
        {
            "ahead": preflight_field if is_early else "",
            "formats": formats,
            "formatNames": {name.lower(): display_name(name) for name in DETECTED_FORMATS},
            "allowedText": format_list(options.allowed_formats),
            "convert": [name for name in options.convert_formats if options.is_converted(name)],
            "maxDimension": options.max_dimension,
            "limit": options.max_upload_size,
            "maxFields": settings.DATA_UPLOAD_MAX_NUMBER_FIELDS,
            "language": (get_language() or "").partition("@")[0],
            "texts": {name: str(text) for name, text in texts.items()},
            **row_fields,
        }
    )


def acceptable_formats(options: ImageOptions) -> list[str]:
    """Return the allowed formats, followed by those that the installed decoders can convert."""
    return [
        name
        for name in options.accepted_formats
        if not options.is_converted(name) or is_decodable(name)
    ]
