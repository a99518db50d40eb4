"""Signed tokens with which a form refers to an image that it has uploaded before."""

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

from django_groupme_images.carrying import purpose_of, signer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.storage import GroupMeStorage, groupme_storage

from . import emulator_pictures as pictures
from .gallery.models import Album, Group, Member, Photo, Plain
from .test_forms import PHOTO, OldSigner, attribute, posts, upload
from .test_public_forms import formset_data
from .urls_of_pictures import JPEG

FORGED = ["The picture uploaded before was not recognised. Choose it again."]


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
PlainForm = forms.modelform_factory(
    Plain, fields=["photo"], field_classes={"photo": GroupMeImageFormField}
)


def token_of(form: Any, name: str = "photo") -> str:
    """Return the token that an invalid form renders."""
    assert not form.is_valid()
    return attribute(str(form[name]), f"{form.add_prefix(name)}-uploaded", "value")


def uploaded(form_class: Any = CardForm, name: str = "photo", **options: Any) -> str:
    field = options.get("prefix", "") and f"{options['prefix']}-"
    return token_of(form_class({}, {f"{field}{name}": upload()}, **options), name)


@pytest.fixture(params=["picture", "pending file"])
def service(request: Any, emulator: Any, fallback: FileSystemStorage) -> Any:
    if request.param == "pending file":
        emulator.app.faults.add(Fault("status", status=503, times=100))
    return emulator


@pytest.fixture
def outage(emulator: Any, fallback: FileSystemStorage) -> FileSystemStorage:
    emulator.app.faults.add(Fault("status", status=503, times=100))
    return fallback


# Which forms accept a token


def test_token_is_accepted_by_its_form_only(service, db):
    token = uploaded()
    data = {"title": "x", "name": "x", "photo-uploaded": token}
    assert CardForm(data).is_valid()
    assert CardForm({f"a-{name}": value for name, value in data.items()}, prefix="a").is_valid()
    for other in (ChildForm, OtherForm, MemberForm):
        form = other(data)
        assert form.errors == {"photo": FORGED}
        assert token_of(form) == ""


def test_token_is_accepted_by_its_field_only(service):
    data = {"title": "x", "photo-uploaded": uploaded()}
    form = CardForm({**data, "logo-uploaded": data["photo-uploaded"]})
    assert form.errors == {"logo": FORGED}


def test_token_is_valid_whatever_the_prefix_is(service):
    token = uploaded(prefix="form-3")
    assert CardForm(
        {"form-0-title": "x", "form-0-photo-uploaded": token}, prefix="form-0"
    ).is_valid()
    formset_class = forms.formset_factory(CardForm, extra=1)
    data, files = formset_data("cards", {"title": "x", "photo-uploaded": token})
    formset = formset_class(data, files, prefix="cards")
    assert formset.is_valid(), formset.errors
    assert (
        attribute(str(formset.empty_form["photo"]), "cards-__prefix__-photo-uploaded", "value")
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
def test_token_is_valid_for_the_same_options_only(service, settings, change):
    token = uploaded()
    settings.GROUPME_TIMEOUT = 9
    settings.GROUPME_MAX_RETRIES = 1
    settings.GROUPME_ACCESS_TOKEN = "another"
    settings.GROUPME_ALLOWED_FORMATS = {"gif", "jpeg", "png"}
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "png", "gif"]
    assert CardForm({"title": "x", "photo-uploaded": token}).is_valid()
    for name, value in change.items():
        setattr(settings, f"GROUPME_{name}", value)
    assert CardForm({"title": "x", "photo-uploaded": token}).errors == {"photo": FORGED}


def test_forms_of_factories_are_told_apart_by_their_models(service, db):
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
    token = uploaded(members)
    assert members({"name": "Ada", "photo-uploaded": token}).is_valid()
    again = forms.modelform_factory(Member, form=Base, fields="__all__")
    assert again({"name": "Ada", "photo-uploaded": token}).is_valid()
    assert photos({"photo-uploaded": token}).errors["photo"] == FORGED


def test_token_of_an_admin_form_is_accepted_by_it(service, db):
    request = RequestFactory().get("/")
    model_admin = admin.site._registry[Member]
    token = uploaded(model_admin.get_form(request))
    form = model_admin.get_form(request)({"name": "Ada", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    assert MemberForm({"name": "Ada", "photo-uploaded": token}).is_valid()


def test_widget_can_be_used_in_several_forms(service):
    widget = GroupMeImageInput()

    class First(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    class Second(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    first, second = First({}, {"photo": upload()}), Second({}, {"photo": upload()})
    tokens = token_of(first), token_of(second)
    for form_class, token, other in ((First, *tokens), (Second, *reversed(tokens))):
        assert form_class({"title": "x", "photo-uploaded": token}).is_valid()
        assert not form_class({"title": "x", "photo-uploaded": other}).is_valid()


def test_copied_form_renders_a_token(service, arrived):
    form = CardForm({}, {"photo": upload()})
    assert token_of(form)
    other = copy.copy(form)
    other.full_clean()
    assert CardForm({"title": "x", "photo-uploaded": token_of(other)}).is_valid()
    assert posts(arrived) == 1


def test_token_signed_before_an_upgrade_is_accepted(emulator, fallback, db):
    name = fallback.save("photos/cat.jpeg", upload())
    for payload in (JPEG, f"default:{name}"):
        form = MemberForm({"name": "Ada", "photo-uploaded": signer().sign(payload)})
        assert form.is_valid(), form.errors
        assert form.save().photo.name == payload.removeprefix("default:")


def test_token_expires(emulator):
    purpose = purpose_of(CardForm, "photo", groupme_storage)
    for signed_by, code in ((OldSigner, "expired"), (TimestampSigner, None)):
        token = signed_by(salt=signer(purpose).salt).sign(JPEG)
        errors = CardForm({"title": "x", "photo-uploaded": token}).errors.as_data()
        assert [error.code for error in errors.get("photo", [])] == ([code] if code else [])


# Validation of a pending file


def test_pending_file_is_validated_again(outage, db, monkeypatch):
    token = uploaded()
    (name,) = outage.listdir("groupme-forms")[1]
    path = outage.path(f"groupme-forms/{name}")
    for content, code in ((b"no image", "invalid_image"), (PHOTO[:-20], "truncated")):
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
        form = CardForm({"title": "x", "photo-uploaded": token})
        assert form.errors.as_data()["photo"][0].code == code
        assert token_of(form) == ""
    outage.delete(f"groupme-forms/{name}")
    form = CardForm({"title": "x", "photo-uploaded": token})
    assert form.errors.as_data()["photo"][0].code == "expired"


def test_file_deleted_while_the_form_is_validated_is_chosen_again(outage, monkeypatch):
    token = uploaded()
    outage.delete(f"groupme-forms/{outage.listdir('groupme-forms')[1][0]}")
    monkeypatch.setattr(GroupMeStorage, "exists", lambda storage, name: True)
    form = CardForm({"title": "x", "photo-uploaded": token})
    assert form.errors.as_data()["photo"][0].code == "expired"


seen: list[tuple[Any, ...]] = []


def see(file: Any) -> None:
    seen.append((file.name, file.content_type, file.size, file.image.width))


class SeeingForm(forms.Form):
    title = forms.CharField()
    photo = GroupMeImageFormField(validators=[see, FileExtensionValidator(["jpg"])])


@pytest.mark.parametrize("name", ["cat.jpg", "a?b&c.jpg", "ünï.jpg"])
def test_validators_see_a_pending_file_as_submitted(outage, name):
    seen.clear()
    token = token_of(SeeingForm({}, {"photo": upload(name, pictures.plain("PNG"))}))
    form = SeeingForm({"photo-uploaded": token})
    token = token_of(form)
    form = SeeingForm({"title": "x", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0][:2] == (name, "image/png")


def test_validators_run_once_for_a_token(outage):
    seen.clear()
    form = SeeingForm({"photo-uploaded": token_of(SeeingForm({}, {"photo": upload()}))})
    form.full_clean()
    str(form)
    assert len(seen) == 2


def test_validator_that_rejects_a_pending_file_is_an_error(outage):
    token = token_of(SeeingForm({}, {"photo": upload()}))

    def reject(file: Any) -> None:
        raise ValidationError("no")

    form = SeeingForm({"title": "x", "photo-uploaded": token})
    form.fields["photo"].validators.append(reject)
    assert form.errors == {"photo": ["no"]}
    assert token_of(form) == ""


def test_model_validators_see_a_file_as_submitted_in_an_outage(outage, db, monkeypatch):
    field = Member._meta.get_field("photo")

    def typed(value: Any) -> None:
        if value.file.content_type != "image/jpeg":
            raise ValidationError("no")

    monkeypatch.setattr(field, "_validators", [typed, FileExtensionValidator(["jpg"])])
    monkeypatch.delitem(vars(field), "validators", raising=False)
    form_class = forms.modelform_factory(Member, fields=["name", "photo"])
    for form in (
        form_class({"name": "Ada"}, {"photo": upload()}),
        form_class({"name": "Ada", "photo-uploaded": uploaded(form_class)}),
    ):
        assert form.is_valid(), form.errors
        member = form.save()
        member.full_clean()
        assert form_class({"name": "Eve"}, instance=member).is_valid()
    vars(field).pop("validators", None)


# A token that is submitted twice


def save(token: str, name: str = "Ada") -> Member:
    form = MemberForm({"name": name, "photo-uploaded": token})
    assert form.is_valid(), form.errors
    return form.save()


def test_second_row_gets_a_copy_of_a_pending_file(outage, db):
    token = uploaded(MemberForm)
    members = [save(token, name) for name in "abc"]
    names = {member.photo.name for member in members}
    assert len(names) == 3
    for member in Member.objects.all():
        assert member.photo.read() == PHOTO
        member.photo.close()
    assert PurePosixPath(members[0].photo.name).parent.name == "groupme-forms"
    members[0].photo.delete()
    assert outage.exists(members[1].photo.name)


def test_second_row_gets_a_copy_after_the_first_one_is_forgotten(outage, db):
    token = uploaded(MemberForm)
    save(token)
    gc.collect()  # as if another process had saved it
    save(token, "Eve")
    assert len(set(Member.objects.values_list("photo", flat=True))) == 2


def test_same_row_keeps_its_pending_file(outage, db):
    token = uploaded(MemberForm)
    member = save(token)
    name = member.photo.name
    member.save()
    form = MemberForm({"name": "Eve", "photo-uploaded": token}, instance=member)
    assert form.save().photo.name == name
    assert len(outage.listdir("groupme-forms")[1]) == 1


def test_two_forms_of_a_formset_get_a_file_each(outage, db):
    formset_class = forms.inlineformset_factory(Album, Photo, fields=["picture", "caption"])
    album = Album.objects.create(title="x")
    data, files = formset_data("photo_set", {"caption": "", "picture": upload()})
    token = token_of(formset_class(data, files, instance=album)[0], "picture")
    row = {"picture-uploaded": token}
    data, files = formset_data("photo_set", {"caption": "a", **row}, {"caption": "b", **row})
    formset = formset_class(data, files, instance=album)
    assert formset.is_valid(), formset.errors
    formset.save()
    names = set(Photo.objects.values_list("picture", flat=True))
    assert len(names) == 2
    assert all(outage.exists(name) for name in names)


def pending_value(form_class: Any = CardForm) -> Any:
    """Return the clean value of a token for a pending file."""
    form = form_class({"title": "x", "photo-uploaded": uploaded(form_class)})
    assert form.is_valid(), form.errors
    return form.cleaned_data["photo"]


def test_rows_that_are_created_together_get_files_of_their_own(outage, db):
    value = pending_value()
    rows = Member.objects.bulk_create([Member(photo=value), Member(photo=value)])
    assert len({row.photo.name for row in rows}) == 2
    for row in rows:
        assert outage.exists(row.photo.name)


def test_row_that_is_saved_again_keeps_its_pending_file(outage, db):
    member = Member(photo=(value := pending_value()))
    member.save()
    name = member.photo.name
    member.save()
    member.photo = value
    member.save()
    assert member.photo.name == name


def test_row_of_another_model_or_column_gets_a_copy_of_a_pending_file(outage, db):
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


def test_token_is_not_accepted_by_a_form_of_the_same_name_with_other_validators(service):
    token = uploaded(make_form())
    data = {"title": "x", "photo-uploaded": token}
    assert make_form()(data).is_valid()
    assert make_form(FileExtensionValidator(["png"]))(data).errors == {"photo": FORGED}


def test_second_row_is_uploaded_if_the_service_is_back(emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503))
    token = uploaded(MemberForm)
    assert save(token).photo.picture is None
    assert save(token).photo.picture


def test_pending_value_can_be_saved_to_other_rows_by_hand(outage, db):
    form = CardForm({"title": "x", "photo-uploaded": uploaded()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    rows = [Member.objects.create(photo=photo), Member.objects.create(photo=photo)]
    assert len({row.photo.name for row in rows}) == 2
    assert rows[0].photo.name == photo.name
    rows.append(Member(photo=rows[0].photo))
    assert rows[2].photo.name == photo.name


# Names in the fallback


@pytest.mark.parametrize(
    "upload_to", ["", "photos/%Y/", "x" * 60, "x" * 90, lambda row, name: name]
)
@pytest.mark.parametrize("max_length", [40, 100, 255])
def test_name_in_the_fallback_fits_the_column(outage, upload_to, max_length):
    field = GroupMeImageField(upload_to=upload_to, max_length=max_length)
    field.set_attributes_from_name("photo")
    file = upload("a.very.long" + "ü" * 80 + ".jpg")
    GroupMeImageFormField(storage=GroupMeStorage(), model_field=field).clean(file)
    name = unquote(file.url).removeprefix("/media/")
    assert outage.exists(name)
    assert len(name) <= max_length
    assert name.startswith("groupme-forms/")
    assert name.endswith(".jpeg")


# URLs can be turned off


@pytest.mark.parametrize(
    ("option", "allow_url", "offered"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
    ],
)
def test_url_input_can_be_turned_off(emulator, arrived, settings, option, allow_url, offered):
    settings.GROUPME_ALLOW_URL = option

    class Form(forms.Form):
        photo = GroupMeImageFormField(allow_url=allow_url)

    for renderer in (forms.renderers.DjangoTemplates(), forms.renderers.Jinja2()):
        html = str(Form(renderer=renderer)["photo"])
        assert ("photo-url" in html) is offered
        assert ('type="url"' in html) is offered
        assert html.count("<input") == (3 if offered else 2)
    for url in (JPEG, "https://example.com/cat.jpg"):
        form = Form({"photo-url": url})
        if not offered:
            assert form.errors == {
                "photo": ["Image URLs are not accepted here. Choose a file instead."]
            }
            assert url not in str(form["photo"])
    assert Form({"photo-url": JPEG}).is_valid() is offered
    assert Form({"photo-url": ""}, {"photo": upload()}).is_valid()
    assert posts(arrived) == 1


def test_url_is_rejected_without_our_widget(emulator, arrived):
    class Form(forms.Form):
        photo = GroupMeImageFormField(allow_url=False, widget=forms.TextInput)

    assert "photo" in Form({"photo": JPEG}).errors
