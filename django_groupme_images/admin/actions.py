"""Action of the admin that uploads pending files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files import File
from django.db.models import QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext_lazy, override
from django.utils.translation import gettext_lazy as _

from django_groupme_images.exceptions import ServiceError
from django_groupme_images.forms.uploads import to_validation_error
from django_groupme_images.forms.validation import safe_name

from .filters import LABELS

if TYPE_CHECKING:
    from django_groupme_images.bulk.results import Result

__all__ = ["upload_now"]

logger = logging.getLogger(__name__)

# The number of failed uploads that are displayed with their reasons.
_MAX_FAILURES = 10

# The kinds of stored names that need no upload.
_OTHER_KINDS = ("groupme", "empty", "other")

_UPLOADED = ngettext_lazy(
    "%(count)s image was uploaded.", "%(count)s images were uploaded.", "count"
)
_FAILED = ngettext_lazy(
    "%(count)s more image could not be uploaded.",
    "%(count)s more images could not be uploaded.",
    "count",
)
_CHANGED = ngettext_lazy(
    "%(count)s image was skipped, because it was changed in the meantime.",
    "%(count)s images were skipped, because they were changed in the meantime.",
    "count",
)
_DEFAULT = ngettext_lazy(
    "%(count)s image was skipped, because its file is the default of a field.",
    "%(count)s images were skipped, because their files are defaults of fields.",
    "count",
)
_PENDING = ngettext_lazy(
    "%(count)s more image is pending. Run the action again to upload it.",
    "%(count)s more images are pending. Run the action again to upload them.",
    "count",
)


@admin.action(permissions=["change"], description=_("Upload now"))
def upload_now(model_admin: Any, request: Any, queryset: QuerySet[Any]) -> None:
    """
    Upload the pending files of the selected rows.

    Add this function to the ``actions`` of a ``ModelAdmin``. It uploads one file after another
    during the request, and displays how many were uploaded, and why others were not. All fields of
    the model that use ``GroupMeStorage`` are included. A row that was changed in the meantime is
    skipped. Each change is added to the history of its object. Pending files are not deleted.

    No upload begins after 20 seconds, after half of ``max_upload_time``, or after a failure that
    affects all uploads, such as an outage. The action then displays how many images are still
    pending. For many images, run ``groupme_upload`` instead.

    At most 500 objects with pending files are processed. If the user may not change one of these
    objects, raise ``PermissionDenied`` before anything is uploaded.
    """
    from django_groupme_images.bulk.selection import SelectedRows  # Its import is slow.

    rows = SelectedRows(queryset)
    counts = rows.count()
    instances = rows.with_pending_files()
    if not all(model_admin.has_change_permission(request, instance) for instance in instances):
        raise PermissionDenied
    finished = []
    with closing(rows.upload(instances)) as results:
        for instance, result in results:
            finished.append((instance, result))
            if result.outcome == "moved":
                model_admin.log_change(request, instance, _change_message(result))
    for level, message in _messages(counts, finished):
        model_admin.message_user(request, message, level)


def _change_message(result: Result) -> list[dict[str, Any]]:
    """Return a message for the history of an object, as Django constructs it for a form."""
    with override(None):  # The message is translated when it is displayed.
        label = capfirst(str(result.column.field.verbose_name))
    return [{"changed": {"fields": [label]}}]


def _messages(
    counts: Mapping[str, int], finished: Sequence[tuple[Any, Result]]
) -> Iterator[tuple[int, str]]:
    """Yield the level and the text of a message for each outcome."""
    from django_groupme_images.bulk.results import DEFAULT

    failed = [(instance, result) for instance, result in finished if result.outcome == "failed"]
    skipped = Counter(result.reason for _, result in finished if result.outcome == "skipped")
    for instance, result in failed[:_MAX_FAILURES]:
        params = {"name": instance, "error": _failure_text(result)}
        yield messages.ERROR, gettext("“%(name)s”: %(error)s") % params
    for level, message, count in (
        (messages.ERROR, _FAILED, len(failed[_MAX_FAILURES:])),
        (messages.SUCCESS, _UPLOADED, len(finished) - len(failed) - skipped.total()),
        (messages.WARNING, _DEFAULT, skipped.pop(DEFAULT, 0)),
        (messages.WARNING, _CHANGED, skipped.total()),
        (messages.WARNING, _PENDING, counts["pending"] - len(finished)),
    ):
        if count > 0:
            yield level, message % {"count": count}
    if others := [f"{LABELS[kind]} ({counts[kind]})" for kind in _OTHER_KINDS if counts[kind]]:
        details = gettext("Nothing to upload: %(details)s") % {"details": ", ".join(others)}
        yield messages.INFO, details
    elif not counts["pending"]:
        yield messages.INFO, gettext("The selection contains no pending images.")


def _failure_text(result: Result) -> str:
    """Return the reason of a failure for users, and log the original."""
    if isinstance(result.error, ServiceError):
        error = to_validation_error(result.error, File(None, name=result.file))
        return str(error.messages[0])
    logger.error("%.200r could not be uploaded: %s", result.file, result.reason)
    if type(result.error) is FileNotFoundError:
        message = gettext("The file “%(name)s” does not exist.")
    elif isinstance(result.error, OSError) and result.error.filename:
        # The message of such an error contains a path of the server.
        message = gettext("The file “%(name)s” could not be read.")
    else:
        return result.reason
    return message % {"name": safe_name(result.file)}
