"""Cleaned files of forms with ``upload_early=False``, and the instances that they are saved to."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from django import forms
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import ServiceError
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.storage.file import RemoteImage
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, upload_count, uploaded_file
from tests.support.form_data import MemberForm
from tests.testapp.models import Measured, Member, Plain

pytestmark = pytest.mark.usefixtures("upload_early_off")


class PhotoForm(forms.Form):
    photo = GroupMeImageFormField()


# Cleaned files that are assigned to instances


def wrap(file: Any) -> File[bytes]:
    return File(file, "other.png")


def rewrap(file: Any) -> File[bytes]:
    return File(file.file, "other.png")


def read(file: Any) -> Any:
    file.read()
    return file


@pytest.mark.parametrize("change", [lambda file: file, wrap, rewrap, copy.copy, read])
@pytest.mark.parametrize("model", [Member, Plain, Measured])
def test_cleaned_file_assigned_to_instance_is_not_uploaded_again(
    emulator, list_requests, db, change, model
):
    form = PhotoForm({}, {"photo": uploaded_file()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    first = model(photo=change(photo))
    first.save()
    second = model()
    second.photo.save("x.png", change(photo))
    for row in (first, second):
        row.refresh_from_db()
        assert row.photo.name == photo.url
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize("early", [True, False])
def test_cleaned_file_with_changed_content_is_uploaded_again(
    emulator, list_requests, db, settings, early
):
    settings.GROUPME_UPLOAD_EARLY = early
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    photo.seek(0)
    photo.truncate()
    photo.write(pictures.plain(size=(20, 10)))
    member = Member.objects.create(photo=photo)
    assert member.photo.width == 20
    assert upload_count(list_requests) == 2


def test_closed_cleaned_file_is_not_uploaded_again(emulator, list_requests, db):
    form = PhotoForm({}, {"photo": uploaded_file()})
    assert form.is_valid()
    form.cleaned_data["photo"].close()
    assert Member.objects.create(photo=form.cleaned_data["photo"]).photo.width == 48
    assert upload_count(list_requests) == 1


# Instances that are changed or copied before they are saved


def replace_content(form: Any) -> None:
    file = form.cleaned_data["photo"]
    file.seek(0)
    file.truncate()
    file.write(pictures.plain(size=(20, 10)))


def rename(form: Any) -> None:
    form.instance.photo.name = "other.jpg"


def replace_file(form: Any) -> None:
    assert isinstance(form.instance.photo.file, UploadedFile)
    form.instance.photo.file = ContentFile(pictures.plain(size=(20, 10)), name="cat.jpg")


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize(
    ("change", "width"),
    [(replace_content, 20), (replace_file, 20), (rename, 48), (lambda form: 0, 48)],
)
def test_instance_changed_after_validation_keeps_its_image(
    emulator, list_requests, db, settings, early, commit, change, width
):
    settings.GROUPME_UPLOAD_EARLY = early
    form_class = forms.modelform_factory(Measured, fields=["photo"])
    form = form_class({}, {"photo": uploaded_file()})
    assert form.is_valid()
    if not commit:
        form.save(commit=False)
    change(form)
    row = form.instance.save() or form.instance if not commit else form.save()
    row.refresh_from_db()
    assert (row.photo.picture.width, row.width) == (width, width)
    assert upload_count(list_requests) == (1 if width == 48 else 2)


def test_url_of_unsaved_instance_keeps_file_position(emulator, list_requests, db):
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid()
    value, file = form.instance.photo, form.cleaned_data["photo"]
    file.seek(5)
    assert (value.url, value.preview_url) == (file.url, f"{file.url}.preview")
    assert file.tell() == 5
    assert (value.width, value.format) == (48, "jpeg")
    assert Member().photo.picture is None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))]
)
def test_copied_instance_with_uploaded_file_is_not_uploaded_again(
    emulator, list_requests, db, copied
):
    form = PhotoForm({}, {"photo": uploaded_file()})
    assert form.is_valid()
    instance = Member(photo=form.cleaned_data["photo"])
    # The access wraps the file in a FieldFile; the file itself cannot be copied, because of Pillow.
    assert instance.photo
    member = copied(instance)
    member.save()
    assert member.photo.picture == form.cleaned_data["photo"].picture
    assert upload_count(list_requests) == 1


def test_pickled_instance_with_pending_file_saves_separate_file(emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503, times=3))
    form = PhotoForm({}, {"photo": uploaded_file()})
    assert form.is_valid()
    member = Member(photo=form.cleaned_data["photo"])
    assert member.photo
    unpickled = pickle.loads(pickle.dumps(member))
    member.save()
    unpickled.save()
    assert member.photo.name != unpickled.photo.name


# Pending files


@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_pending_file_is_saved_once(outage, db, settings, early, temporary):
    settings.GROUPME_UPLOAD_EARLY = early
    file: Any = uploaded_file()
    if temporary:
        file = TemporaryUploadedFile("cat.jpg", "image/jpeg", len(PHOTO), None)
        file.write(PHOTO)
    form = MemberForm({"name": "Ada"}, {"photo": file})
    assert form.is_valid(), form.errors
    cleaned = form.cleaned_data["photo"]
    assert (cleaned.picture, cleaned.name, cleaned.read()) == (None, "cat.jpg", PHOTO)
    member = form.save()
    assert cleaned.url == member.photo.url
    ((name,),) = [outage.listdir("groupme-forms")[1]]
    assert member.photo.name == f"groupme-forms/{name}"
    member.full_clean()
    member.save()
    other = Member.objects.create(name="Eve", photo=cleaned)
    assert other.photo.name == name
    assert other.photo.read() == PHOTO
    member.photo.close()
    other.photo.close()
    file.close()


def test_pending_file_after_fallback_is_removed_raises(outage, emulator, db, settings):
    form = PhotoForm({}, {"photo": uploaded_file()})
    assert form.is_valid(), form.errors
    settings.GROUPME_FALLBACK = None
    with pytest.raises(ServiceError):
        Member.objects.create(photo=form.cleaned_data["photo"])


# Remote images


def test_remote_image_is_fetched_by_groupme_storage(emulator, list_requests, remote_url, db):
    remote = RemoteImage(remote_url)
    member = Member.objects.create(photo=remote)
    assert member.photo.url.startswith(emulator.cdn_url)
    assert upload_count(list_requests) == 1
    plain = Plain.objects.create(photo=File(remote))
    assert plain.photo.url.startswith(emulator.cdn_url)
    measured = Measured(photo=remote)
    assert (measured.photo.width, measured.width) == (None, None)
    measured.full_clean()
    measured.save()
    assert measured.width == 48


def test_remote_image_in_other_storage_raises():
    with pytest.raises(ValueError, match="Save it to a GroupMeStorage"):
        InMemoryStorage().save("cat.jpg", RemoteImage("https://example.com/cat.jpg"))
