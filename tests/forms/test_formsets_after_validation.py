"""Formsets with ``upload_early=False``, with and without ``GroupMeImageFormSetMixin``."""

from __future__ import annotations

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import ServiceError
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageFormSetMixin
from django_groupme_images.pictures import Picture
from tests.support.field_data import upload_count, uploaded_file
from tests.support.form_data import formset_data
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Photo

pytestmark = pytest.mark.usefixtures("upload_early_off")


class PhotoForm(forms.Form):
    caption = forms.CharField()
    photo = GroupMeImageFormField()


@pytest.mark.parametrize("prefix", ["form", "a-b", "album-0-photos"])
def test_form_in_formset_without_mixin_uploads_nothing(emulator, list_requests, prefix):
    data, files = formset_data(prefix, {"caption": "a", "photo": uploaded_file()})
    formset = forms.formset_factory(PhotoForm)(data, files, prefix=prefix)
    assert formset.is_valid(), formset.errors
    photo = formset.cleaned_data[0]["photo"]
    assert (photo.picture, photo.url) == (None, None)
    assert list_requests() == []


class ValidatedFormSet(forms.BaseFormSet):
    def clean(self) -> None:
        if self.data.get("fail"):
            raise ValidationError("no")


class UploadingFormSet(GroupMeImageFormSetMixin, ValidatedFormSet):
    pass


@pytest.mark.parametrize("pattern", ["{}_{}", "{}{}", "{}-n{}", "{}[{}]", "row{1}-{0}"])
@pytest.mark.parametrize("mixin", [False, True])
def test_formset_with_own_prefixes_and_invalid_form_uploads_nothing(
    emulator, list_requests, pattern, mixin
):
    class PrefixedFormSet(UploadingFormSet if mixin else ValidatedFormSet):
        def add_prefix(self, index: int) -> str:
            return pattern.format(self.prefix, index)

    data, files = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 0}, {}
    for number, caption in enumerate(("a", "")):
        prefix = pattern.format("form", number)
        data[f"{prefix}-caption"], files[f"{prefix}-photo"] = caption, uploaded_file()
    formset = forms.formset_factory(PhotoForm, formset=PrefixedFormSet)(data, files)
    assert [list(errors) for errors in formset.errors] == [[], ["caption"]]
    assert list_requests() == []


@pytest.mark.parametrize("prefix", [None, "photo", "photo-1", "0"])
def test_form_with_prefix_uploads(emulator, list_requests, prefix):
    start = f"{prefix}-" if prefix else ""
    data = {f"{start}caption": "a", "form-TOTAL_FORMS": 1, "0-TOTAL_FORMS": 1}
    form = PhotoForm(
        data, {f"{start}photo": uploaded_file()}, prefix=prefix, use_required_attribute=False
    )
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photo"].picture
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {"fail": "1"}),
        ({"max_num": 1, "validate_max": True}, {}),
        ({"absolute_max": 1, "max_num": 1}, {}),
        ({"min_num": 3, "validate_min": True}, {}),
    ],
)
@pytest.mark.parametrize("formset_class", [ValidatedFormSet, UploadingFormSet])
def test_invalid_formset_uploads_nothing(emulator, list_requests, formset_class, options, more):
    row = {"caption": "a", "photo": uploaded_file()}
    data, files = formset_data("form", row, {**row, "photo": uploaded_file()}, **more)
    formset = forms.formset_factory(PhotoForm, formset=formset_class, **options)(data, files)
    assert not formset.is_valid()
    assert list_requests() == []


def test_formset_with_invalid_form_uploads_nothing(emulator, list_requests):
    data, files = formset_data(
        "form",
        {"caption": "a", "photo": uploaded_file()},
        {"caption": "", "photo": uploaded_file()},
    )
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)(data, files).is_valid()
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)({}, {}).is_valid()
    assert not forms.formset_factory(PhotoForm, formset=UploadingFormSet)().is_valid()
    assert list_requests() == []


def test_formset_mixin_uploads_files_to_be_saved(emulator, list_requests, remote_url):
    formset_class = forms.formset_factory(PhotoForm, formset=UploadingFormSet, can_delete=True)
    data, files = formset_data(
        "form",
        {"caption": "a", "photo": uploaded_file()},
        {"caption": "b", "photo": uploaded_file(), "DELETE": "on"},
        {"caption": "", "photo-url": ""},
        {"caption": "d", "photo-url": remote_url},
    )
    formset = formset_class(data, files)
    assert formset.is_valid(), formset.errors
    assert formset.cleaned_data[0]["photo"].picture.width == 48
    assert isinstance(formset.cleaned_data[3]["photo"], Picture)
    assert formset.is_valid()
    assert upload_count(list_requests) == 2


def test_formset_mixin_with_failed_upload_shows_field_error(reject_second_upload, list_requests):
    formset_class = forms.formset_factory(PhotoForm, formset=UploadingFormSet)
    row = {"caption": "a"}
    data, files = formset_data(
        "form", *({**row, "photo": uploaded_file(f"{name}.jpg")} for name in "abc")
    )
    formset = formset_class(data, files)
    assert not formset.is_valid()
    assert [list(errors) for errors in formset.errors] == [[], ["photo"], []]
    assert upload_count(list_requests) == 2
    token = input_attribute(str(formset), "form-0-photo-uploaded", "value")
    data, files = formset_data(
        "form", {**row, "photo": uploaded_file()}, {**row, "photo-uploaded": token}
    )
    formset = formset_class(data, files)
    assert formset.is_valid(), formset.errors
    assert upload_count(list_requests) == 3


PhotoFormSet = forms.inlineformset_factory(Album, Photo, fields=["picture", "caption"])


class BaseUploadingPhotoFormSet(GroupMeImageFormSetMixin, forms.BaseInlineFormSet):
    pass


UploadingPhotoFormSet = forms.inlineformset_factory(
    Album, Photo, fields=["picture", "caption"], formset=BaseUploadingPhotoFormSet
)


@pytest.mark.parametrize("formset_class", [PhotoFormSet, UploadingPhotoFormSet])
def test_model_formset_uploads_once_by_end_of_save(
    emulator, list_requests, remote_url, db, formset_class
):
    album = Album.objects.create(title="x")
    data, files = formset_data(
        "photo_set",
        {"caption": "a", "picture": uploaded_file()},
        {"caption": "b", "picture-url": remote_url},
        {"caption": "c", "picture-url": JPEG},
        {"caption": "", "picture-url": ""},
    )
    formset = formset_class(data, files, instance=album)
    assert formset.is_valid(), formset.errors
    assert upload_count(list_requests) == (2 if formset_class is UploadingPhotoFormSet else 0)
    formset.save()
    assert upload_count(list_requests) == 2
    urls = Photo.objects.order_by("caption").values_list("picture", flat=True)
    assert [Picture.parse(url, emulator.cdn_url).width for url in urls[:2]] == [48, 48]
    assert urls[2] == JPEG


def test_model_formset_without_mixin_raises_upload_error_on_save(emulator, db):
    emulator.app.faults.add(Fault("status", status=503))
    data, files = formset_data("photo_set", {"caption": "a", "picture": uploaded_file()})
    formset = PhotoFormSet(data, files, instance=Album.objects.create(title="x"))
    assert formset.is_valid(), formset.errors
    with pytest.raises(ServiceError), transaction.atomic():
        formset.save()
    assert not Photo.objects.exists()


def test_edit_only_formset_uploads_no_extra_form(emulator, list_requests, db):
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
        "form",
        {**row, "id": photo.pk, "picture": uploaded_file()},
        {**row, "picture": uploaded_file()},
    )
    formset = formset_class({**data, "form-INITIAL_FORMS": 1}, files)
    assert formset.is_valid(), formset.errors
    formset.save()
    assert upload_count(list_requests) == 1
    photo.refresh_from_db()
    assert photo.picture.width == 48
