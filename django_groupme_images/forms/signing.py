"""Signed tokens that refer to an uploaded image while the rest of its form is corrected."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db.models.fields.files import FieldFile

from django_groupme_images.conf import configured_storage
from django_groupme_images.pictures import Picture, with_size, with_submitted_name
from django_groupme_images.storage.names import is_file_name, picture_from_name

from .uploads import pending_file

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["SIGNED_PICTURE_MAX_AGE", "get_signer", "purpose_of", "sign", "unsign"]

#: How long a form that is displayed again can refer to an image that it has uploaded, as a
#: ``timedelta``. Afterwards, the user must choose the image again.
SIGNED_PICTURE_MAX_AGE = timedelta(days=1)

#: The old name of :data:`SIGNED_PICTURE_MAX_AGE`.
CARRIED_FOR = SIGNED_PICTURE_MAX_AGE

# A token is valid for one set of storage options, except for these: they change neither which
# images are accepted nor where they are saved.
_IRRELEVANT_OPTIONS = {
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
    Return a hash of a form's field and the storage's options, to which a token is limited.

    A form class is identified by its name, its base classes outside of Django, its model, and the
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
        *(getattr(item, "__qualname__", type(item).__qualname__) for item in validators),
        *_relevant_options(storage),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _relevant_options(storage: Storage) -> Iterator[str]:
    options = configured_storage(storage)
    for name in sorted(options.options().keys() - _IRRELEVANT_OPTIONS):
        value = getattr(options, name)
        is_list = isinstance(value, Collection) and not isinstance(value, str)
        yield f"{name}={sorted(value) if is_list else value}"


def get_signer(purpose: str = "") -> TimestampSigner:
    """
    Return the signer of tokens that are valid for a purpose.

    Without a purpose, return the signer that pre-releases used. The signer is created on each call,
    because commands that import the admin must work without ``SECRET_KEY``.
    """
    return TimestampSigner(salt=f"django_groupme_images.carried{purpose}")


def sign(value: Picture | FieldFile, storage: Storage, purpose: str = "") -> str:
    """Return a signed token for an uploaded image, or a pending file in the fallback storage."""
    if isinstance(value, Picture):
        name = _url_with_size(value)
    else:
        name = f"{_storage_prefix(storage)}{value.name}"
    if purpose:
        submitted_name = getattr(value, "submitted_name", None) or ""
        name += f"?{quote(submitted_name, safe='', errors='replace')}"
    return get_signer(purpose).sign(name)


def unsign(token: str, storage: Storage, purpose: str = "") -> Picture | FieldFile:
    """
    Return the uploaded image or pending file that a signed token refers to.

    Raise ``BadSignature`` if the token was not signed for this purpose and storage, and
    ``SignatureExpired`` if it is too old or the pending file does not exist anymore.
    """
    encodable = token.encode("utf-8", "replace").decode()  # A lone surrogate cannot be signed.
    name, submitted_name = _unsigned_names(encodable, purpose)
    url, _, size = name.partition("#")
    if picture := picture_from_name(url, storage):
        if sides := re.fullmatch(r"(\d+)x(\d+)", size):
            picture = with_size(picture, *map(int, sides.groups()))
        return with_submitted_name(picture, submitted_name) if submitted_name else picture
    # In another storage, the same name may belong to a file of another user.
    prefix = _storage_prefix(storage)
    if not name.startswith(prefix) or not is_file_name(name.removeprefix(prefix)):
        raise BadSignature("it was signed for another storage")
    name = name.removeprefix(prefix)
    if not storage.exists(name):
        raise SignatureExpired("its file does not exist anymore")
    return pending_file(name, storage, submitted_name)


def _unsigned_names(token: str, purpose: str) -> tuple[str, str]:
    """Return the signed name, and the name that the file had when it was submitted."""
    try:
        name = get_signer(purpose).unsign(token, max_age=SIGNED_PICTURE_MAX_AGE)
    except SignatureExpired:
        raise
    except BadSignature:
        # Tokens that were signed before an upgrade stay valid until they expire.
        return get_signer().unsign(token, max_age=SIGNED_PICTURE_MAX_AGE), ""
    if not purpose or "?" not in name:  # An earlier version signed the URL of an image alone.
        return name, ""
    name, _, submitted_name = name.rpartition("?")
    return name, unquote(submitted_name)


def _url_with_size(picture: Picture) -> str:
    """Return the URL, with the image's size as the fragment if the URL does not contain it."""
    size = f"{picture.width}x{picture.height}"
    is_redundant = picture.width is None or f"/{size}." in picture.url
    return picture.url if is_redundant else f"{picture.url}#{size}"


def _storage_prefix(storage: Storage) -> str:
    """Return the prefix of a pending file's name in a token: the alias of its storage."""
    return f"{configured_storage(storage).fallback}:"
