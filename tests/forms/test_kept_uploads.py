"""Signed tokens of forms that have uploaded an image, and the pending files that they refer to."""

from __future__ import annotations

import copy
import gc
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.files.storage import FileSystemStorage
from django.core.signing import TimestampSigner
from django.core.validators import FileExtensionValidator
from django.test import RequestFactory

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.forms.signing import get_signer, purpose_of
from django_groupme_images.storage import GroupMeStorage, groupme_storage
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, upload_count, uploaded_file
from tests.support.form_data import ExpiredSigner, formset_data
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Group, Member, Photo, Plain

FORGED = ["Your earlier upload could not be verified. Please choose the image again."]


class CardForm(forms.Form):
    title = forms.CharField()
    photo = GroupMeImageFormField()
    logo = GroupMeImageFormField(required=False)


class ChildForm(CardForm):
    pass


class OtherForm(forms.Form):
    title = forms.CharField()
    photo = GroupMeImageFormField()


MemberForm = forms.modelform_factory(Member, fields=["name", "photo"])


def rendered_token(form: Any, name: str = "photo") -> str:
    """Return the token in the HTML of an invalid form."""
    assert not form.is_valid()
    return input_attribute(str(form[name]), f"{form.add_prefix(name)}-uploaded", "value")


def uploaded_token(form_class: Any = CardForm, name: str = "photo", **options: Any) -> str:
    """Return the token of a form that has uploaded a file, but lacks another value."""
    start = options.get("prefix", "") and f"{options['prefix']}-"
    return rendered_token(form_class({}, {f"{start}{name}": uploaded_file()}, **options), name)


@pytest.fixture(params=["picture", "pending file"])
def service(request: Any, emulator: Any, fallback: FileSystemStorage) -> Any:
    """Make uploads succeed, or fail so that a token refers to a pending file."""
    if request.param == "pending file":
        emulator.app.faults.add(Fault("status", status=503, times=100))
    return emulator


# Forms that accept a token


def test_token_from_other_form_is_rejected(service, db):
    token = uploaded_token()
    data = {"title": "x", "name": "x", "photo-uploaded": token}
    assert CardForm(data).is_valid()
    assert CardForm({f"a-{name}": value for name, value in data.items()}, prefix="a").is_valid()
    for other in (ChildForm, OtherForm, MemberForm):
        form = other(data)
        assert form.errors == {"photo": FORGED}
        assert rendered_token(form) == ""


def test_token_from_other_field_is_rejected(service):
    data = {"title": "x", "photo-uploaded": uploaded_token()}
    form = CardForm({**data, "logo-uploaded": data["photo-uploaded"]})
    assert form.errors == {"logo": FORGED}


def test_token_with_other_form_prefix_is_accepted(service):
    token = uploaded_token(prefix="form-3")
    assert CardForm(
        {"form-0-title": "x", "form-0-photo-uploaded": token}, prefix="form-0"
    ).is_valid()
    formset_class = forms.formset_factory(CardForm, extra=1)
    data, files = formset_data("cards", {"title": "x", "photo-uploaded": token})
    formset = formset_class(data, files, prefix="cards")
    assert formset.is_valid(), formset.errors
    assert (
        input_attribute(
            str(formset.empty_form["photo"]), "cards-__prefix__-photo-uploaded", "value"
        )
        == ""
    )


@pytest.mark.parametrize(
    "change",
    [
        {"ALLOWED_FORMATS": ["jpeg"]},
        {"MAX_UPLOAD_SIZE": 5_000_000},
        {"STRIP_METADATA": True},
        {"UPLOAD_URL": "http://127.0.0.1:9/other"},
    ],
)
def test_token_after_change_of_relevant_option_is_rejected(service, settings, change):
    token = uploaded_token()
    settings.GROUPME_TIMEOUT = 9
    settings.GROUPME_MAX_RETRIES = 1
    settings.GROUPME_ACCESS_TOKEN = "another"
    settings.GROUPME_ALLOWED_FORMATS = {"gif", "jpeg", "png"}
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "png", "gif"]
    assert CardForm({"title": "x", "photo-uploaded": token}).is_valid()
    for name, value in change.items():
        setattr(settings, f"GROUPME_{name}", value)
    assert CardForm({"title": "x", "photo-uploaded": token}).errors == {"photo": FORGED}


def test_token_from_factory_form_of_other_model_is_rejected(service, db):
    class Base(forms.ModelForm):
        pass

    members, photos = (
        forms.modelform_factory(
            model,
            form=Base,
            fields="__all__",
            field_classes={name: GroupMeImageFormField},
        )
        for model, name in ((Member, "photo"), (Plain, "photo"))
    )
    photos.__qualname__ = members.__qualname__
    token = uploaded_token(members)
    assert members({"name": "Ada", "photo-uploaded": token}).is_valid()
    same = forms.modelform_factory(Member, form=Base, fields="__all__")
    assert same({"name": "Ada", "photo-uploaded": token}).is_valid()
    assert photos({"photo-uploaded": token}).errors["photo"] == FORGED


def test_token_from_admin_form_is_accepted(service, db):
    request = RequestFactory().get("/")
    model_admin = admin.site._registry[Member]
    token = uploaded_token(model_admin.get_form(request))
    form = model_admin.get_form(request)({"name": "Ada", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    assert MemberForm({"name": "Ada", "photo-uploaded": token}).is_valid()


def test_token_from_widget_shared_by_forms_is_limited_to_its_form(service):
    widget = GroupMeImageInput()

    class First(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    class Second(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    first, second = First({}, {"photo": uploaded_file()}), Second({}, {"photo": uploaded_file()})
    tokens = rendered_token(first), rendered_token(second)
    for form_class, token, other in ((First, *tokens), (Second, *reversed(tokens))):
        assert form_class({"title": "x", "photo-uploaded": token}).is_valid()
        assert not form_class({"title": "x", "photo-uploaded": other}).is_valid()


def test_copied_form_renders_valid_token(service, list_requests):
    form = CardForm({}, {"photo": uploaded_file()})
    assert rendered_token(form)
    other = copy.copy(form)
    other.full_clean()
    assert CardForm({"title": "x", "photo-uploaded": rendered_token(other)}).is_valid()
    assert upload_count(list_requests) == 1


def test_token_from_earlier_version_is_accepted(emulator, fallback, db):
    name = fallback.save("photos/cat.jpeg", uploaded_file())
    for payload in (JPEG, f"default:{name}"):
        form = MemberForm({"name": "Ada", "photo-uploaded": get_signer().sign(payload)})
        assert form.is_valid(), form.errors
        assert form.save().photo.name == payload.removeprefix("default:")


@pytest.mark.parametrize("name", ["IMG_1.jpg", "a?b#c&d+%.jpg", "Ä“x”\ud800.jpg"])
def test_token_keeps_submitted_name(service, name):
    form = CardForm({}, {"photo": uploaded_file(name)})
    form = CardForm({"title": "x", "photo-uploaded": rendered_token(form)})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photo"].submitted_name == name.replace("\ud800", "?")


def test_token_older_than_max_age_is_rejected(emulator):
    purpose = purpose_of(CardForm, "photo", groupme_storage)
    for signer_class, code in ((ExpiredSigner, "expired"), (TimestampSigner, None)):
        token = signer_class(salt=get_signer(purpose).salt).sign(JPEG)
        errors = CardForm({"title": "x", "photo-uploaded": token}).errors.as_data()
        assert [error.code for error in errors.get("photo", [])] == ([code] if code else [])


# Validation of a pending file


def test_pending_file_changed_after_upload_is_rejected(outage, db):
    token = uploaded_token()
    (name,) = outage.listdir("groupme-forms")[1]
    path = outage.path(f"groupme-forms/{name}")
    for content, code in ((b"no image", "invalid_image"), (PHOTO[:-20], "truncated")):
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
        form = CardForm({"title": "x", "photo-uploaded": token})
        assert form.errors.as_data()["photo"][0].code == code
        assert rendered_token(form) == ""
    outage.delete(f"groupme-forms/{name}")
    form = CardForm({"title": "x", "photo-uploaded": token})
    assert form.errors.as_data()["photo"][0].code == "expired"


def test_pending_file_deleted_during_validation_is_expired(outage, monkeypatch):
    token = uploaded_token()
    outage.delete(f"groupme-forms/{outage.listdir('groupme-forms')[1][0]}")
    monkeypatch.setattr(GroupMeStorage, "exists", lambda storage, name: True)
    form = CardForm({"title": "x", "photo-uploaded": token})
    assert form.errors.as_data()["photo"][0].code == "expired"


validated: list[tuple[Any, ...]] = []


def record(file: Any) -> None:
    validated.append((file.name, file.content_type, file.size, file.image.width))


class RecordingForm(forms.Form):
    title = forms.CharField()
    photo = GroupMeImageFormField(validators=[record, FileExtensionValidator(["jpg"])])


@pytest.mark.parametrize("name", ["cat.jpg", "a?b&c.jpg", "ünï.jpg"])
def test_validators_of_pending_file_receive_submitted_name_and_type(outage, name):
    validated.clear()
    token = rendered_token(RecordingForm({}, {"photo": uploaded_file(name, pictures.plain("PNG"))}))
    form = RecordingForm({"photo-uploaded": token})
    token = rendered_token(form)
    form = RecordingForm({"title": "x", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    assert len(validated) == 3
    assert len(set(validated)) == 1
    assert validated[0][:2] == (name, "image/png")


def test_validators_of_token_run_once(outage):
    validated.clear()
    form = RecordingForm(
        {"photo-uploaded": rendered_token(RecordingForm({}, {"photo": uploaded_file()}))}
    )
    form.full_clean()
    str(form)
    assert len(validated) == 2


def test_validator_rejecting_pending_file_reports_error(outage):
    token = rendered_token(RecordingForm({}, {"photo": uploaded_file()}))

    def reject(file: Any) -> None:
        raise ValidationError("no")

    form = RecordingForm({"title": "x", "photo-uploaded": token})
    form.fields["photo"].validators.append(reject)
    assert form.errors == {"photo": ["no"]}
    assert rendered_token(form) == ""


def test_model_validators_in_outage_receive_submitted_file(outage, db, set_model_validators):
    def validate_type(value: Any) -> None:
        if value.file.content_type != "image/jpeg":
            raise ValidationError("no")

    set_model_validators(validate_type, FileExtensionValidator(["jpg"]))
    form_class = forms.modelform_factory(Member, fields=["name", "photo"])
    for form in (
        form_class({"name": "Ada"}, {"photo": uploaded_file()}),
        form_class({"name": "Ada", "photo-uploaded": uploaded_token(form_class)}),
    ):
        assert form.is_valid(), form.errors
        member = form.save()
        member.full_clean()
        assert form_class({"name": "Eve"}, instance=member).is_valid()


# Tokens that are submitted twice


def save(token: str, name: str = "Ada") -> Member:
    form = MemberForm({"name": name, "photo-uploaded": token})
    assert form.is_valid(), form.errors
    return form.save()


def test_second_instance_with_same_token_gets_copy_of_pending_file(outage, db):
    token = uploaded_token(MemberForm)
    members = [save(token, name) for name in "abc"]
    names = {member.photo.name for member in members}
    assert len(names) == 3
    for member in Member.objects.all():
        assert member.photo.read() == PHOTO
        member.photo.close()
    assert PurePosixPath(members[0].photo.name).parent.name == "groupme-forms"
    members[0].photo.delete()
    assert outage.exists(members[1].photo.name)


def test_second_instance_after_garbage_collection_gets_copy(outage, db):
    token = uploaded_token(MemberForm)
    save(token)
    # Another process does not know the first instance either.
    gc.collect()
    save(token, "Eve")
    assert len(set(Member.objects.values_list("photo", flat=True))) == 2


def test_same_instance_with_same_token_keeps_pending_file(outage, db):
    token = uploaded_token(MemberForm)
    member = save(token)
    name = member.photo.name
    member.save()
    form = MemberForm({"name": "Eve", "photo-uploaded": token}, instance=member)
    assert form.save().photo.name == name
    assert len(outage.listdir("groupme-forms")[1]) == 1


def test_two_forms_with_same_token_get_separate_files(outage, db):
    formset_class = forms.inlineformset_factory(Album, Photo, fields=["picture", "caption"])
    album = Album.objects.create(title="x")
    data, files = formset_data("photo_set", {"caption": "", "picture": uploaded_file()})
    token = rendered_token(formset_class(data, files, instance=album)[0], "picture")
    row = {"picture-uploaded": token}
    data, files = formset_data("photo_set", {"caption": "a", **row}, {"caption": "b", **row})
    formset = formset_class(data, files, instance=album)
    assert formset.is_valid(), formset.errors
    formset.save()
    names = set(Photo.objects.values_list("picture", flat=True))
    assert len(names) == 2
    assert all(outage.exists(name) for name in names)


def pending_value(form_class: Any = CardForm) -> Any:
    """Return the cleaned value of a token for a pending file."""
    form = form_class({"title": "x", "photo-uploaded": uploaded_token(form_class)})
    assert form.is_valid(), form.errors
    return form.cleaned_data["photo"]


def test_bulk_create_with_same_pending_value_saves_separate_files(outage, db):
    value = pending_value()
    rows = Member.objects.bulk_create([Member(photo=value), Member(photo=value)])
    assert len({row.photo.name for row in rows}) == 2
    for row in rows:
        assert outage.exists(row.photo.name)


def test_instance_saved_again_keeps_pending_file(outage, db):
    member = Member(photo=(value := pending_value()))
    member.save()
    name = member.photo.name
    member.save()
    member.photo = value
    member.save()
    assert member.photo.name == name


def test_other_model_or_field_gets_copy_of_pending_file(outage, db):
    value = pending_value()
    Member.objects.create(photo=value)
    group = Group.objects.create(photo=value, banner=value)
    names = {Member.objects.get().photo.name, group.photo.name, group.banner.name}
    assert len(names) == 3
    for name in names:
        assert outage.exists(name)


def make_form(*validators: Any) -> Any:
    class LocalForm(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(validators=validators)

    return LocalForm


def test_token_from_form_with_other_validators_is_rejected(service):
    token = uploaded_token(make_form())
    data = {"title": "x", "photo-uploaded": token}
    assert make_form()(data).is_valid()
    assert make_form(FileExtensionValidator(["png"]))(data).errors == {"photo": FORGED}


def test_second_instance_after_outage_is_uploaded(emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503))
    token = uploaded_token(MemberForm)
    assert save(token).photo.picture is None
    assert save(token).photo.picture


def test_pending_value_assigned_to_instances_saves_separate_files(outage, db):
    form = CardForm({"title": "x", "photo-uploaded": uploaded_token()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    rows = [Member.objects.create(photo=photo), Member.objects.create(photo=photo)]
    assert len({row.photo.name for row in rows}) == 2
    assert rows[0].photo.name == photo.name
    rows.append(Member(photo=rows[0].photo))
    assert rows[2].photo.name == photo.name


# Names in the fallback storage


@pytest.mark.parametrize(
    "upload_to", ["", "photos/%Y/", "x" * 60, "x" * 90, lambda row, name: name]
)
@pytest.mark.parametrize("max_length", [40, 100, 255])
def test_pending_file_name_fits_max_length(outage, upload_to, max_length):
    field = GroupMeImageField(upload_to=upload_to, max_length=max_length)
    field.set_attributes_from_name("photo")
    file = uploaded_file("a.very.long" + "ü" * 80 + ".jpg")
    GroupMeImageFormField(storage=GroupMeStorage(), model_field=field).clean(file)
    name = unquote(file.url).removeprefix("/media/")
    assert outage.exists(name)
    assert len(name) <= max_length
    assert name.startswith("groupme-forms/")
    assert name.endswith(".jpg")
