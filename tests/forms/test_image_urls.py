"""Image URLs that are submitted in a form instead of a file."""

from __future__ import annotations

import pytest
from django import forms

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.forms.signing import get_signer
from tests.support.field_data import upload_count, uploaded_file
from tests.support.form_data import MemberForm
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import GIF, JPEG
from tests.testapp.forms import CardForm


def test_cdn_url_is_saved_without_request(emulator, list_requests, db):
    form = MemberForm({"name": "Ada", "photo-url": f" {JPEG}.large "}, {})
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert list_requests() == []


def test_other_url_is_fetched_by_service(emulator, list_requests, remote_url, db):
    form = MemberForm({"name": "Ada", "photo-url": remote_url}, {})
    assert form.is_valid(), form.errors
    assert form.save().photo.url.startswith(emulator.cdn_url)
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize(
    "url", ["cat.png", "ftp://example.com/cat.png", "javascript:alert(1)", "http://", "//x/y"]
)
def test_invalid_url_is_rejected_and_redisplayed(emulator, list_requests, url):
    form = CardForm({"title": "x", "picture-url": url}, {})
    (error,) = form.errors["picture"]
    assert error == (
        f"“{url}” is not a valid URL. Please enter a full URL, such as https://example.com/cat.jpg."
    )
    assert input_attribute(str(form["picture"]), "picture-url", "value") == url
    assert list_requests() == []


def test_unprintable_url_is_replaced_and_shortened_in_error(emulator):
    form = CardForm({"title": "x", "picture-url": "\u202e\ud800\0" + "x" * 5000}, {})
    (error,) = form.errors["picture"]
    assert error.startswith("“�?�xxx")
    assert len(error) < 200
    str(form).encode()


def test_url_with_disallowed_format_is_rejected(emulator, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    for data in ({"picture-url": GIF}, {"picture-uploaded": get_signer().sign(GIF)}):
        form = CardForm({"title": "x", **data}, {})
        assert form.errors.as_data()["picture"][0].code == "format_not_allowed"


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"logo-url": JPEG}, {"logo": uploaded_file()}),
        ({"logo-url": JPEG, "logo-clear": "on"}, {}),
        ({"logo-clear": "on"}, {"logo": uploaded_file()}),
    ],
)
def test_more_than_one_of_file_url_and_clear_is_rejected(emulator, list_requests, data, files):
    form = CardForm({"title": "x", "picture-url": JPEG, **data}, files)
    assert form.errors == {
        "logo": [
            "Please choose a file, enter an image URL, or remove the image, but not more than one "
            "of these."
        ]
    }
    assert input_attribute(str(form["logo"]), "logo-url", "value") == data.get("logo-url", "")
    assert list_requests() == []


def test_url_too_long_for_column_is_rejected(emulator, db):
    url = "https://i.groupme.com/99999x99999.jpeg." + "a" * 64
    form = MemberForm({"name": "Ada", "photo-url": url}, {})
    assert form.errors == {
        "photo": [
            "The image URL is too long (103 characters). The maximum length is 100 characters."
        ]
    }


def test_url_rejected_by_service_stays_in_form(emulator, list_requests):
    url = "https://example.com/cat.jpg"
    emulator.app.faults.add(Fault("status", status=400))
    form = CardForm({"title": "x", "picture-url": url}, {})
    (error,) = form.errors.as_data()["picture"]
    assert error.code == "rejected"
    assert error.messages == [
        f"The image service could not load an image from “{url}”. Please check the URL, or choose "
        "a file."
    ]
    assert input_attribute(str(form["picture"]), "picture-url", "value") == url


# The option ``allow_url``


@pytest.mark.parametrize(
    ("option", "allow_url", "is_allowed"),
    [
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
    ],
)
def test_url_input_without_allow_url_is_not_rendered(
    emulator, list_requests, settings, option, allow_url, is_allowed
):
    settings.GROUPME_ALLOW_URL = option

    class Form(forms.Form):
        photo = GroupMeImageFormField(allow_url=allow_url)

    for renderer in (forms.renderers.DjangoTemplates(), forms.renderers.Jinja2()):
        html = str(Form(renderer=renderer)["photo"])
        assert ("photo-url" in html) is is_allowed
        assert ('type="url"' in html) is is_allowed
        assert html.count("<input") == (3 if is_allowed else 2)
    for url in (JPEG, "https://example.com/cat.jpg"):
        form = Form({"photo-url": url})
        if not is_allowed:
            assert form.errors == {
                "photo": ["Image URLs are not accepted here. Please choose a file instead."]
            }
            assert url not in str(form["photo"])
    assert Form({"photo-url": JPEG}).is_valid() is is_allowed
    assert Form({"photo-url": ""}, {"photo": uploaded_file()}).is_valid()
    assert upload_count(list_requests) == 1


def test_url_with_other_widget_without_allow_url_is_rejected(emulator, list_requests):
    class Form(forms.Form):
        photo = GroupMeImageFormField(allow_url=False, widget=forms.TextInput)

    assert "photo" in Form({"photo": JPEG}).errors
