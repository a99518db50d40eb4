"""What the widget's script has to know and to say, handed over as attributes of its element."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from .options import options_of
from .storage import GroupMeStorage
from .validation import listed

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["for_script"]

# The script fills in what stands in braces.
_TEXTS = {
    "hint": _("Or drop or paste one here."),
    "chosen": _("{name}: {width} × {height} pixels, {size}"),
    "unreadable": _("{name}, {size}: this browser cannot show it"),
    "addressed": _("The address of the picture was filled in"),
    "notAddressed": _("The address will not be sent"),
    "removed": _("“{name}” will not be sent"),
    "preview": _("Preview of “{name}”"),
    "wrongType": _("“{name}” is not a picture that can be used here. Choose another: {formats}."),
    "tooLarge": _("“{name}” has {size}, and {limit} is the limit. Choose a smaller picture."),
    "empty": _("“{name}” is empty. Choose another file."),
    "sending": _("Sending “{name}” …"),
    "waiting": _("“{name}” goes on to the image service …"),
    "stopped": _("Stopped. Nothing is saved."),
    "broken": _("The connection broke, and nothing is saved. Send the form again."),
    "failed": _("The site could not take “{name}” (error {status}), and nothing is saved."),
    "tooLargeForSite": _("“{name}” is larger than this site takes. Choose a smaller picture."),
    "stop": _("Stop"),
    "remove": _("Do not send this picture"),
}


def for_script(storage: Storage, ahead: str) -> str:
    """
    As JSON: the limits of the storage, the texts in the visitor's language, and ``ahead``,
    the name that marks a form as sent ahead, or nothing where that has no use.
    """
    options = options_of(storage)
    return json.dumps(
        {
            "ahead": ahead if isinstance(storage, GroupMeStorage) else "",
            "formats": list(options.allowed_formats),
            "formatsText": listed(options.allowed_formats),
            "limit": options.max_upload_size,
            "language": (get_language() or "").partition("@")[0],
            "texts": {name: str(text) for name, text in _TEXTS.items()},
        }
    )
