"""Signed tokens of forms: an uploaded image, or a pending file in the fallback storage."""

from __future__ import annotations

from django import forms
from django.core.signing import BadSignature

from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.forms.signing import sign, unsign
from django_groupme_images.forms.uploads import pending_file
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import is_file_name


class CompleteStorage(GroupMeStorage):
    """A storage in which each file exists."""

    def exists(self, name: str) -> bool:
        return True


STORAGE, OTHER = CompleteStorage(fallback="default"), CompleteStorage(fallback="staticfiles")


class ImageForm(forms.Form):
    picture = GroupMeImageFormField(storage=STORAGE)


def check_unsigned(token: str) -> None:
    """Check that a form reports an unsigned token as an error and shows no image."""
    assert is_rejected(token, STORAGE)
    form = ImageForm({"picture-uploaded": token})
    (error,) = form.errors.as_data()["picture"]
    assert error.code == ("forged" if token else "required")
    assert 'name="picture-uploaded" value=""' in str(form["picture"])


def check_signed(name: str) -> None:
    """Check that a signed token returns the same value, but only unchanged and for its storage."""
    picture = None if is_file_name(name) else Picture.parse(name)
    token = sign(picture or pending_file(name, STORAGE), STORAGE)
    value = unsign(token, STORAGE)
    assert value == picture if picture else value.name == name
    assert is_rejected(token, OTHER) is not bool(picture)  # An image does not depend on a storage.
    for position in range(len(token)):
        changed = chr(ord(token[position]) ^ 1)
        assert is_rejected(f"{token[:position]}{changed}{token[position + 1 :]}", STORAGE)


def is_rejected(token: str, storage: GroupMeStorage) -> bool:
    try:
        unsign(token, storage)
    except BadSignature:
        return True
    return False
