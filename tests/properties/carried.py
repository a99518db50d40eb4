"""What a form carries along, signed: a picture, or a file that waits in the fallback storage."""

from __future__ import annotations

from django import forms
from django.core.signing import BadSignature

from django_groupme_images.carrying import signed, unsigned
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.intake import waiting_file
from django_groupme_images.names import is_file_name
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage


class Holding(GroupMeStorage):
    """Has whatever file it is asked for."""

    def exists(self, name: str) -> bool:
        return True


STORAGE, OTHER = Holding(fallback="default"), Holding(fallback="staticfiles")


class CarryingForm(forms.Form):
    picture = GroupMeImageFormField(storage=STORAGE)


def check_unsigned(text: str) -> None:
    """What nobody signed is an error of the form, which shows no picture then."""
    assert is_refused(text, STORAGE)
    form = CarryingForm({"picture-uploaded": text})
    (error,) = form.errors.as_data()["picture"]
    assert error.code == ("forged" if text else "required")
    assert 'name="picture-uploaded" value=""' in str(form["picture"])


def check_signed(name: str) -> None:
    """What was signed comes back, where it was signed, and as it was signed."""
    picture = None if is_file_name(name) else Picture.parse(name)
    text = signed(picture or waiting_file(name, STORAGE), STORAGE)
    value = unsigned(text, STORAGE)
    assert value == picture if picture else value.name == name
    assert is_refused(text, OTHER) is not bool(picture)  # a picture is the same everywhere
    for position in range(len(text)):
        other = chr(ord(text[position]) ^ 1)
        assert is_refused(f"{text[:position]}{other}{text[position + 1 :]}", STORAGE)


def is_refused(text: str, storage: GroupMeStorage) -> bool:
    try:
        unsigned(text, storage)
    except BadSignature:
        return True
    return False
