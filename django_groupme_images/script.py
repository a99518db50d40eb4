"""The limits and texts that the widget's script reads from an attribute of its element."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from .options import checked_option, options_of
from .storage import GroupMeStorage
from .validation import listed

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["for_script"]

# The script replaces the placeholders. The upload request never saves the form, but once its
# body has been sent, the server may upload the image whatever happens to the response.
_TEXTS = {
    "hint": _("Or drop or paste one here."),
    "chosen": _("{name}: {width} × {height} pixels, {size}"),
    "unreadable": _("{name}, {size}: this browser cannot show it"),
    "addressed": _("The address of the picture was filled in"),
    "notAddressed": _("The address will not be sent"),
    "removed": _("“{name}” was removed from the form."),
    "preview": _("Preview of “{name}”"),
    "wrongType": _("“{name}” is not a picture that can be used here. Choose another: {formats}."),
    "tooLarge": _("“{name}” has {size}, and {limit} is the limit. Choose a smaller picture."),
    "empty": _("“{name}” is empty. Choose another file."),
    "sending": _("Sending “{name}” …"),
    "waiting": _("“{name}” goes on to the image service …"),
    "stopped": _("Stopped. The form was not saved."),
    "stoppedLate": _("Stopped. The form was not saved, but the image may have been uploaded."),
    "uploaded": _("“{name}” was uploaded. Submit the form to save it."),
    "broken": _(
        "The connection to the site was lost. The form may not have been saved, but the image "
        "may have been uploaded. Submit the form again."
    ),
    "failed": _(
        "The site responded with error {status}. The form was not saved, but the image may have "
        "been uploaded. Submit the form again."
    ),
    "otherPage": _(
        "The site responded with something other than this form. The form may already have been "
        "saved, so check this before you submit it again."
    ),
    "openPage": _("Open the page"),
    "tooLargeForSite": _("“{name}” is larger than this site takes. Choose a smaller picture."),
    "stop": _("Stop"),
    "remove": _("Do not send this picture"),
}


def for_script(storage: Storage, ahead: str) -> str:
    """
    Return the limits of the storage and the texts in the visitor's language as JSON.

    ``ahead`` is the name that marks an upload request. It is empty if the form uploads nothing
    before it is submitted, because the script then submits files with their form.
    """
    options = options_of(storage)
    is_early = isinstance(storage, GroupMeStorage) and checked_option(storage, "upload_early")
    return json.dumps(
        {
            "ahead": ahead if is_early else "",
            "formats": list(options.allowed_formats),
            "formatsText": listed(options.allowed_formats),
            "limit": options.max_upload_size,
            "language": (get_language() or "").partition("@")[0],
            "texts": {name: str(text) for name, text in _TEXTS.items()},
        }
    )
