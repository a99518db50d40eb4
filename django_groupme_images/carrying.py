"""Signed tokens with which a form refers to an upload until the rest of the form is valid."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db.models.fields.files import FieldFile

from .intake import waiting_file
from .names import is_file_name, known_picture
from .options import options_of
from .pictures import Picture

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["CARRIED_FOR", "purpose_of", "signed", "signer", "unsigned"]

#: How long a form may refer to an upload before the image has to be chosen again.
CARRIED_FOR = timedelta(days=1)

# Options that change neither which images are accepted nor where they are saved.
_IRRELEVANT = {
    "access_token",
    "allow_url",
    "deferred",
    "max_retries",
    "max_retry_wait",
    "max_upload_time",
    "on_delete",
    "timeout",
    "upload_early",
}


def purpose_of(form_class: type, field_name: str, storage: Storage) -> str:
    """
    Return what a token is valid for: one field of a form class, and the storage's options.

    A form class is known by its name, its base classes that are not Django's, its model, and the
    names of the field's validators, because factories give the same name to several classes.
    """
    model = getattr(getattr(form_class, "_meta", None), "model", None)
    bases = [base for base in form_class.__mro__ if not base.__module__.startswith("django.")]
    declared = getattr(form_class, "base_fields", {}).get(field_name)
    validators = getattr(declared, "validators", ())
    parts = [
        form_class.__qualname__,
        *(f"{base.__module__}.{base.__qualname__}" for base in bases),
        model._meta.label if model else "",
        field_name,
        *(getattr(each, "__qualname__", type(each).__qualname__) for each in validators),
        *_relevant_options(storage),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _relevant_options(storage: Storage) -> Iterator[str]:
    options = options_of(storage)
    for name in sorted(options.options().keys() - _IRRELEVANT):
        value = getattr(options, name)
        is_list = isinstance(value, Collection) and not isinstance(value, str)
        yield f"{name}={sorted(value) if is_list else value}"


def signer(purpose: str = "") -> TimestampSigner:
    """
    Return the signer of tokens; without a purpose, that of versions before 1.0.

    It is made when it is needed, because commands that load the admin work without SECRET_KEY.
    """
    return TimestampSigner(salt=f"django_groupme_images.carried{purpose}")


def signed(value: Picture | FieldFile, storage: Storage, purpose: str = "") -> str:
    """Return a token for a picture, or for a pending file in the storage's fallback."""
    name = value.url if isinstance(value, Picture) else f"{_place(storage)}{value.name}"
    if purpose and not isinstance(value, Picture):
        name += f"?{quote(getattr(value, 'submitted_name', None) or '', safe='')}"
    return signer(purpose).sign(name)


def unsigned(text: str, storage: Storage, purpose: str = "") -> Picture | FieldFile:
    """
    Return the upload that a token stands for.

    Raises ``BadSignature`` if the token is not for this purpose and storage, and
    ``SignatureExpired`` if it is too old, or the pending file does not exist anymore.
    """
    whole = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be signed
    name, submitted_name = _payload(whole, purpose)
    if picture := known_picture(name, storage):
        return picture
    # In another storage, the name may be that of somebody else's file.
    place, name = name[: len(_place(storage))], name[len(_place(storage)) :]
    if place != _place(storage) or not is_file_name(name):
        raise BadSignature("it was signed for another storage")
    if not storage.exists(name):
        raise SignatureExpired("its file is gone")
    return waiting_file(name, storage, submitted_name)


def _payload(text: str, purpose: str) -> tuple[str, str]:
    """Return the signed name, and the name that the file had when it was submitted."""
    try:
        name = signer(purpose).unsign(text, max_age=CARRIED_FOR)
    except SignatureExpired:
        raise
    except BadSignature:
        # Tokens that were signed before an upgrade stay valid until they expire.
        return signer().unsign(text, max_age=CARRIED_FOR), ""
    if not purpose or "?" not in name:  # the URL of a picture has no query
        return name, ""
    name, _, submitted_name = name.rpartition("?")
    return name, unquote(submitted_name)


def _place(storage: Storage) -> str:
    return f"{options_of(storage).fallback}:"
