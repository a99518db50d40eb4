"""The form field for several images: late uploads, and upload requests of the script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import GroupMeImageFormSetMixin
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from tests.support.field_data import upload_count, uploaded_file
from tests.support.html_forms import element_attribute
from tests.support.multiple_images import AlbumForm, images, submit, tokens_of, widths
from tests.support.outages import fail_uploads

PREFLIGHT = {PREFLIGHT_FIELD: "1"}


class RejectedForm(AlbumForm):
    def clean(self) -> None:
        if "fail" in self.data:
            raise ValidationError("no")


@pytest.mark.parametrize("more", [{}, {"fail": "1"}])
def test_invalid_form_with_late_uploads_makes_no_request(
    upload_early_off, emulator, list_requests, more
):
    title = "Trip" if more else ""
    form = submit(RejectedForm, images("a.jpg", "b.jpg"), title=title, more=more)
    assert not form.is_valid()
    assert tokens_of(form) == []
    form = submit(RejectedForm, [*images("a.jpg"), uploaded_file("b.jpg", b"no image")])
    assert not form.is_valid()
    assert tokens_of(form) == []
    assert list_requests() == []


def test_valid_form_with_late_uploads_uploads_once(upload_early_off, emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg"))
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2, 3]
    form.full_clean()
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2, 3]
    assert upload_count(list_requests) == 3


def test_failed_late_upload_keeps_others(upload_early_off, emulator, list_requests):
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg"))
    assert [error.code for error in form.errors["photos"].as_data()] == ["rejected"]
    tokens = tokens_of(form)
    assert len(tokens) == 2
    form = submit(AlbumForm, images("d.jpg"), tokens)
    assert form.is_valid()
    assert len(form.cleaned_data["photos"]) == 3
    assert upload_count(list_requests) == 4


def test_late_upload_uses_cleaned_list_of_form(upload_early_off, emulator, list_requests):
    class Form(AlbumForm):
        def clean_photos(self) -> Any:
            first, _, third = self.cleaned_data["photos"]
            return third, first

    form = submit(Form, images("a.jpg", "b.jpg", "c.jpg"))
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [3, 1]
    assert upload_count(list_requests) == 2

    class OtherForm(AlbumForm):
        def clean_photos(self) -> Any:
            return "replaced"

    form = submit(OtherForm, images("a.jpg"))
    assert form.is_valid()
    assert form.cleaned_data["photos"] == "replaced"


def test_late_uploads_of_formset_start_if_all_forms_are_valid(
    upload_early_off, emulator, list_requests
):
    class BaseFormSet(GroupMeImageFormSetMixin, forms.BaseFormSet):
        pass

    formset_class = forms.formset_factory(AlbumForm, formset=BaseFormSet)
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0", "form-0-title": "Trip"}
    for title, uploads in (("", 0), ("Way", 3)):
        files = MultiValueDict(
            {"form-0-photos": images("a.jpg"), "form-1-photos": images("b.jpg", "c.jpg")}
        )
        formset = formset_class(data | {"form-1-title": title}, files)
        assert formset.is_valid() is bool(title)
        assert upload_count(list_requests) == uploads


def errors_of_upload_request(form: Any) -> list[str]:
    value = element_attribute(str(form["photos"]), "groupme-images-input", "data-errors")
    return json.loads(value) if value else []


def test_upload_request_uploads_file_and_returns_its_token_last(emulator, list_requests):
    tokens: list[str] = []
    for number, file in enumerate(images("a.jpg", "b.jpg", "c.jpg"), 1):
        form = submit(AlbumForm, [file], tokens, more=PREFLIGHT)
        assert not form.is_valid()
        assert errors_of_upload_request(form) == []
        assert upload_count(list_requests) == number
        tokens = tokens_of(form)
        assert len(tokens) == number
    form = submit(AlbumForm, [], tokens)
    assert form.is_valid()
    assert widths(form.cleaned_data["photos"]) == [1, 2, 3]
    assert upload_count(list_requests) == 3


def test_upload_request_without_tokens_uploads_file(emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg"), title="", more=PREFLIGHT)
    assert not form.is_valid()
    assert errors_of_upload_request(form) == []
    assert len(tokens_of(form)) == 1


@pytest.mark.parametrize(("status", "hints"), [(400, []), (503, [{"temporary": True}])])
def test_failed_upload_request_returns_errors(emulator, settings, status, hints):
    settings.GROUPME_MAX_RETRIES = 0
    form = submit(AlbumForm, images("a.jpg"), more=PREFLIGHT)
    tokens = tokens_of(form)
    fail_uploads(emulator, status)
    form = submit(AlbumForm, images("b.jpg"), tokens, more=PREFLIGHT)
    error, *rest = errors_of_upload_request(form)
    assert "“b.jpg”" in error
    assert rest == hints
    assert len(tokens_of(form)) == 1


def test_upload_request_with_too_many_images_returns_error(emulator, list_requests):
    form = submit(AlbumForm, images(*"abcd"), title="")
    tokens = tokens_of(form)
    form = submit(AlbumForm, images("e.jpg"), tokens, more=PREFLIGHT)
    assert errors_of_upload_request(form) == ["Please choose at most 4 images (you chose 5)."]
    assert len(tokens_of(form)) == 4
    assert upload_count(list_requests) == 4


def test_upload_request_without_file_is_invalid(emulator, list_requests):
    for tokens in ([], tokens_of(submit(AlbumForm, images("a.jpg"), title=""))):
        form = submit(AlbumForm, [], tokens, more=PREFLIGHT)
        assert not form.is_valid()
        assert form["photos"].value().errors == form.errors["photos"]
        assert len(tokens_of(form)) == len(tokens)
    assert upload_count(list_requests) == 1


def test_upload_request_with_late_uploads_is_rejected(upload_early_off, emulator, list_requests):
    form = submit(AlbumForm, images("a.jpg"), more=PREFLIGHT)
    assert [error.code for error in form.errors["photos"].as_data()] == ["not_ahead"]
    assert list_requests() == []


def test_upload_request_of_empty_permitted_form_is_invalid(emulator):
    formset_class = forms.formset_factory(AlbumForm)
    data = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "0", **PREFLIGHT}
    assert not formset_class(data, MultiValueDict()).is_valid()
