"""Forms with ``GroupMeImageFormField``: uploads, validators, and errors."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.storage import InMemoryStorage
from django.urls import reverse

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.forms.signing import get_signer
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support.field_data import upload_count, uploaded_file
from tests.support.form_data import MemberForm
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG, PNG
from tests.testapp.forms import CardForm
from tests.testapp.models import Member, Plain

# Uploads of files


def test_model_form_uses_groupme_form_field_and_widget():
    field = MemberForm().fields["photo"]
    assert type(field) is GroupMeImageFormField
    assert type(field.widget) is GroupMeImageInput
    assert isinstance(field, forms.ImageField)


def test_model_form_with_file_uploads_once_during_validation(emulator, list_requests, db):
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid()
    assert list_requests() == ["POST /pictures"]
    form.full_clean()
    member = form.save()
    assert list_requests() == ["POST /pictures"]
    assert member.photo.picture == form.cleaned_data["photo"].picture
    member.refresh_from_db()
    assert (member.photo.width, member.photo.height) == (48, 32)


def test_model_form_with_unchanged_image_sends_no_request(emulator, list_requests, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    form = MemberForm({"name": "Eve"}, {}, instance=member)
    assert form.is_valid()
    assert form.changed_data == ["name"]
    form.save()
    str(MemberForm(instance=member))
    assert list_requests() == []
    assert Member.objects.values_list("photo", flat=True).get() == JPEG


def test_clear_checkbox_of_optional_field_removes_image(emulator, list_requests, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    form = MemberForm({"name": "Ada", "photo-clear": "on"}, {}, instance=member)
    assert form.is_valid()
    assert form.changed_data == ["photo"]
    form.save()
    member.refresh_from_db()
    assert not member.photo
    assert list_requests() == []


def test_required_field_without_file_reports_error_and_ignores_clear(emulator, list_requests):
    form = CardForm({"title": "x", "picture-clear": "on"}, {})
    assert form.errors == {"picture": ["This field is required."]}
    form = CardForm({"title": "x", "picture-clear": "on"}, {}, initial={"picture": JPEG})
    assert form.is_valid()
    assert form.cleaned_data["picture"] == JPEG
    assert list_requests() == []


@pytest.mark.parametrize("name", ["photo.html", "photo", "x" * 5000, "a/../b.jpg"])
def test_clean_with_unusual_file_name_uploads(emulator, name):
    assert GroupMeImageFormField().clean(uploaded_file(name)).picture.format == "jpeg"


def test_copied_form_field_does_not_share_uploads(emulator, list_requests):
    form = CardForm({"title": "x"}, {"picture": uploaded_file()})
    assert form.is_valid()
    other = CardForm({"title": "x"}, {})
    other.fields["picture"] = copy.deepcopy(form.fields["picture"])
    assert list(other.errors) == ["picture"]
    assert input_attribute(str(other["picture"]), "picture-uploaded", "value") == ""


def test_bound_field_value_has_string_url_and_truth_value(emulator, db):
    member = Member(name="Ada", photo=JPEG)
    form = MemberForm({"name": "", "photo-uploaded": "forged"}, {}, instance=member)
    value = form["photo"].value()
    assert (str(value), value.url, bool(value)) == (JPEG, JPEG, True)
    form = MemberForm({"name": "", "photo-uploaded": get_signer().sign(PNG)}, {}, instance=member)
    assert str(form["photo"].value()) == PNG
    form = MemberForm({"name": "", "photo-uploaded": "forged"})
    assert (str(form["photo"].value()), bool(form["photo"].value())) == ("", False)


def test_text_file_named_like_image_is_rejected_before_upload(emulator, list_requests):
    form = CardForm({"title": "x"}, {"picture": uploaded_file("cat.png", b"no image")})
    assert "“cat.png”" in form.errors["picture"][0]
    assert list_requests() == []


def test_empty_file_is_rejected_before_upload(emulator, list_requests):
    form = CardForm({"title": "x"}, {"picture": uploaded_file(content=b"")})
    assert form.errors == {"picture": ["The submitted file is empty."]}
    assert list_requests() == []


def test_clean_of_data_without_multipart_encoding_raises():
    with pytest.raises(ValidationError, match="encoding type"):
        GroupMeImageFormField().clean({"not": "a file"})


# Validators


def test_form_field_validators_run_before_upload(emulator, list_requests):
    def landscape_only(file: Any) -> None:
        if file.image.width < file.image.height or file.content_type != "image/png":
            raise ValidationError("landscape only")

    field = GroupMeImageFormField(validators=[landscape_only])
    with pytest.raises(ValidationError, match="landscape only"):
        field.clean(uploaded_file(content=pictures.plain("PNG", (10, 20))))
    assert list_requests() == []
    assert field.clean(uploaded_file(content=pictures.plain("PNG", (20, 10)))).picture.width == 20


def validate_small_jpeg(value: Any) -> None:
    if value.size > 1000 or value.width > 100 or not value.name.endswith(".jpg"):
        raise ValidationError("too large for a club")


@pytest.fixture
def validated_member_form(set_model_validators):
    set_model_validators(validate_small_jpeg)
    return forms.modelform_factory(Member, fields=["name", "photo"])


def test_model_field_validators_run_before_upload(
    validated_member_form, emulator, list_requests, db
):
    large = uploaded_file(content=pictures.plain("JPEG", (101, 10)))
    form = validated_member_form({"name": "Ada"}, {"photo": large})
    assert form.errors == {"photo": ["too large for a club"]}
    assert list_requests() == []
    form = validated_member_form({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid(), form.errors
    assert form.save().photo.width == 48
    assert list_requests() == ["POST /pictures"]


def test_model_field_validators_of_stored_image_send_no_request(
    validated_member_form, emulator, list_requests, db
):
    member = Member.objects.create(name="Ada", photo=JPEG)
    assert validated_member_form({"name": "Eve"}, {}, instance=member).is_valid()
    member.full_clean()
    assert list_requests() == []
    member.photo = uploaded_file("cat.png")
    with pytest.raises(ValidationError, match="too large for a club"):
        member.full_clean()


# Failed uploads


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        (Fault("status", status=400), "rejected", "rejected “cat.jpg”. Please choose another"),
        (Fault("status", status=413), "rejected", "rejected"),
        (Fault("status", status=429), "busy", "is busy, so “cat.jpg” was not uploaded. Please"),
        (Fault("status", status=503), "unavailable", "is not responding, so “cat.jpg” was not"),
        (Fault("drop"), "unavailable", "is not responding"),
        (Fault("status", status=401), "misconfigured", "This site cannot upload images"),
        (Fault("redirect", location="https://example.com/"), "misconfigured", "contact the site"),
        (Fault("garbage"), "misconfigured", "site administrator."),
    ],
)
def test_failed_upload_is_reported_as_field_error(emulator, db, client, fault, code, text, caplog):
    emulator.app.faults.add(fault)
    response = client.post(reverse("member_add"), {"name": "Ada", "photo": uploaded_file()})
    assert response.status_code == 200
    form = response.context["form"]
    (error,) = form.errors.as_data()["photo"]
    assert error.code == code
    assert text in form.errors["photo"][0]
    assert input_attribute(response.text, "name", "value") == "Ada"
    assert input_attribute(response.text, "photo-uploaded", "value") == ""
    assert not Member.objects.exists()
    assert "'cat.jpg' could not be uploaded" in caplog.text
    assert "5ecre7t0ken" not in caplog.text + response.text


def test_upload_to_unreachable_service_reports_unavailable(db, client):
    response = client.post(reverse("member_add"), {"name": "Ada", "photo": uploaded_file()})
    assert response.context["form"].errors.as_data()["photo"][0].code == "unavailable"


def test_failed_upload_keeps_stored_image(emulator, db, client):
    member = Member.objects.create(name="Ada", photo=JPEG)
    emulator.app.faults.add(Fault("status", status=503))
    url = reverse("member_change", args=[member.pk])
    response = client.post(url, {"name": "Eve", "photo": uploaded_file()})
    assert f'src="{JPEG}.preview"' in response.text
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Ada", JPEG)


# Storages


def test_form_field_with_storage_callable_uploads(emulator):
    assert GroupMeImageFormField(storage=GroupMeStorage).clean(uploaded_file()).picture.width == 48


def test_form_field_applies_size_and_format_limits_of_storage(emulator, list_requests, settings):
    settings.GROUPME_MAX_UPLOAD_SIZE = 100
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    form = CardForm({"title": "x"}, {"picture": uploaded_file()})
    assert form.errors.as_data()["picture"][0].code == "too_large"
    settings.GROUPME_MAX_UPLOAD_SIZE = None
    form = CardForm({"title": "x"}, {"picture": uploaded_file()})
    assert form.errors.as_data()["picture"][0].code == "format_not_allowed"
    assert 'accept="image/png,image/webp,' in str(form["picture"])
    assert list_requests() == []


def test_form_field_with_other_storage_does_not_upload(emulator, list_requests):
    field = GroupMeImageFormField(storage=InMemoryStorage())
    file = uploaded_file()
    assert field.clean(file) is file
    assert file.tell() == 0
    assert field.clean(JPEG) == Picture.parse(JPEG)
    with pytest.raises(ValidationError, match="is not the URL of an image on https"):
        field.clean("https://example.com/cat.jpg")
    assert list_requests() == []


def test_django_form_field_with_groupme_storage_uploads_when_saved(emulator, list_requests, db):
    form = forms.modelform_factory(Plain, fields=["photo"])({}, {"photo": uploaded_file()})
    assert form.is_valid()
    assert list_requests() == []
    form.save()
    assert upload_count(list_requests) == 1


# Settings, widgets, and form fields of projects


def test_import_of_admin_without_secret_key_succeeds():
    code = (
        "from django.conf import settings; settings.configure(INSTALLED_APPS=["
        "'django.contrib.' + app for app in ('admin', 'auth', 'contenttypes', 'messages', "
        "'sessions')] + ['django_groupme_images']); "
        "import django; django.setup(); import django_groupme_images.admin"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("widget", [forms.FileInput, forms.ClearableFileInput])
def test_form_field_with_other_widget_uploads(emulator, list_requests, widget):
    class Form(forms.Form):
        name = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    form = Form({"name": ""}, {"photo": uploaded_file()})
    assert list(form.errors) == ["name", "photo"]
    assert "48" not in str(form["photo"])
    form = Form({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture.width == 48


def test_custom_widget_without_admin_app_is_kept(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != "django.contrib.admin"
    ]
    form = forms.modelform_factory(Member, fields=["photo"], widgets={"photo": forms.FileInput})
    assert type(form().fields["photo"].widget) is forms.FileInput


def test_custom_form_field_class_is_kept(db):
    class Form(forms.ModelForm):
        class Meta:
            model = Member
            fields = ["photo"]
            field_classes = {"photo": forms.ImageField}

    assert type(Form().fields["photo"]) is forms.ImageField
    field = Member._meta.get_field("photo")
    assert type(field.formfield(form_class=lambda **kwargs: forms.FileField())) is forms.FileField
