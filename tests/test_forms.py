from __future__ import annotations

import copy
import re
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signing import TimestampSigner, b62_encode
from django.forms.renderers import DjangoTemplates, Jinja2
from django.urls import reverse

import django_groupme_images
from django_groupme_images.carrying import signer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import CARRIED_FOR, GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.widgets import AHEAD

from . import emulator_pictures as pictures
from .gallery.forms import CardForm, PhotoFormSet
from .gallery.models import Album, Member, Photo, Plain
from .urls_of_pictures import GIF, JPEG, LEGACY, PNG

PHOTO = pictures.plain()


def upload(name: str = "cat.jpg", content: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "image/jpeg")


def posts(arrived: Any) -> int:
    return sum(entry.startswith("POST") for entry in arrived())


def attribute(html: str, name: str, attribute: str) -> str:
    """Of the input of that name."""
    (tag,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', html)
    found = re.search(rf'{attribute}="([^"]*)"', tag)
    assert found, tag
    return unescape(found[1])


class MemberForm(forms.ModelForm):
    class Meta:
        model = Member
        fields = ["name", "photo"]


# A file


def test_a_model_form_has_the_field_and_the_widget_by_itself():
    field = MemberForm().fields["photo"]
    assert type(field) is GroupMeImageFormField
    assert type(field.widget) is GroupMeImageInput
    assert isinstance(field, forms.ImageField)


def test_a_file_is_uploaded_once_when_the_form_is_validated(emulator, arrived, db):
    form = MemberForm({"name": "Ada"}, {"photo": upload()})
    assert form.is_valid()
    assert arrived() == ["POST /pictures"]
    form.full_clean()
    member = form.save()
    assert arrived() == ["POST /pictures"]
    assert member.photo.picture == form.cleaned_data["photo"].picture
    member.refresh_from_db()
    assert (member.photo.width, member.photo.height) == (48, 32)


def test_a_form_that_does_not_touch_the_picture_causes_no_request(emulator, arrived, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    form = MemberForm({"name": "Eve"}, {}, instance=member)
    assert form.is_valid()
    assert form.changed_data == ["name"]
    form.save()
    str(MemberForm(instance=member))
    assert arrived() == []
    assert Member.objects.values_list("photo", flat=True).get() == JPEG


def test_clearing(emulator, arrived, db):
    member = Member.objects.create(name="Ada", photo=JPEG)
    form = MemberForm({"name": "Ada", "photo-clear": "on"}, {}, instance=member)
    assert form.is_valid()
    assert form.changed_data == ["photo"]
    form.save()
    member.refresh_from_db()
    assert not member.photo
    assert arrived() == []


def test_a_required_picture_is_asked_for_and_cannot_be_cleared(emulator, arrived):
    form = CardForm({"title": "x", "picture-clear": "on"}, {})
    assert form.errors == {"picture": ["This field is required."]}
    form = CardForm({"title": "x", "picture-clear": "on"}, {}, initial={"picture": JPEG})
    assert form.is_valid()
    assert form.cleaned_data["picture"] == JPEG
    assert arrived() == []


@pytest.mark.parametrize("name", ["photo.html", "photo", "x" * 5000, "a/../b.jpg"])
def test_the_name_of_the_file_does_not_matter(emulator, name):
    assert GroupMeImageFormField().clean(upload(name)).picture.format == "jpeg"


def test_validators_see_the_image_before_a_byte_is_sent(emulator, arrived):
    def landscape_only(file: Any) -> None:
        if file.image.width < file.image.height or file.content_type != "image/png":
            raise ValidationError("landscape only")

    field = GroupMeImageFormField(validators=[landscape_only])
    with pytest.raises(ValidationError, match="landscape only"):
        field.clean(upload(content=pictures.plain("PNG", (10, 20))))
    assert arrived() == []
    assert field.clean(upload(content=pictures.plain("PNG", (20, 10)))).picture.width == 20


def small(value: Any) -> None:
    if value.size > 1000 or value.width > 100 or not value.name.endswith(".jpg"):
        raise ValidationError("too large for a club")


@pytest.fixture
def form_with_a_rule(monkeypatch):
    monkeypatch.setattr(Member._meta.get_field("photo"), "_validators", [small])
    monkeypatch.delitem(vars(Member._meta.get_field("photo")), "validators", raising=False)
    yield forms.modelform_factory(Member, fields=["name", "photo"])
    vars(Member._meta.get_field("photo")).pop("validators", None)


def test_a_models_validators_see_the_file_before_a_byte_is_sent(
    form_with_a_rule, emulator, arrived, db
):
    large = upload(content=pictures.plain("JPEG", (101, 10)))
    form = form_with_a_rule({"name": "Ada"}, {"photo": large})
    assert form.errors == {"photo": ["too large for a club"]}
    assert arrived() == []
    form = form_with_a_rule({"name": "Ada"}, {"photo": upload()})
    assert form.is_valid(), form.errors
    assert form.save().photo.width == 48
    assert arrived() == ["POST /pictures"]


def test_a_models_validators_ask_nobody_of_a_picture_that_is_there(
    form_with_a_rule, emulator, arrived, db
):
    member = Member.objects.create(name="Ada", photo=JPEG)
    assert form_with_a_rule({"name": "Eve"}, {}, instance=member).is_valid()
    member.full_clean()
    assert arrived() == []
    member.photo = upload("cat.png")
    with pytest.raises(ValidationError, match="too large for a club"):
        member.full_clean()


def test_an_address_that_is_too_long_for_the_column(emulator, db):
    address = "https://i.groupme.com/99999x99999.jpeg." + "a" * 64
    form = MemberForm({"name": "Ada", "photo-url": address}, {})
    assert form.errors == {
        "photo": ["The address of the picture has 103 characters; at most 100 can be kept."]
    }


def test_the_settings_need_no_secret_key_to_load_the_admin():
    code = (
        "from django.conf import settings; settings.configure(INSTALLED_APPS=["
        "'django.contrib.' + app for app in ('admin', 'auth', 'contenttypes', 'messages', "
        "'sessions')] + ['django_groupme_images']); "
        "import django; django.setup(); import django_groupme_images.admin"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_a_copy_of_a_form_does_not_take_over_what_became_of_another(emulator, arrived):
    form = CardForm({"title": "x"}, {"picture": upload()})
    assert form.is_valid()
    other = CardForm({"title": "x"}, {})
    other.fields["picture"] = copy.deepcopy(form.fields["picture"])
    assert list(other.errors) == ["picture"]
    assert attribute(str(other["picture"]), "picture-uploaded", "value") == ""


def test_what_a_template_may_print_of_a_picture(emulator, db):
    member = Member(name="Ada", photo=JPEG)
    form = MemberForm({"name": "", "photo-uploaded": "forged"}, {}, instance=member)
    shown = form["photo"].value()
    assert (str(shown), shown.url, bool(shown)) == (JPEG, JPEG, True)
    form = MemberForm({"name": "", "photo-uploaded": signer().sign(PNG)}, {}, instance=member)
    assert str(form["photo"].value()) == PNG
    form = MemberForm({"name": "", "photo-uploaded": "forged"})
    assert (str(form["photo"].value()), bool(form["photo"].value())) == ("", False)


def test_a_storage_may_be_made_by_a_callable(emulator):
    assert GroupMeImageFormField(storage=GroupMeStorage).clean(upload()).picture.width == 48


def test_labels_without_ids():
    html = str(CardForm(auto_id=False))
    assert "picture_helptext" not in html
    assert set(re.findall(r' for="([^"]*)"', html)) <= set(re.findall(r' id="([^"]*)"', html))


def test_a_text_named_as_a_picture_is_not_sent(emulator, arrived):
    form = CardForm({"title": "x"}, {"picture": upload("cat.png", b"no picture")})
    assert "“cat.png”" in form.errors["picture"][0]
    assert arrived() == []


def test_limits_are_those_of_the_storage(emulator, arrived, settings):
    settings.GROUPME_MAX_UPLOAD_SIZE = 100
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    form = CardForm({"title": "x"}, {"picture": upload()})
    assert form.errors.as_data()["picture"][0].code == "too_large"
    settings.GROUPME_MAX_UPLOAD_SIZE = None
    form = CardForm({"title": "x"}, {"picture": upload()})
    assert form.errors.as_data()["picture"][0].code == "format_not_allowed"
    assert 'accept="image/png"' in str(form["picture"])
    assert arrived() == []


def test_an_empty_file_is_not_sent(emulator, arrived):
    form = CardForm({"title": "x"}, {"picture": upload(content=b"")})
    assert form.errors == {"picture": ["The submitted file is empty."]}
    assert arrived() == []


def test_a_form_without_the_encoding_of_files_says_so():
    with pytest.raises(ValidationError, match="encoding type"):
        GroupMeImageFormField().clean({"not": "a file"})


# An address


def test_the_address_of_a_picture_on_the_cdn_is_taken_as_it_is(emulator, arrived, db):
    form = MemberForm({"name": "Ada", "photo-url": f" {JPEG}.large "}, {})
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert arrived() == []


def test_any_other_address_is_fetched_by_the_service(emulator, arrived, elsewhere, db):
    form = MemberForm({"name": "Ada", "photo-url": elsewhere}, {})
    assert form.is_valid(), form.errors
    assert form.save().photo.url.startswith(emulator.cdn_url)
    assert posts(arrived) == 1


@pytest.mark.parametrize(
    "address", ["cat.png", "ftp://example.com/cat.png", "javascript:alert(1)", "http://", "//x/y"]
)
def test_an_address_that_is_none(emulator, arrived, address):
    form = CardForm({"title": "x", "picture-url": address}, {})
    (error,) = form.errors["picture"]
    assert error == (
        f"“{address}” is not an address on the web. Give all of it, such as "
        "https://example.com/cat.jpg."
    )
    assert attribute(str(form["picture"]), "picture-url", "value") == address
    assert arrived() == []


def test_what_is_shown_of_a_strange_address_is_harmless(emulator):
    form = CardForm({"title": "x", "picture-url": "\u202e\ud800\0" + "x" * 5000}, {})
    (error,) = form.errors["picture"]
    assert error.startswith("“�?�xxx")
    assert len(error) < 200
    str(form).encode()


def test_the_format_at_an_address_has_to_be_allowed_too(emulator, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    for data in ({"picture-url": GIF}, {"picture-uploaded": signer().sign(GIF)}):
        form = CardForm({"title": "x", **data}, {})
        assert form.errors.as_data()["picture"][0].code == "format_not_allowed"


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"logo-url": JPEG}, {"logo": upload()}),
        ({"logo-url": JPEG, "logo-clear": "on"}, {}),
        ({"logo-clear": "on"}, {"logo": upload()}),
    ],
)
def test_only_one_of_file_address_and_clearing(emulator, arrived, data, files):
    form = CardForm({"title": "x", "picture-url": JPEG, **data}, files)
    assert form.errors == {
        "logo": ["Choose a file, or give an address, or remove the picture: only one of them."]
    }
    assert attribute(str(form["logo"]), "logo-url", "value") == data.get("logo-url", "")
    assert arrived() == []


# What the service has against it


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        (Fault("status", status=400), "rejected", "did not accept “cat.jpg”. Choose another"),
        (Fault("status", status=413), "rejected", "did not accept"),
        (Fault("status", status=429), "busy", "is busy and did not take “cat.jpg”. Wait"),
        (Fault("status", status=503), "unavailable", "does not answer, so “cat.jpg” was not"),
        (Fault("drop"), "unavailable", "does not answer"),
        (Fault("status", status=401), "misconfigured", "This site cannot upload pictures"),
        (Fault("redirect", location="https://example.com/"), "misconfigured", "tell those who"),
        (Fault("garbage"), "misconfigured", "trying again will not help"),
    ],
)
def test_a_failure_of_the_service_is_an_error_of_the_field(
    emulator, db, client, fault, code, text, caplog
):
    emulator.app.faults.add(fault)
    response = client.post(reverse("member_add"), {"name": "Ada", "photo": upload()})
    assert response.status_code == 200
    form = response.context["form"]
    (error,) = form.errors.as_data()["photo"]
    assert error.code == code
    assert text in form.errors["photo"][0]
    assert attribute(response.text, "name", "value") == "Ada"
    assert attribute(response.text, "photo-uploaded", "value") == ""
    assert not Member.objects.exists()
    assert "'cat.jpg' could not be uploaded" in caplog.text
    assert "5ecre7t0ken" not in caplog.text + response.text


def test_a_service_that_is_not_there(db, client):
    response = client.post(reverse("member_add"), {"name": "Ada", "photo": upload()})
    assert response.context["form"].errors.as_data()["photo"][0].code == "unavailable"


def test_a_failure_leaves_the_picture_that_was_there(emulator, db, client):
    member = Member.objects.create(name="Ada", photo=JPEG)
    emulator.app.faults.add(Fault("status", status=503))
    url = reverse("member_change", args=[member.pk])
    response = client.post(url, {"name": "Eve", "photo": upload()})
    assert f'src="{JPEG}.preview"' in response.text
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Ada", JPEG)


def test_the_address_stays_in_the_form_when_the_service_refuses_it(emulator, arrived):
    address = "https://example.com/cat.jpg"
    emulator.app.faults.add(Fault("status", status=400))
    form = CardForm({"title": "x", "picture-url": address}, {})
    assert f"“{address}”" in form.errors["picture"][0]
    assert attribute(str(form["picture"]), "picture-url", "value") == address


# Carried along


def test_a_picture_is_carried_along_until_the_form_is_right(emulator, arrived, client, db):
    url = reverse("member_add")
    page = client.post(url, {"name": "", "photo": upload()})
    (picture,) = re.findall(r'<img src="(\S+)\.preview" width="200" height="200"', page.text)
    assert "Uploaded; not saved yet:" in page.text
    carried = attribute(page.text, "photo-uploaded", "value")
    page = client.post(url, {"name": "x" * 51, "photo-uploaded": carried})
    carried = attribute(page.text, "photo-uploaded", "value")
    assert f'src="{picture}.preview"' in page.text
    page = client.post(url, {"name": "Ada", "photo-uploaded": carried})
    assert page.status_code == 302
    assert Member.objects.get().photo.name == picture
    assert posts(arrived) == 1


def test_what_came_of_an_address_is_carried_along_instead_of_it(emulator, arrived, elsewhere):
    form = CardForm({"picture-url": elsewhere}, {})
    assert list(form.errors) == ["title"]
    html = str(form["picture"])
    assert attribute(html, "picture-url", "value") == ""
    carried = attribute(html, "picture-uploaded", "value")
    form = CardForm({"title": "x", "picture-uploaded": carried})
    assert form.is_valid()
    assert posts(arrived) == 1


def test_another_file_beats_the_carried_one_which_stays_if_that_fails(emulator, arrived):
    carried = signer().sign(JPEG)
    form = CardForm({"picture-uploaded": carried}, {"picture": upload("b.jpg", b"no picture")})
    assert "“b.jpg”" in form.errors["picture"][0]
    assert f'src="{JPEG}.preview"' in str(form["picture"])
    form = CardForm({"title": "x", "picture-uploaded": carried}, {"picture": upload()})
    assert form.is_valid()
    assert form.cleaned_data["picture"].url != JPEG


def test_a_carried_picture_can_be_removed(emulator, db):
    form = MemberForm({"name": "Ada", "photo-uploaded": signer().sign(JPEG), "photo-clear": "on"})
    assert form.is_valid()
    assert form.cleaned_data["photo"] is False


class OldSigner(TimestampSigner):
    def timestamp(self) -> str:
        return b62_encode(int(time.time() - CARRIED_FOR.total_seconds() - 10))


@pytest.mark.parametrize(
    ("carried", "text"),
    [
        (JPEG, "was not recognised. Choose it again."),
        (signer().sign(JPEG)[:-1] + "?", "was not recognised"),
        (TimestampSigner(salt="another").sign(JPEG), "was not recognised"),
        (signer().sign("https://example.com/1x1.png.1"), "was not recognised"),
        (OldSigner(salt=signer().salt).sign(JPEG), "too long ago. Choose it again."),
        ("\0" * 5000, "was not recognised"),
        ("\ud800:1:2", "was not recognised"),
    ],
    ids=["unsigned", "changed", "of another signer", "of another CDN", "old", "garbage", "half"],
)
def test_what_is_carried_cannot_be_forged_and_expires(emulator, arrived, carried, text):
    form = CardForm({"title": "x", "picture-uploaded": carried})
    assert text in form.errors["picture"][0]
    assert attribute(str(form["picture"]), "picture-uploaded", "value") == ""
    assert "<img" not in str(form["picture"])
    assert arrived() == []


# Sent ahead, by the script


def test_a_form_sent_ahead_uploads_and_is_not_valid(emulator, arrived, client, db):
    url = reverse("member_add")
    page = client.post(url, {"name": "Ada", "photo": upload(), AHEAD: "1"})
    assert page.status_code == 200
    assert not Member.objects.exists()
    carried = attribute(page.text, "photo-uploaded", "value")
    assert "data-errors" not in page.text
    page = client.post(url, {"name": "Ada", "photo-uploaded": carried})
    assert page.status_code == 302
    assert posts(arrived) == 1


def test_a_form_sent_ahead_is_not_valid_where_the_picture_is_to_go(emulator, db):
    form = MemberForm({"name": "Ada", "photo-clear": "on", AHEAD: "1"})
    assert list(form.errors) == ["photo"]


def test_a_form_sent_ahead_is_never_valid(emulator, arrived):
    album = Album(title="x")
    prefix = {"photo_set-TOTAL_FORMS": "2", "photo_set-INITIAL_FORMS": "0"}
    rows = {"photo_set-0-caption": "a", "photo_set-0-picture-url": "https://example.com/x.png"}
    formset = PhotoFormSet({**prefix, **rows, AHEAD: "1"}, {}, instance=album)
    assert not formset.is_valid()
    assert [bool(form.errors.get("picture")) for form in formset] == [True, True]
    assert arrived() == []  # an address has time until the form itself is sent


def test_the_answer_to_a_form_sent_ahead_tells_the_errors(emulator, client, db):
    emulator.app.faults.add(Fault("status", status=503))
    page = client.post(reverse("member_add"), {"name": "", "photo": upload(), AHEAD: "1"})
    (errors,) = re.findall(r'data-errors="([^"]*)"', page.text)
    assert "does not answer" in errors
    assert attribute(page.text, "photo-uploaded", "value") == ""


# Formsets


def rows(*each: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    data = {"photo_set-TOTAL_FORMS": len(each), "photo_set-INITIAL_FORMS": initial}
    for number, row in enumerate(each):
        data |= {f"photo_set-{number}-{name}": value for name, value in row.items()}
    return data


def test_a_formset_uploads_each_picture_once_and_carries_them_along(emulator, arrived, client, db):
    url = reverse("album_photos", args=[Album.objects.create(title="x").pk])
    data = rows(
        {"caption": "one", "picture": upload("one.jpg")},
        {"caption": "", "picture": upload("two.jpg")},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    page = client.post(url, data)
    assert posts(arrived) == 2
    carried = [
        attribute(page.text, f"photo_set-{number}-picture-uploaded", "value") for number in range(3)
    ]
    assert carried[2] == ""
    data = rows(
        {"caption": "one", "picture-uploaded": carried[0]},
        {"caption": "two", "picture-uploaded": carried[1]},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    assert client.post(url, data).status_code == 302
    assert posts(arrived) == 2
    assert [photo.picture.width for photo in Photo.objects.all()] == [48, 48]


def test_nothing_is_uploaded_of_a_row_that_is_to_be_deleted(emulator, arrived, client, db):
    album = Album.objects.create(title="x")
    photo = Photo.objects.create(album=album, picture=JPEG, caption="one")
    data = rows(
        {"id": photo.pk, "caption": "one", "picture": upload(), "DELETE": "on"},
        {"caption": "", "picture": upload(), "DELETE": "on"},
        initial=1,
    )
    url = reverse("album_photos", args=[album.pk])
    assert "data-errors" not in client.post(url, data | {AHEAD: "1"}).text
    assert client.post(url, data).status_code == 302
    assert arrived() == []
    assert not Photo.objects.exists()


def test_a_row_that_is_to_be_deleted_keeps_what_was_uploaded_in_case_it_is_not(emulator):
    data = rows({"caption": "", "picture-uploaded": signer().sign(JPEG), "DELETE": "on"}, {})
    formset = PhotoFormSet(data, {}, instance=Album(title="x"))
    assert formset.is_valid()
    carried = attribute(str(formset), "photo_set-0-picture-uploaded", "value")
    formset = PhotoFormSet(rows({"caption": "a", "picture-uploaded": carried}), instance=Album())
    assert formset.is_valid()
    assert formset[0].cleaned_data["picture"].url == JPEG


# The widget


def test_the_present_picture_is_shown_by_its_preview_never_by_the_original(db):
    html = str(MemberForm(instance=Member(photo=JPEG))["photo"])
    assert re.findall(r'src="([^"]*)"', html) == [f"{JPEG}.preview"]
    assert re.findall(r'href="([^"]*)"', html) == [JPEG]
    assert "Original, 480 × 325 pixels" in html
    assert "Currently:" in html
    assert 'name="photo-clear"' in html


@pytest.mark.parametrize("initial", [JPEG, Picture.parse(JPEG)])
def test_a_plain_form_shows_its_initial_picture_too(initial):
    assert f'src="{JPEG}.preview"' in str(CardForm(initial={"picture": initial})["picture"])


def test_a_picture_whose_size_is_not_known(db):
    html = str(MemberForm(instance=Member(photo=LEGACY))["photo"])
    assert f'<img src="{LEGACY}.preview" width="200" height="200" alt="">' in html
    assert f'<a href="{LEGACY}">Original</a>' in html


@pytest.mark.parametrize("name", ["photos/cat.png", "https://example.com/<b>.png"])
def test_a_name_that_is_no_picture_is_shown_as_text(db, name):
    html = str(MemberForm(instance=Member(photo=name))["photo"])
    assert unescape(html).count(name) == 1
    assert "<b>" not in html
    assert "<img" not in html


@pytest.mark.parametrize("initial", ["", None, "cat.png", 5])
def test_nothing_is_shown_where_there_is_no_picture(initial):
    html = str(CardForm(initial={"picture": initial})["picture"])
    assert "Currently" not in html


def test_jinja2_renders_the_same():
    templates = Path(django_groupme_images.__file__).parent
    path = "groupme_images/widgets/image_input.html"
    ours, theirs = (templates / kind / path for kind in ("templates", "jinja2"))
    assert ours.read_text() == theirs.read_text()
    for value in ("", JPEG, LEGACY):
        bound = CardForm(initial={"logo": value})["logo"]
        html = [
            unescape(bound.field.widget.render("logo", value, {"id": "x"}, renderer))
            for renderer in (DjangoTemplates(), Jinja2())
        ]
        assert html[0] == html[1]
        assert ("<img" in html[0]) is bool(value)


def test_a_disabled_field_is_not_changed(emulator, arrived, db):
    form = MemberForm({"name": "Ada"}, {"photo": upload()}, instance=Member(photo=JPEG))
    form.fields["photo"].disabled = True
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert str(form["photo"]).count(" disabled") == 4
    assert arrived() == []


def test_a_default_holds_only_where_nothing_was_handed_in():
    widget = GroupMeImageInput()
    assert widget.value_omitted_from_data({}, {}, "photo")
    assert widget.value_omitted_from_data({"photo-url": "", "photo-uploaded": ""}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-url": JPEG}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-uploaded": "x"}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-clear": "on"}, {}, "photo")
    assert not widget.value_omitted_from_data({}, {"photo": upload()}, "photo")


def test_labels_and_descriptions_lead_to_their_inputs():
    html = CardForm().as_p()
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r' for="([^"]*)"', html)) <= set(ids)
    assert attribute(html, "picture", "aria-describedby") == "id_picture_helptext"
    assert "<p" not in html.replace("<p>", "", html.count("<p>"))
    assert " required" not in str(CardForm()["picture"])  # an address will do instead


# Other storages, and other widgets


@pytest.mark.parametrize("widget", [forms.FileInput, forms.ClearableFileInput])
def test_another_widget_uploads_too(emulator, arrived, widget):
    class Form(forms.Form):
        name = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    form = Form({"name": ""}, {"photo": upload()})
    assert list(form.errors) == ["name"]
    assert "48" not in str(form["photo"])
    form = Form({"name": "Ada"}, {"photo": upload()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture.width == 48


def test_a_widget_of_the_projects_own_where_there_is_no_admin(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != "django.contrib.admin"
    ]
    form = forms.modelform_factory(Member, fields=["photo"], widgets={"photo": forms.FileInput})
    assert type(form().fields["photo"].widget) is forms.FileInput


def test_a_form_class_of_the_projects_own(db):
    class Form(forms.ModelForm):
        class Meta:
            model = Member
            fields = ["photo"]
            field_classes = {"photo": forms.ImageField}

    assert type(Form().fields["photo"]) is forms.ImageField
    field = Member._meta.get_field("photo")
    assert type(field.formfield(form_class=lambda **kwargs: forms.FileField())) is forms.FileField


def test_a_storage_that_is_not_groupmes_gets_the_file_when_the_row_is_saved(emulator, arrived):
    field = GroupMeImageFormField(storage=InMemoryStorage())
    file = upload()
    assert field.clean(file) is file
    assert file.tell() == 0
    assert field.clean(JPEG) == Picture.parse(JPEG)
    with pytest.raises(ValidationError, match="is not the address of a picture on https"):
        field.clean("https://example.com/cat.jpg")
    assert arrived() == []


def test_djangos_own_field_on_our_storage_uploads_when_it_is_saved(emulator, arrived, db):
    form = forms.modelform_factory(Plain, fields=["photo"])({}, {"photo": upload()})
    assert form.is_valid()
    assert arrived() == []
    form.save()
    assert posts(arrived) == 1
