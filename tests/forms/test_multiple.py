"""The form field for several images."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import FileExtensionValidator
from django.utils.datastructures import MultiValueDict

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeMultipleImageFormField
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from tests.support.field_data import upload_count, uploaded_file
from tests.support.gates import Gate
from tests.support.multiple_images import AlbumForm, images, submit, tokens_of, widths
from tests.support.outages import fail_uploads
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member


def errors(form: Any) -> list[str]:
    return [str(error) for error in form.errors.get("photos", [])]


def codes(form: Any) -> list[str]:
    return [error.code for error in form.errors["photos"].as_data()]


def test_clean_value_is_list_of_uploaded_files_in_order(emulator, list_requests):
    form = submit(AlbumForm, images("b.jpg", "a.jpg", "c.jpg"))
    assert form.is_valid(), form.errors
    values = form.cleaned_data["photos"]
    assert [value.name for value in values] == ["b.jpg", "a.jpg", "c.jpg"]
    assert widths(values) == [1, 2, 3]
    for value in values:
        assert isinstance(value, UploadedFile)
        assert value.url == value.picture.url
        assert value.tell() == 0
    assert upload_count(list_requests) == 3


@pytest.mark.usefixtures("db")
def test_clean_values_saved_to_model_fields_are_not_uploaded_again(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg"))
    assert form.is_valid()
    for value in form.cleaned_data["photos"]:
        assert Member.objects.create(name=value.name, photo=value).photo.picture == value.picture
    assert upload_count(list_requests) == 3


def test_concurrent_uploads_are_three_at_a_time(settings):
    gate = Gate(3)
    with EmulatorServer(log=gate) as server:
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = server.upload_url, server.cdn_url
        field = GroupMeMultipleImageFormField()
        values = field.clean(images(*(f"{n}.jpg" for n in range(9))))
    assert widths(values) == list(range(1, 10))
    assert gate.peak == 3
    assert not gate.is_broken


def test_invalid_file_of_three_is_an_error_with_its_name_and_others_are_kept(
    emulator, list_requests
):
    good, other = images("good.jpg", "other.jpg")
    form = submit(AlbumForm, [good, uploaded_file("bad.jpg", b"no image"), other])
    assert not form.is_valid()
    assert len(errors(form)) == 1
    assert "“bad.jpg”" in errors(form)[0]
    assert upload_count(list_requests) == 2
    tokens = tokens_of(form)
    assert len(tokens) == 2
    again = submit(AlbumForm, images("new.jpg"), tokens)
    assert again.is_valid(), again.errors
    first, second, third = again.cleaned_data["photos"]
    assert isinstance(first, Picture)
    assert widths([first, second, third]) == [1, 2, 1]
    assert [first.submitted_name, second.submitted_name] == ["good.jpg", "other.jpg"]
    assert third.name == "new.jpg"
    assert upload_count(list_requests) == 3


def test_resubmission_of_kept_images_makes_no_request(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg", "b.jpg"), title="")
    assert not form.is_valid()
    for _ in range(2):
        form = submit(AlbumForm, [], tokens_of(form))
        assert form.is_valid(), form.errors
        assert widths(form.cleaned_data["photos"]) == [1, 2]
        assert list(form["photos"].value()) == form.cleaned_data["photos"]
        assert len(form["photos"].value()) == 2
    assert len(list_requests()) == 2


def test_rejected_upload_is_an_error_with_its_name_and_others_are_kept(emulator, list_requests):
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg"))
    assert not form.is_valid()
    assert codes(form) == ["rejected"]
    assert sum(name in errors(form)[0] for name in ("a.jpg", "b.jpg", "c.jpg")) == 1
    assert len(tokens_of(form)) == 2
    assert upload_count(list_requests) == 3


def test_outage_reports_all_files_after_one_round_of_uploads(emulator, list_requests, settings):
    settings.GROUPME_MAX_RETRIES = 0
    fail_uploads(emulator, times=100)
    field = GroupMeMultipleImageFormField()
    names = [f"{number}.jpg" for number in range(40)]
    with pytest.raises(ValidationError) as caught:
        field.clean(images(*names))
    assert len(caught.value.messages) == 40
    for name, message in zip(names, caught.value.messages, strict=True):
        assert f"“{name}”" in message
    assert upload_count(list_requests) == 3


def test_outage_halfway_keeps_images_before_it(emulator, list_requests, settings):
    settings.GROUPME_MAX_RETRIES = 0

    class Field(GroupMeMultipleImageFormField):
        max_concurrent_uploads = 1

    class Form(forms.Form):
        title = forms.CharField()
        photos = Field()

    def log(line: str) -> None:
        if upload_count(list_requests) == 2:
            fail_uploads(emulator, times=100)

    emulator.app._log = log
    form = submit(Form, images(*"abcdef"))
    assert codes(form) == ["unavailable"] * 4
    assert upload_count(list_requests) == 3
    emulator.app.faults.clear()
    form = submit(Form, images("new.jpg"), tokens_of(form))
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2, 1]


def test_outage_with_fallback_keeps_pending_files(outage, list_requests, db):
    form = submit(AlbumForm, images("a.jpg", "b.jpg"), title="")
    assert not form.is_valid()
    assert errors(form) == []
    assert "a.jpg" in str(form["photos"])
    form = submit(AlbumForm, images("c.jpg"), tokens_of(form))
    assert form.is_valid(), form.errors
    *kept, new = form.cleaned_data["photos"]
    assert new.picture is None
    assert new.url.startswith("/media/")
    for value in [*kept, new]:
        name = Member.objects.create(photo=value).photo.name
        assert outage.exists(name)
    assert Member.objects.values("photo").distinct().count() == 3


def test_too_many_files_send_nothing(emulator, list_requests):
    form = submit(AlbumForm, images(*"abcde"))
    assert errors(form) == ["Please choose at most 4 images (you chose 5)."]
    assert codes(form) == ["too_many_files"]
    assert list_requests() == []


def test_too_many_files_keep_uploaded_images(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg", "b.jpg"), title="")
    tokens = tokens_of(form)
    form = submit(AlbumForm, images("c.jpg", "d.jpg", "e.jpg"), tokens)
    assert errors(form) == ["Please choose at most 4 images (you chose 5)."]
    assert upload_count(list_requests) == 2
    form = submit(AlbumForm, images("c.jpg", "d.jpg"), tokens_of(form))
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2, 1, 2]


def test_removed_images_are_not_in_the_clean_value(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg"), title="")
    first, second, third = tokens_of(form)
    form = submit(AlbumForm, [], [first, second, third], removed=[second, "unknown"])
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 3]
    form = submit(AlbumForm, [], [first], removed=[first])
    assert codes(form) == ["required"]
    assert tokens_of(form) == []


def test_same_token_twice_is_one_image(emulator):
    form = submit(AlbumForm, images("a.jpg"), title="")
    [token] = tokens_of(form)
    form = submit(AlbumForm, [], [token, token])
    assert form.is_valid()
    assert len(form.cleaned_data["photos"]) == 1


def test_invalid_token_is_an_error_and_others_are_kept(emulator):
    form = submit(AlbumForm, images("a.jpg"), title="")
    tokens = tokens_of(form)
    form = submit(AlbumForm, [], ["forged", *tokens])
    assert errors(form) == [
        "One of your earlier uploads could not be verified. Please choose this image again."
    ]
    assert len(tokens_of(form)) == 1


def test_token_of_another_field_is_rejected(emulator):
    class OtherForm(AlbumForm):
        pass

    form = submit(OtherForm, images("a.jpg"), title="")
    assert codes(submit(AlbumForm, [], tokens_of(form))) == ["forged"]


@pytest.mark.parametrize("data", [None, [], [None], "", MultiValueDict()])
def test_clean_without_files_returns_empty_list_or_raises_required(data):
    field = GroupMeMultipleImageFormField()
    assert GroupMeMultipleImageFormField(required=False).clean(data) == []
    with pytest.raises(ValidationError, match="required"):
        field.clean(data)
    assert field.clean(data, initial=[JPEG]) == []
    assert not field.has_changed(None, data)


@pytest.mark.parametrize("value", ["cat.jpg", ["cat.jpg"]])
def test_clean_of_string_is_invalid(value):
    with pytest.raises(ValidationError, match="“cat.jpg”: No file was submitted"):
        GroupMeMultipleImageFormField().clean(value)


def test_every_message_about_a_file_contains_its_name(emulator, settings):
    def forbid(file: Any) -> None:
        raise ValidationError("No %(what)s.", code="no", params={"what": "cats"})

    cases = [
        ({"validators": [FileExtensionValidator(["png"])]}, "“a.jpg”: File extension “jpg”"),
        ({"validators": [forbid]}, "“a.jpg”: No cats."),
        ({"max_length": 2}, "“a.jpg”: Ensure this filename has at most 2 characters"),
    ]
    for options, message in cases:
        with pytest.raises(ValidationError, match=message) as caught:
            GroupMeMultipleImageFormField(**options).clean(images("a.jpg"))
        [error] = caught.value.error_list
        assert error.code in {"invalid_extension", "no", "max_length"}
    both = [forbid, FileExtensionValidator(["png"])]
    with pytest.raises(ValidationError) as caught:
        GroupMeMultipleImageFormField(validators=both).clean(images("a.jpg", "b.jpg"))
    assert [message[:7] for message in caught.value.messages] == ["“a.jpg”"] * 2 + ["“b.jpg”"] * 2
    with pytest.raises(ValidationError, match="“a.jpg”: The submitted file is empty"):
        GroupMeMultipleImageFormField().clean([uploaded_file("a.jpg", b"")])
    settings.GROUPME_MAX_UPLOAD_SIZE = 10
    with pytest.raises(ValidationError) as caught:
        GroupMeMultipleImageFormField().clean(images("a.jpg"))
    assert caught.value.messages[0].count("“a.jpg”") == 1


def test_rejected_format_of_upload_is_an_error_with_the_file_name(emulator, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    url = f"{emulator.cdn_url}1x1.png.0123456789abcdef0123456789abcdef"
    body = f'{{"payload": {{"url": "{url}"}}}}'
    emulator.app.faults.add(Fault("status", status=200, body=body))
    with pytest.raises(ValidationError, match="“a.jpg”: PNG images are not supported") as caught:
        GroupMeMultipleImageFormField().clean(images("a.jpg"))
    assert caught.value.error_list[0].code == "format_not_allowed"


def test_disabled_field_ignores_submission(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg"), initial={"photos": [JPEG]})
    form.fields["photos"].disabled = True
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photos"] == [JPEG]
    assert form.changed_data == ["title"]
    assert f'src="{JPEG}.preview"' in str(form["photos"])
    assert list_requests() == []


def test_initial_images_satisfy_required_and_are_not_in_the_clean_value(emulator):
    form = submit(AlbumForm, [], initial={"title": "Trip", "photos": [JPEG]})
    assert form.is_valid()
    assert form.cleaned_data["photos"] == []
    assert form.changed_data == []
    form = submit(AlbumForm, images("a.jpg"), initial={"title": "Trip", "photos": [JPEG]})
    assert form.is_valid()
    assert form.changed_data == ["photos"]
    assert widths(form.cleaned_data["photos"]) == [1]


def test_copies_of_field_do_not_share_uploads(emulator):
    form = submit(AlbumForm, images("a.jpg"), title="")
    assert not form.is_valid()
    field = form.fields["photos"]
    assert len(field._images) == 1
    assert copy.deepcopy(field)._images == []
    assert tokens_of(submit(AlbumForm)) == []


def test_field_with_prefix_in_formset_uploads_and_keeps_images(emulator, list_requests):
    formset_class = forms.formset_factory(AlbumForm, extra=2, can_delete=True)
    data = {
        "form-TOTAL_FORMS": "3",
        "form-INITIAL_FORMS": "0",
        "form-0-title": "",
        "form-2-title": "Gone",
        "form-2-DELETE": "on",
    }
    files = MultiValueDict(
        {"form-0-photos": images("a.jpg", "b.jpg"), "form-2-photos": images("c.jpg")}
    )
    formset = formset_class(data, files)
    assert not formset.is_valid()
    assert not formset.forms[1].has_changed()
    assert upload_count(list_requests) == 2
    tokens = tokens_of(formset.forms[0])
    data |= {"form-0-title": "Trip", "form-0-photos-uploaded": tokens}
    formset = formset_class(data, MultiValueDict())
    assert formset.is_valid(), formset.errors
    assert widths(formset.cleaned_data[0]["photos"]) == [1, 2]


def test_field_on_other_storage_uploads_nothing(list_requests, emulator):
    field = GroupMeMultipleImageFormField(storage=InMemoryStorage)
    [value] = field.clean(images("a.jpg"))
    assert (value.picture, value.url) == (None, None)
    assert list_requests() == []


def test_field_with_other_widget_accepts_files_and_reports_lost_images(emulator):
    class OtherInput(forms.FileInput):
        allow_multiple_selected = True

    class Form(forms.Form):
        title = forms.CharField()
        photos = GroupMeMultipleImageFormField(widget=OtherInput, required=False)

    form = submit(Form, images("a.jpg", "b.jpg"))
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2]
    assert submit(Form).is_valid()
    form = submit(Form, images("a.jpg"), title="")
    assert codes(form) == ["not_kept"]


def test_field_with_single_file_accepts_it(emulator):
    assert widths(GroupMeMultipleImageFormField().clean(images("a.jpg")[0])) == [1]


def test_field_uses_token_and_storage_of_argument(emulator):
    storage = GroupMeStorage(access_token=lambda: None, max_retries=0)
    with pytest.raises(ValidationError) as caught:
        GroupMeMultipleImageFormField(storage=storage).clean(images("a.jpg", "b.jpg"))
    assert [error.code for error in caught.value.error_list] == ["misconfigured"] * 2


def test_clean_with_content_files_accepts_them(emulator):
    content = images("a.jpg")[0].read()
    assert widths(GroupMeMultipleImageFormField().clean([ContentFile(content, "a.jpg")])) == [1]


@pytest.mark.parametrize("marker", [{PREFLIGHT_FIELD: "1"}, {}], ids=["marked", "unmarked"])
def test_form_whose_has_changed_is_false_uploads_nothing(emulator, list_requests, marker):
    """The admin overrides the method for rows that the user may not add."""

    class UnchangedForm(AlbumForm):
        def has_changed(self) -> bool:
            return False

    form = submit(UnchangedForm, images("a.jpg", "b.jpg"), more=marker)
    assert codes(form) == ["ahead" if marker else "required"]
    assert tokens_of(form) == []
    assert list_requests() == []
