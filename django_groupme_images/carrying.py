"""A picture that is uploaded, and carried along, signed, until the rest of its form is right."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db.models.fields.files import FieldFile

from .intake import waiting_file
from .names import is_file_name, known_picture
from .options import options_of
from .pictures import Picture

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["CARRIED_FOR", "signed", "signer", "unsigned"]

#: How long a form may wait to be put right before its picture has to be chosen again.
CARRIED_FOR = timedelta(days=1)


def signer() -> TimestampSigner:
    """
    What signs it.

    Made when it is needed: commands that load the admin have to work without SECRET_KEY.
    """
    return TimestampSigner(salt="django_groupme_images.carried")


def signed(value: Picture | FieldFile, storage: Storage) -> str:
    """The picture, or the file of the storage's fallback, as a text that nobody can forge."""
    name = value.url if isinstance(value, Picture) else f"{_place(storage)}{value.name}"
    return signer().sign(name)


def unsigned(text: str, storage: Storage) -> Picture | FieldFile:
    """
    What was signed.

    Raises ``BadSignature`` if it is not of this storage, and ``SignatureExpired`` if it was
    signed too long ago, or its file is gone.
    """
    whole = text.encode("utf-8", "replace").decode()  # half a character cannot even be signed
    name = signer().unsign(whole, max_age=CARRIED_FOR)
    if picture := known_picture(name, storage):
        return picture
    # A name means another file in another storage, and that may be anybody's.
    place, name = name[: len(_place(storage))], name[len(_place(storage)) :]
    if place != _place(storage) or not is_file_name(name):
        raise BadSignature("it was signed for another storage")
    if not storage.exists(name):
        raise SignatureExpired("its file is gone")
    return waiting_file(name, storage)


def _place(storage: Storage) -> str:
    return f"{options_of(storage).fallback}:"
