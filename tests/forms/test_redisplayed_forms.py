"""Invalid forms that are displayed again, and the upload requests of the widget's script."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.core.signing import TimestampSigner
from django.urls import reverse

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms.signing import get_signer
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from tests.support.field_data import upload_count, uploaded_file
from tests.support.form_data import ExpiredSigner, MemberForm, photo_set_data
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG
from tests.testapp.forms import CardForm, PhotoFormSet
from tests.testapp.models import Album, Member, Photo

# Tokens of kept uploads


def test_invalid_form_keeps_upload_until_form_is_valid(emulator, list_requests, client, db):
    add_url = reverse("member_add")
    page = client.post(add_url, {"name": "", "photo": uploaded_file()})
    (url,) = re.findall(r'<img src="(\S+)\.preview" width="200" height="200"', page.text)
    assert "<strong>Uploaded, not saved yet</strong>" in page.text
    token = input_attribute(page.text, "photo-uploaded", "value")
    page = client.post(add_url, {"name": "x" * 51, "photo-uploaded": token})
    token = input_attribute(page.text, "photo-uploaded", "value")
    assert f'src="{url}.preview"' in page.text
    page = client.post(add_url, {"name": "Ada", "photo-uploaded": token})
    assert page.status_code == 302
    assert Member.objects.get().photo.name == url
    assert upload_count(list_requests) == 1


def test_invalid_form_with_url_keeps_uploaded_image_instead(emulator, list_requests, remote_url):
    form = CardForm({"picture-url": remote_url}, {})
    assert list(form.errors) == ["title"]
    html = str(form["picture"])
    assert input_attribute(html, "picture-url", "value") == ""
    token = input_attribute(html, "picture-uploaded", "value")
    form = CardForm({"title": "x", "picture-uploaded": token})
    assert form.is_valid()
    assert upload_count(list_requests) == 1


def test_new_file_replaces_kept_upload_unless_rejected(emulator, list_requests):
    token = get_signer().sign(JPEG)
    form = CardForm({"picture-uploaded": token}, {"picture": uploaded_file("b.jpg", b"no image")})
    assert "“b.jpg”" in form.errors["picture"][0]
    assert f'src="{JPEG}.preview"' in str(form["picture"])
    form = CardForm({"title": "x", "picture-uploaded": token}, {"picture": uploaded_file()})
    assert form.is_valid()
    assert form.cleaned_data["picture"].url != JPEG


def test_clear_checkbox_removes_kept_upload(emulator, db):
    form = MemberForm(
        {"name": "Ada", "photo-uploaded": get_signer().sign(JPEG), "photo-clear": "on"}
    )
    assert form.is_valid()
    assert form.cleaned_data["photo"] is False


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (JPEG, "could not be verified. Please choose the image again."),
        (get_signer().sign(JPEG)[:-1] + "?", "could not be verified"),
        (TimestampSigner(salt="another").sign(JPEG), "could not be verified"),
        (get_signer().sign("https://example.com/1x1.png.1"), "could not be verified"),
        (
            ExpiredSigner(salt=get_signer().salt).sign(JPEG),
            "has expired. Please choose the image again.",
        ),
        ("\0" * 5000, "could not be verified"),
        ("\ud800:1:2", "could not be verified"),
    ],
    ids=["unsigned", "changed", "of another signer", "of another CDN", "old", "garbage", "half"],
)
def test_forged_or_expired_token_is_rejected(emulator, list_requests, token, text):
    form = CardForm({"title": "x", "picture-uploaded": token})
    assert text in form.errors["picture"][0]
    assert input_attribute(str(form["picture"]), "picture-uploaded", "value") == ""
    assert "<img" not in str(form["picture"])
    assert list_requests() == []


# Upload requests of the script


def test_upload_request_uploads_without_saving(emulator, list_requests, client, db):
    add_url = reverse("member_add")
    page = client.post(add_url, {"name": "Ada", "photo": uploaded_file(), PREFLIGHT_FIELD: "1"})
    assert page.status_code == 200
    assert not Member.objects.exists()
    token = input_attribute(page.text, "photo-uploaded", "value")
    assert "data-errors" not in page.text
    page = client.post(add_url, {"name": "Ada", "photo-uploaded": token})
    assert page.status_code == 302
    assert upload_count(list_requests) == 1


def test_upload_request_with_clear_checkbox_is_invalid(emulator, db):
    form = MemberForm({"name": "Ada", "photo-clear": "on", PREFLIGHT_FIELD: "1"})
    assert list(form.errors) == ["photo"]


def test_upload_request_of_formset_is_invalid_and_fetches_no_url(emulator, list_requests):
    album = Album(title="x")
    prefix = {"photo_set-TOTAL_FORMS": "2", "photo_set-INITIAL_FORMS": "0"}
    rows = {"photo_set-0-caption": "a", "photo_set-0-picture-url": "https://example.com/x.png"}
    formset = PhotoFormSet({**prefix, **rows, PREFLIGHT_FIELD: "1"}, {}, instance=album)
    assert not formset.is_valid()
    assert [bool(form.errors.get("picture")) for form in formset] == [True, True]
    assert (
        list_requests() == []
    )  # The image service fetches URLs when the form itself is submitted.


def test_upload_request_with_failed_upload_returns_data_errors(emulator, client, db):
    emulator.app.faults.add(Fault("status", status=503))
    page = client.post(
        reverse("member_add"), {"name": "", "photo": uploaded_file(), PREFLIGHT_FIELD: "1"}
    )
    (errors,) = re.findall(r'data-errors="([^"]*)"', page.text)
    assert "is not responding" in errors
    assert json.loads(unescape(errors))[-1] == {"temporary": True}
    assert input_attribute(page.text, "photo-uploaded", "value") == ""


def test_upload_request_with_rejected_upload_returns_no_temporary_error(emulator, client, db):
    emulator.app.faults.add(Fault("status", status=400))
    page = client.post(
        reverse("member_add"), {"name": "", "photo": uploaded_file(), PREFLIGHT_FIELD: "1"}
    )
    (errors,) = re.findall(r'data-errors="([^"]*)"', page.text)
    assert [type(error) for error in json.loads(unescape(errors))] == [str]


# Formsets


def test_formset_redisplayed_after_error_uploads_each_image_once(
    emulator, list_requests, client, db
):
    url = reverse("album_photos", args=[Album.objects.create(title="x").pk])
    data = photo_set_data(
        {"caption": "one", "picture": uploaded_file("one.jpg")},
        {"caption": "", "picture": uploaded_file("two.jpg")},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    page = client.post(url, data)
    assert upload_count(list_requests) == 2
    tokens = [
        input_attribute(page.text, f"photo_set-{number}-picture-uploaded", "value")
        for number in range(3)
    ]
    assert tokens[2] == ""
    data = photo_set_data(
        {"caption": "one", "picture-uploaded": tokens[0]},
        {"caption": "two", "picture-uploaded": tokens[1]},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    assert client.post(url, data).status_code == 302
    assert upload_count(list_requests) == 2
    assert [photo.picture.width for photo in Photo.objects.all()] == [48, 48]


def test_formset_row_to_be_deleted_is_not_uploaded(emulator, list_requests, client, db):
    album = Album.objects.create(title="x")
    photo = Photo.objects.create(album=album, picture=JPEG, caption="one")
    data = photo_set_data(
        {"id": photo.pk, "caption": "one", "picture": uploaded_file(), "DELETE": "on"},
        {"caption": "", "picture": uploaded_file(), "DELETE": "on"},
        initial=1,
    )
    url = reverse("album_photos", args=[album.pk])
    assert "data-errors" not in client.post(url, data | {PREFLIGHT_FIELD: "1"}).text
    assert client.post(url, data).status_code == 302
    assert list_requests() == []
    assert not Photo.objects.exists()


def test_formset_row_to_be_deleted_keeps_token(emulator):
    data = photo_set_data(
        {"caption": "", "picture-uploaded": get_signer().sign(JPEG), "DELETE": "on"}, {}
    )
    formset = PhotoFormSet(data, {}, instance=Album(title="x"))
    assert formset.is_valid()
    token = input_attribute(str(formset), "photo_set-0-picture-uploaded", "value")
    formset = PhotoFormSet(
        photo_set_data({"caption": "a", "picture-uploaded": token}), instance=Album()
    )
    assert formset.is_valid()
    assert formset[0].cleaned_data["picture"].url == JPEG
