"""Forms with upload_early=False: nothing is sent unless the rest of the form is valid."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import ServiceError
from django_groupme_images.files import RemoteImage
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageFormSetMixin
from django_groupme_images.names import FORM_FOLDER
from django_groupme_images.pictures import Picture
from django_groupme_images.signals import picture_uploaded
from django_groupme_images.widgets import AHEAD

from . import emulator_pictures as pictures
from .gallery.models import Album, Measured, Member, Photo, Plain
from .test_forms import PHOTO, attribute, posts, upload
from .urls_of_pictures import JPEG


@pytest.fixture(autouse=True)
def late(settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = False


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


class Overridden(CaptchaLast):
    def full_clean(self) -> None:
        super().full_clean()


class MemberForm(forms.ModelForm):
    class Meta:
        model = Member
        fields = ["name", "photo"]


# Invalid forms


@pytest.mark.parametrize("form_class", [CaptchaFirst, CaptchaLast, Overridden])
@pytest.mark.parametrize("way", ["file", "url"])
def test_upload_with_wrong_captcha_sends_nothing(emulator, arrived, form_class, way):
    url = {"photo-url": "https://example.com/cat.jpg"} if way == "url" else {}
    files = {"photo": upload()} if way == "file" else {}
    form = form_class({"captcha": "?", **url}, files)
    assert list(form.errors) == ["captcha"]
    form.full_clean()
    assert list(form.errors) == ["captcha"]
    html = str(form["photo"])
    assert attribute(html, "photo-uploaded", "value") == ""
    assert attribute(html, "photo-url", "value") == url.get("photo-url", "")
    assert arrived() == []


@pytest.mark.parametrize(
    "form_class", [CleanFails, AddsError, CleanPhotoFails, CleanCaptchaFails, PostCleanFails]
)
def test_upload_with_error_raised_later_sends_nothing(emulator, arrived, form_class):
    form = form_class({"captcha": "human", "fail": "1"}, {"photo": upload()})
    assert not form.is_valid()
    assert arrived() == []
    form = form_class({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid(), form.errors
    assert posts(arrived) == 1


def test_upload_with_model_errors_sends_nothing(emulator, arrived, db, monkeypatch):
    def clean(member: Member) -> None:
        if member.name == "Eve":
            raise ValidationError({"name": "not Eve"})

    monkeypatch.setattr(Member, "clean", clean)
    for name in ("", "x" * 51, "Eve"):
        form = MemberForm({"name": name}, {"photo": upload()})
        assert list(form.errors) == ["name"]
    assert arrived() == []


def test_upload_with_unique_error_sends_nothing(emulator, arrived, db, monkeypatch):
    def validate_unique(member: Member, exclude: Any) -> None:
        raise ValidationError({"name": "taken"})

    monkeypatch.setattr(Member, "validate_unique", validate_unique)
    form = MemberForm({"name": "Ada"}, {"photo": upload()})
    assert form.errors == {"name": ["taken"]}
    assert arrived() == []


@pytest.mark.parametrize("deferred", [True, False])
def test_invalid_form_saves_nothing_to_the_fallback(emulator, fallback, settings, deferred):
    settings.GROUPME_DEFERRED = deferred
    emulator.app.faults.add(Fault("status", status=503, times=100))
    form = CaptchaLast({"captcha": "?"}, {"photo": upload()})
    assert not form.is_valid()
    assert fallback.listdir("") == ([], [])


def test_upload_request_is_refused(emulator, arrived, fallback):
    data = {"captcha": "human", AHEAD: "1"}
    for files in ({"photo": upload()}, {}):
        form = CaptchaLast(data, files)
        assert form.errors == {
            "photo": ["Images are uploaded when the form is submitted. Submit the form."]
        }
        assert "data-errors=" in str(form["photo"])
    assert "&quot;ahead&quot;: &quot;&quot;" in str(CaptchaLast()["photo"])
    assert arrived() == []
    assert fallback.listdir("") == ([], [])


def test_field_without_form_uploads_nothing(emulator, arrived):
    file = GroupMeImageFormField().clean(upload())
    assert (file.picture, file.url, file.read()) == (None, None, PHOTO)
    remote = GroupMeImageFormField().clean("https://example.com/cat.jpg")
    assert (remote.picture, remote.url) == (None, None)
    assert GroupMeImageFormField().clean(JPEG) == Picture.parse(JPEG)
    assert arrived() == []


def test_empty_and_disabled_fields_upload_nothing(emulator, arrived, db):
    form = MemberForm({"name": "Ada"}, {})
    assert form.is_valid()
    form = MemberForm({}, {}, empty_permitted=True, use_required_attribute=False)
    assert form.is_valid()
    assert not form.has_changed()
    form = MemberForm({"name": "Ada"}, {"photo": upload()}, instance=Member(photo=upload()))
    form.fields["photo"].disabled = True
    assert form.is_valid()
    form = MemberForm({"name": "Ada"}, {}, instance=Member(photo=upload()))
    assert form.is_valid()
    assert arrived() == []


# Valid forms


def test_valid_form_uploads_once(emulator, arrived):
    file = upload()
    seen = []

    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            photo = self.cleaned_data["photo"]
            seen.append((photo.picture, photo.url, photo.size, photo.image.width, photo.read()))
            return photo

    form = Form({"captcha": "human"}, {"photo": file})
    assert form.is_valid(), form.errors
    assert seen == [(None, None, len(PHOTO), 48, PHOTO)]
    cleaned = form.cleaned_data["photo"]
    assert cleaned is file
    assert (cleaned.name, cleaned.content_type, cleaned.tell()) == ("cat.jpg", "image/jpeg", 0)
    assert cleaned.url == cleaned.picture.url
    assert cleaned.picture.width == 48
    form.full_clean()
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture
    assert posts(arrived) == 1


def test_saved_form_uploads_once(emulator, arrived, db):
    form = MemberForm({"name": "Ada"}, {"photo": upload()})
    assert form.is_valid()
    picture = form.cleaned_data["photo"].picture
    assert form.instance.photo.picture == picture
    assert form.save(commit=False).photo.picture == picture
    form.full_clean()
    member = form.save()
    member.refresh_from_db()
    assert member.photo.picture == picture
    assert posts(arrived) == 1


def wrapped(file: Any) -> File[bytes]:
    return File(file, "other.png")


def read(file: Any) -> Any:
    file.read()
    return file


@pytest.mark.parametrize("change", [lambda file: file, wrapped, copy.copy, read])
@pytest.mark.parametrize("model", [Member, Plain, Measured])
def test_clean_value_saved_by_hand_is_not_uploaded_again(emulator, arrived, db, change, model):
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    first = model(photo=change(photo))
    first.save()
    second = model()
    second.photo.save("x.png", change(photo))
    for row in (first, second):
        row.refresh_from_db()
        assert row.photo.name == photo.url
    assert posts(arrived) == 1


@pytest.mark.parametrize("early", [True, False])
def test_changed_content_is_uploaded(emulator, arrived, db, settings, early):
    settings.GROUPME_UPLOAD_EARLY = early
    form = MemberForm({"name": "Ada"}, {"photo": upload()})
    assert form.is_valid()
    photo = form.cleaned_data["photo"]
    photo.seek(0)
    photo.truncate()
    photo.write(pictures.plain(size=(20, 10)))
    member = Member.objects.create(photo=photo)
    assert member.photo.width == 20
    assert posts(arrived) == 2


def test_closed_file_is_not_uploaded_again(emulator, arrived, db):
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    form.cleaned_data["photo"].close()
    assert Member.objects.create(photo=form.cleaned_data["photo"]).photo.width == 48
    assert posts(arrived) == 1


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))]
)
def test_copied_row_with_an_uploaded_file_is_not_uploaded_again(emulator, arrived, db, copied):
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    original = Member(photo=form.cleaned_data["photo"])
    assert original.photo  # before that, the row has the file as it is, which Pillow cannot copy
    member = copied(original)
    member.save()
    assert member.photo.picture == form.cleaned_data["photo"].picture
    assert posts(arrived) == 1


def test_pickled_row_with_a_pending_file_saves_its_own(emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503, times=3))
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    member = Member(photo=form.cleaned_data["photo"])
    assert member.photo
    again = pickle.loads(pickle.dumps(member))
    member.save()
    again.save()
    assert member.photo.name != again.photo.name


@pytest.mark.parametrize("name", ["small.jpg", "small.html", "small"])
def test_replaced_clean_value_keeps_the_extension_of_an_image(emulator, fallback, name):
    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            return ContentFile(pictures.plain(size=(20, 10)), name)

    emulator.app.faults.add(Fault("status", status=503, times=3))
    form = Form({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    saved = Member.photo.field.storage.fallback_storage.listdir(FORM_FOLDER)[1]
    assert saved[0].endswith("small.jpg" if name == "small.jpg" else "small")


@pytest.mark.parametrize("early", [True, False])
def test_validators_see_no_picture(emulator, settings, early):
    settings.GROUPME_UPLOAD_EARLY = early
    seen = []
    field = GroupMeImageFormField(validators=[lambda file: seen.append((file.picture, file.url))])

    class Form(forms.Form):
        photo = field

    assert Form({}, {"photo": upload()}).is_valid()
    assert seen == [(None, None)]


def test_replaced_clean_value_is_uploaded_instead(emulator, arrived):
    class Form(CaptchaLast):
        def clean_photo(self) -> Any:
            return ContentFile(pictures.plain(size=(20, 10)), "small.jpg")

    form = Form({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture.width == 20
    assert posts(arrived) == 1


def test_removed_clean_value_is_not_uploaded(emulator, arrived):
    class Form(CaptchaLast):
        def clean(self) -> None:
            del self.cleaned_data["photo"]

    assert Form({"captcha": "human"}, {"photo": upload()}).is_valid()
    assert arrived() == []


def test_url_is_fetched_when_the_form_is_valid(emulator, arrived, elsewhere, db):
    form = MemberForm({"name": "Ada", "photo-url": elsewhere}, {})
    assert form.is_valid(), form.errors
    assert form.instance.photo.picture == form.cleaned_data["photo"]
    form.full_clean()
    assert form.save().photo.url == form.cleaned_data["photo"].url
    assert posts(arrived) == 1
    form = MemberForm({"name": "Ada", "photo-url": JPEG}, {})
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert posts(arrived) == 1


def test_format_of_a_fetched_image_is_checked(emulator, arrived, elsewhere, settings):
    settings.GROUPME_ALLOWED_FORMATS = ["png"]
    form = CaptchaLast({"captcha": "human", "photo-url": elsewhere}, {})
    assert form.errors.as_data()["photo"][0].code == "format_not_allowed"
    assert attribute(str(form["photo"]), "photo-uploaded", "value") == ""
    assert posts(arrived) == 1


def test_url_is_too_long_for_the_column(emulator, elsewhere, db, monkeypatch):
    monkeypatch.setattr(Member._meta.get_field("photo"), "max_length", 10)
    form = MemberForm({"name": "Ada", "photo-url": elsewhere}, {})
    assert form.errors.as_data()["photo"][0].code == "url_too_long"


def test_copied_form_uploads_its_own_file(emulator, arrived):
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form["photo"].field.required
    other = copy.deepcopy(form)
    assert other.is_valid()
    assert other.cleaned_data["photo"].picture
    assert posts(arrived) == 1
    assert form.files["photo"].tell() == 0
    assert not hasattr(form.files["photo"], "picture")


def test_another_storage_keeps_the_file(emulator, arrived):
    class Form(forms.Form):
        photo = GroupMeImageFormField(storage=InMemoryStorage())

    form = Form({}, {"photo": upload()})
    assert form.is_valid()
    assert form.cleaned_data["photo"].picture is None
    assert arrived() == []


def test_same_file_in_two_forms_is_uploaded_once(emulator, arrived):
    file = upload()
    for _ in range(2):
        form = CaptchaLast({"captcha": "human"}, {"photo": file})
        assert form.is_valid()
    assert posts(arrived) == 1


# Failures


def test_failed_upload_is_an_error_of_the_field(emulator, db, caplog):
    emulator.app.faults.add(Fault("status", status=400))
    form = MemberForm({"name": "Ada"}, {"photo": upload()})
    assert form.errors.as_data()["photo"][0].code == "rejected"
    assert "photo" not in form.cleaned_data
    assert form.files["photo"].tell() == 0
    url = "https://example.com/cat.jpg"
    form = MemberForm({"name": "Ada", "photo-url": url}, {})
    assert f"“{url}”" in form.errors["photo"][0]
    assert attribute(str(form["photo"]), "photo-url", "value") == url


class TwoPhotos(forms.Form):
    first = GroupMeImageFormField()
    second = GroupMeImageFormField()
    third = GroupMeImageFormField(required=False)


@pytest.fixture
def one_upload(emulator):
    """Let the service reject the second upload."""

    def reject(**kwargs: Any) -> None:
        picture_uploaded.disconnect(reject)
        emulator.app.faults.add(Fault("status", status=400))

    picture_uploaded.connect(reject)
    yield
    picture_uploaded.disconnect(reject)


def test_failed_second_upload_keeps_the_first(one_upload, arrived):
    form = TwoPhotos({}, {"first": upload(), "second": upload(), "third": upload()})
    assert list(form.errors) == ["second"]
    assert posts(arrived) == 2
    token = attribute(str(form["first"]), "first-uploaded", "value")
    assert attribute(str(form["third"]), "third-uploaded", "value") == ""
    form = TwoPhotos({"first-uploaded": token}, {"second": upload()})
    assert form.is_valid(), form.errors
    assert posts(arrived) == 3


# Outages


@pytest.fixture
def outage(emulator, fallback, settings):
    emulator.app.faults.add(Fault("status", status=503, times=100))
    return fallback


@pytest.mark.parametrize("temporary", [True, False])
@pytest.mark.parametrize("early", [True, False])
def test_pending_file_is_saved_once(outage, db, settings, early, temporary):
    settings.GROUPME_UPLOAD_EARLY = early
    file: Any = upload()
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


def test_pending_file_belongs_to_its_storage(outage, emulator, db, settings):
    form = CaptchaLast({"captcha": "human"}, {"photo": upload()})
    assert form.is_valid(), form.errors
    settings.GROUPME_FALLBACK = None
    with pytest.raises(ServiceError):
        Member.objects.create(photo=form.cleaned_data["photo"])


# Remote images


def test_remote_image_is_fetched_by_the_storage(emulator, arrived, elsewhere, db):
    remote = RemoteImage(elsewhere)
    member = Member.objects.create(photo=remote)
    assert member.photo.url.startswith(emulator.cdn_url)
    assert posts(arrived) == 1
    plain = Plain.objects.create(photo=File(remote))
    assert plain.photo.url.startswith(emulator.cdn_url)
    measured = Measured(photo=remote)
    assert (measured.photo.width, measured.width) == (None, None)
    measured.full_clean()
    measured.save()
    assert measured.width == 48


def test_remote_image_is_not_saved_by_another_storage():
    with pytest.raises(ValueError, match="only a GroupMeStorage can save it"):
        InMemoryStorage().save("cat.jpg", RemoteImage("https://example.com/cat.jpg"))


# Formsets


class PhotoForm(forms.Form):
    caption = forms.CharField()
    photo = GroupMeImageFormField()


def formset_data(prefix: str, *rows: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    data = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0, **more}
    files = {}
    for number, row in enumerate(rows):
        for name, value in row.items():
            (files if isinstance(value, File) else data)[f"{prefix}-{number}-{name}"] = value
    return data, files


@pytest.mark.parametrize("prefix", ["form", "a-b", "album-0-photos"])
def test_form_in_a_formset_uploads_nothing(emulator, arrived, prefix):
    data, files = formset_data(prefix, {"caption": "a", "photo": upload()})
    formset = forms.formset_factory(PhotoForm)(data, files, prefix=prefix)
    assert formset.is_valid(), formset.errors
    photo = formset.cleaned_data[0]["photo"]
    assert (photo.picture, photo.url) == (None, None)
    assert arrived() == []


class CheckedFormSet(forms.BaseFormSet):
    def clean(self) -> None:
        if self.data.get("fail"):
            raise ValidationError("no")


class UploadingFormSet(GroupMeImageFormSetMixin, CheckedFormSet):
    pass


@pytest.mark.parametrize("pattern", ["{}_{}", "{}{}", "{}-n{}", "{}[{}]", "row{1}-{0}"])
@pytest.mark.parametrize("mixin", [False, True])
def test_form_in_a_formset_with_its_own_prefixes_uploads_nothing(emulator, arrived, pattern, mixin):
    class PrefixedFormSet(UploadingFormSet if mixin else CheckedFormSet):
        def add_prefix(self, index: int) -> str:
            return pattern.format(self.prefix, index)

    data, files = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 0}, {}
    for number, caption in enumerate(("a", "")):
        prefix = pattern.format("form", number)
        data[f"{prefix}-caption"], files[f"{prefix}-photo"] = caption, upload()
    formset = forms.formset_factory(PhotoForm, formset=PrefixedFormSet)(data, files)
    assert [list(errors) for errors in formset.errors] == [[], ["caption"]]
    assert arrived() == []


@pytest.mark.parametrize("prefix", [None, "photo", "photo-1", "0"])
def test_form_with_prefix_uploads(emulator, arrived, prefix):
    name = f"{prefix}-" if prefix else ""
    data = {f"{name}caption": "a", "form-TOTAL_FORMS": 1, "0-TOTAL_FORMS": 1}
    form = PhotoForm(data, {f"{name}photo": upload()}, prefix=prefix, use_required_attribute=False)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photo"].picture
    assert posts(arrived) == 1


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {"fail": "1"}),
        ({"max_num": 1, "validate_max": True}, {}),
        ({"absolute_max": 1, "max_num": 1}, {}),
        ({"min_num": 3, "validate_min": True}, {}),
    ],
)
@pytest.mark.parametrize("formset_class", [CheckedFormSet, UploadingFormSet])
def test_invalid_formset_uploads_nothing(emulator, arrived, formset_class, options, more):
    row = {"caption": "a", "photo": upload()}
    data, files = formset_data("form", row, {**row, "photo": upload()}, **more)
    formset = forms.formset_factory(PhotoForm, formset=formset_class, **options)(data, files)
    assert not formset.is_valid()
    assert arrived() == []


def test_formset_with_invalid_form_uploads_nothing(emulator, arrived):
    data, files = formset_data(
        "form", {"caption": "a", "photo": upload()}, {"caption": "", "photo": upload()}
    )
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)(data, files).is_valid()
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)({}, {}).is_valid()
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)().is_valid()
    assert arrived() == []


def test_formset_mixin_uploads_what_is_saved(emulator, arrived, elsewhere):
    formset_class = forms.formset_factory(PhotoForm, formset=UploadingFormSet, can_delete=True)
    data, files = formset_data(
        "form",
        {"caption": "a", "photo": upload()},
        {"caption": "b", "photo": upload(), "DELETE": "on"},
        {"caption": "", "photo-url": ""},
        {"caption": "d", "photo-url": elsewhere},
    )
    formset = formset_class(data, files)
    assert formset.is_valid(), formset.errors
    assert formset.cleaned_data[0]["photo"].picture.width == 48
    assert isinstance(formset.cleaned_data[3]["photo"], Picture)
    assert formset.is_valid()
    assert posts(arrived) == 2


def test_formset_mixin_shows_errors_at_their_fields(one_upload, arrived):
    formset_class = forms.formset_factory(PhotoForm, formset=UploadingFormSet)
    row = {"caption": "a"}
    data, files = formset_data("form", *({**row, "photo": upload(f"{name}.jpg")} for name in "abc"))
    formset = formset_class(data, files)
    assert not formset.is_valid()
    assert [list(errors) for errors in formset.errors] == [[], ["photo"], []]
    assert posts(arrived) == 2
    token = attribute(str(formset), "form-0-photo-uploaded", "value")
    data, files = formset_data("form", {**row, "photo": upload()}, {**row, "photo-uploaded": token})
    formset = formset_class(data, files)
    assert formset.is_valid(), formset.errors
    assert posts(arrived) == 3


PhotoFormSet = forms.inlineformset_factory(Album, Photo, fields=["picture", "caption"])


class BaseUploadingPhotoFormSet(GroupMeImageFormSetMixin, forms.BaseInlineFormSet):
    pass


UploadingPhotoFormSet = forms.inlineformset_factory(
    Album, Photo, fields=["picture", "caption"], formset=BaseUploadingPhotoFormSet
)


@pytest.mark.parametrize("formset_class", [PhotoFormSet, UploadingPhotoFormSet])
def test_model_formset_uploads_at_the_latest_when_it_is_saved(
    emulator, arrived, elsewhere, db, formset_class
):
    album = Album.objects.create(title="x")
    data, files = formset_data(
        "photo_set",
        {"caption": "a", "picture": upload()},
        {"caption": "b", "picture-url": elsewhere},
        {"caption": "c", "picture-url": JPEG},
        {"caption": "", "picture-url": ""},
    )
    formset = formset_class(data, files, instance=album)
    assert formset.is_valid(), formset.errors
    assert posts(arrived) == (2 if formset_class is UploadingPhotoFormSet else 0)
    formset.save()
    assert posts(arrived) == 2
    widths = Photo.objects.order_by("caption").values_list("picture", flat=True)
    assert [Picture.parse(url, emulator.cdn_url).width for url in widths[:2]] == [48, 48]
    assert widths[2] == JPEG


def test_model_formset_without_mixin_raises_when_it_is_saved(emulator, db):
    emulator.app.faults.add(Fault("status", status=503))
    data, files = formset_data("photo_set", {"caption": "a", "picture": upload()})
    formset = PhotoFormSet(data, files, instance=Album.objects.create(title="x"))
    assert formset.is_valid(), formset.errors
    with pytest.raises(ServiceError), transaction.atomic():
        formset.save()
    assert not Photo.objects.exists()


def test_formset_that_only_edits_uploads_no_extra_form(emulator, arrived, db):
    formset_class = forms.modelformset_factory(
        Photo,
        fields=["picture", "caption"],
        formset=type("Base", (GroupMeImageFormSetMixin, forms.BaseModelFormSet), {}),
        edit_only=True,
    )
    album = Album.objects.create(title="x")
    photo = Photo.objects.create(album=album, picture=JPEG, caption="a")
    row = {"caption": "b"}
    data, files = formset_data(
        "form", {**row, "id": photo.pk, "picture": upload()}, {**row, "picture": upload()}
    )
    formset = formset_class({**data, "form-INITIAL_FORMS": 1}, files)
    assert formset.is_valid(), formset.errors
    formset.save()
    assert posts(arrived) == 1
    photo.refresh_from_db()
    assert photo.picture.width == 48
