"""Forms with ``upload_early=False``: files are sent only if the whole form is valid."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.names import FORM_FOLDER
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, upload_count, uploaded_file
from tests.support.form_data import MemberForm
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

pytestmark = pytest.mark.usefixtures("upload_early_off")


def is_human(value: str) -> None:
    if value != "human":
        raise ValidationError("robot")


class CaptchaFirst(forms.Form):
    captcha = forms.CharField(validators=[is_human])
    photo = GroupMeImageFormField()


class CaptchaLast(forms.Form):
    photo = GroupMeImageFormField()
    captcha = forms.CharField(validators=[is_human])


class CleanFails(CaptchaLast):
    def clean(self) -> None:
        if self.data.get("fail"):
            raise ValidationError("no")


class AddsError(CaptchaLast):
    def clean(self) -> None:
        if self.data.get("fail"):
            self.add_error("captcha", "no")


class CleanPhotoFails(CaptchaLast):
    def clean_photo(self) -> Any:
        if self.data.get("fail"):
            raise ValidationError("no")
        return self.cleaned_data["photo"]


class CleanCaptchaFails(CaptchaLast):
    def clean_captcha(self) -> None:
        if self.data.get("fail"):
            raise ValidationError("no")


class PostCleanFails(CaptchaLast):
    def _post_clean(self) -> None:
        super()._post_clean()
        if self.data.get("fail"):
            self.add_error(None, "no")


class OverriddenFullClean(CaptchaLast):
    def full_clean(self) -> None:
        super().full_clean()


# Invalid forms


@pytest.mark.parametrize("form_class", [CaptchaFirst, CaptchaLast, OverriddenFullClean])
@pytest.mark.parametrize("source", ["file", "url"])
def test_form_with_wrong_captcha_sends_nothing(emulator, list_requests, form_class, source):
    url = {"photo-url": "https://example.com/cat.jpg"} if source == "url" else {}
    files = {"photo": uploaded_file()} if source == "file" else {}
    form = form_class({"captcha": "?", **url}, files)
    assert list(form.errors) == ["captcha"]
    form.full_clean()
    assert list(form.errors) == ["captcha"]
    html = str(form["photo"])
    assert input_attribute(html, "photo-uploaded", "value") == ""
    assert input_attribute(html, "photo-url", "value") == url.get("photo-url", "")
    assert list_requests() == []


@pytest.mark.parametrize(
    "form_class", [CleanFails, AddsError, CleanPhotoFails, CleanCaptchaFails, PostCleanFails]
)
def test_form_with_error_after_field_validation_sends_nothing(emulator, list_requests, form_class):
    form = form_class({"captcha": "human", "fail": "1"}, {"photo": uploaded_file()})
    assert not form.is_valid()
    assert list_requests() == []
    form = form_class({"captcha": "human"}, {"photo": uploaded_file()})
    assert form.is_valid(), form.errors
    assert upload_count(list_requests) == 1


def test_form_with_model_errors_sends_nothing(emulator, list_requests, db, monkeypatch):
    def clean(member: Member) -> None:
        if member.name == "Eve":
            raise ValidationError({"name": "not Eve"})

    monkeypatch.setattr(Member, "clean", clean)
    for name in ("", "x" * 51, "Eve"):
        form = MemberForm({"name": name}, {"photo": uploaded_file()})
        assert list(form.errors) == ["name"]
    assert list_requests() == []


def test_form_with_unique_error_sends_nothing(emulator, list_requests, db, monkeypatch):
    def validate_unique(member: Member, exclude: Any) -> None:
        raise ValidationError({"name": "taken"})

    monkeypatch.setattr(Member, "validate_unique", validate_unique)
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.errors == {"name": ["taken"]}
    assert list_requests() == []


@pytest.mark.parametrize("deferred", [True, False])
def test_invalid_form_saves_nothing_to_fallback(emulator, fallback, settings, deferred):
    settings.GROUPME_DEFERRED = deferred
    emulator.app.faults.add(Fault("status", status=503, times=100))
    form = CaptchaLast({"captcha": "?"}, {"photo": uploaded_file()})
    assert not form.is_valid()
    assert fallback.listdir("") == ([], [])


def test_upload_request_is_rejected(emulator, list_requests, fallback):
    data = {"captcha": "human", PREFLIGHT_FIELD: "1"}
    for files in ({"photo": uploaded_file()}, {}):
        form = CaptchaLast(data, files)
        assert form.errors == {
            "photo": ["Images are uploaded when the form is submitted. Please submit the form."]
        }
        assert "data-errors=" in str(form["photo"])
    assert "&quot;ahead&quot;: &quot;&quot;" in str(CaptchaLast()["photo"])
    assert list_requests() == []
    assert fallback.listdir("") == ([], [])


def test_field_without_form_uploads_nothing(emulator, list_requests):
    file = GroupMeImageFormField().clean(uploaded_file())
    assert (file.picture, file.url, file.read()) == (None, None, PHOTO)
    remote = GroupMeImageFormField().clean("https://example.com/cat.jpg")
    assert (remote.picture, remote.url) == (None, None)
    assert GroupMeImageFormField().clean(JPEG) == Picture.parse(JPEG)
    assert list_requests() == []


def test_empty_and_disabled_fields_upload_nothing(emulator, list_requests, db):
    form = MemberForm({"name": "Ada"}, {})
    assert form.is_valid()
    form = MemberForm({}, {}, empty_permitted=True, use_required_attribute=False)
    assert form.is_valid()
    assert not form.has_changed()
    form = MemberForm(
        {"name": "Ada"}, {"photo": uploaded_file()}, instance=Member(photo=uploaded_file())
    )
    form.fields["photo"].disabled = True
    assert form.is_valid()
    form = MemberForm({"name": "Ada"}, {}, instance=Member(photo=uploaded_file()))
    assert form.is_valid()
    assert list_requests() == []


# Valid forms


def test_valid_form_uploads_once(emulator, list_requests):
    file = uploaded_file()
    values = []

    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            photo = self.cleaned_data["photo"]
            values.append((photo.picture, photo.url, photo.size, photo.image.width, photo.read()))
            return photo

    form = Form({"captcha": "human"}, {"photo": file})
    assert form.is_valid(), form.errors
    assert values == [(None, None, len(PHOTO), 48, PHOTO)]
    cleaned = form.cleaned_data["photo"]
    assert cleaned is file
    assert (cleaned.name, cleaned.content_type, cleaned.tell()) == ("cat.jpg", "image/jpeg", 0)
    assert cleaned.url == cleaned.picture.url
    assert cleaned.picture.width == 48
    form.full_clean()
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture
    assert upload_count(list_requests) == 1


def test_saved_form_uploads_once(emulator, list_requests, db):
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.is_valid()
    picture = form.cleaned_data["photo"].picture
    assert form.instance.photo.picture == picture
    assert form.save(commit=False).photo.picture == picture
    form.full_clean()
    member = form.save()
    member.refresh_from_db()
    assert member.photo.picture == picture
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize("early", [True, False])
def test_validators_receive_file_without_picture(emulator, settings, early):
    settings.GROUPME_UPLOAD_EARLY = early
    values = []
    field = GroupMeImageFormField(validators=[lambda file: values.append((file.picture, file.url))])

    class Form(forms.Form):
        photo = field

    assert Form({}, {"photo": uploaded_file()}).is_valid()
    assert values == [(None, None)]


def test_replaced_cleaned_value_is_uploaded_instead(emulator, list_requests):
    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            return ContentFile(pictures.plain(size=(20, 10)), "small.jpg")

    form = Form({"captcha": "human"}, {"photo": uploaded_file()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture.width == 20
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize("name", ["small.jpg", "small.html", "small"])
def test_replaced_cleaned_value_keeps_image_extension_only(emulator, fallback, name):
    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            return ContentFile(pictures.plain(size=(20, 10)), name)

    emulator.app.faults.add(Fault("status", status=503, times=3))
    form = Form({"captcha": "human"}, {"photo": uploaded_file()})
    assert form.is_valid()
    saved = Member.photo.field.storage.fallback_storage.listdir(FORM_FOLDER)[1]
    assert saved[0].endswith("small.jpg" if name == "small.jpg" else "small")


def test_removed_cleaned_value_is_not_uploaded(emulator, list_requests):
    class Form(CaptchaLast):
        def clean(self) -> None:
            del self.cleaned_data["photo"]

    assert Form({"captcha": "human"}, {"photo": uploaded_file()}).is_valid()
    assert list_requests() == []


def test_copied_form_uploads_own_file(emulator, list_requests):
    form = CaptchaLast({"captcha": "human"}, {"photo": uploaded_file()})
    assert form["photo"].field.required
    other = copy.deepcopy(form)
    assert other.is_valid()
    assert other.cleaned_data["photo"].picture
    assert upload_count(list_requests) == 1
    assert form.files["photo"].tell() == 0
    assert not hasattr(form.files["photo"], "picture")


def test_form_field_with_other_storage_does_not_upload(emulator, list_requests):
    class Form(forms.Form):
        photo = GroupMeImageFormField(storage=InMemoryStorage())

    form = Form({}, {"photo": uploaded_file()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture is None
    assert list_requests() == []


def test_same_file_in_two_forms_is_uploaded_once(emulator, list_requests):
    file = uploaded_file()
    for _ in range(2):
        form = CaptchaLast({"captcha": "human"}, {"photo": file})
        assert form.is_valid()
    assert upload_count(list_requests) == 1


# URLs


def test_url_in_valid_form_is_fetched_once(emulator, list_requests, remote_url, db):
    form = MemberForm({"name": "Ada", "photo-url": remote_url}, {})
    assert form.is_valid(), form.errors
    assert form.instance.photo.picture == form.cleaned_data["photo"]
    form.full_clean()
    assert form.save().photo.url == form.cleaned_data["photo"].url
    assert upload_count(list_requests) == 1
    form = MemberForm({"name": "Ada", "photo-url": JPEG}, {})
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert upload_count(list_requests) == 1


def test_fetched_image_with_disallowed_format_is_rejected(
    emulator, list_requests, remote_url, settings
):
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    form = CaptchaLast({"captcha": "human", "photo-url": remote_url}, {})
    assert form.errors.as_data()["photo"][0].code == "format_not_allowed"
    assert input_attribute(str(form["photo"]), "photo-uploaded", "value") == ""
    assert upload_count(list_requests) == 1


def test_fetched_url_too_long_for_column_is_rejected(emulator, remote_url, db, monkeypatch):
    monkeypatch.setattr(Member._meta.get_field("photo"), "max_length", 10)
    form = MemberForm({"name": "Ada", "photo-url": remote_url}, {})
    assert form.errors.as_data()["photo"][0].code == "url_too_long"


# Failed uploads


def test_failed_upload_is_reported_as_field_error(emulator, db, caplog):
    emulator.app.faults.add(Fault("status", status=400))
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    assert form.errors.as_data()["photo"][0].code == "rejected"
    assert "photo" not in form.cleaned_data
    assert form.files["photo"].tell() == 0
    url = "https://example.com/cat.jpg"
    form = MemberForm({"name": "Ada", "photo-url": url}, {})
    assert f"“{url}”" in form.errors["photo"][0]
    assert input_attribute(str(form["photo"]), "photo-url", "value") == url


class TwoPhotos(forms.Form):
    first = GroupMeImageFormField()
    second = GroupMeImageFormField()
    third = GroupMeImageFormField(required=False)


def test_failed_second_upload_keeps_first(reject_second_upload, list_requests):
    form = TwoPhotos(
        {}, {"first": uploaded_file(), "second": uploaded_file(), "third": uploaded_file()}
    )
    assert list(form.errors) == ["second"]
    assert upload_count(list_requests) == 2
    token = input_attribute(str(form["first"]), "first-uploaded", "value")
    assert input_attribute(str(form["third"]), "third-uploaded", "value") == ""
    form = TwoPhotos({"first-uploaded": token}, {"second": uploaded_file()})
    assert form.is_valid(), form.errors
    assert upload_count(list_requests) == 3
