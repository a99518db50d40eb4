"""The field that orders the rows of an inline, and the configuration of the inline's script."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse

from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.forms.ordering import ordering_field
from tests.testapp.models import Album, Photo, Shelf, ShelfPhoto


def _form(model: Any = ShelfPhoto, **attributes: Any) -> forms.BaseForm:
    form_class = forms.modelform_factory(model, fields="__all__")
    return type("Form", (form_class,), attributes)()


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        (["position", "pk"], "position"),
        (["caption", "-position"], "-position"),
        ([F("position")], "position"),
        ([F("position").asc(nulls_last=True)], "position"),
        ([F("position").desc()], "-position"),
        ([F("position") + 1], ""),
        ([(F("position") + 1).desc()], ""),
        (["pk"], ""),
        ([], ""),
    ],
)
def test_ordering_field_of_model_form_is_number_in_model_ordering(monkeypatch, ordering, expected):
    monkeypatch.setattr(ShelfPhoto._meta, "ordering", ordering)
    assert ordering_field(_form()) == expected


def test_ordering_field_that_form_does_not_contain_is_empty():
    assert ordering_field(forms.modelform_factory(ShelfPhoto, fields=["picture"])()) == ""


def test_ordering_field_of_form_without_model_is_empty():
    assert ordering_field(forms.Form()) == ""


def test_ordering_field_of_ordered_formset_is_its_own_field():
    formset_class = forms.modelformset_factory(ShelfPhoto, fields="__all__", can_order=True)
    form = formset_class(queryset=ShelfPhoto.objects.none()).empty_form
    assert ordering_field(form) == "ORDER"


def test_image_field_with_other_widget_renders_without_order():
    class Form(forms.Form):
        photo = GroupMeImageFormField(widget=forms.ClearableFileInput)

    assert 'type="file"' in str(Form()["photo"])


def _inline_configs(model: type[Album | Shelf], rows: int, user: User) -> list[dict[str, Any]]:
    parent = model.objects.create(title="Cats")
    for _ in range(rows):
        if model is Shelf:
            ShelfPhoto.objects.create(shelf=parent, picture="https://i.groupme.com/1x1.png.a")
        else:
            Photo.objects.create(album=parent, picture="https://i.groupme.com/1x1.png.a")
    client = Client()
    client.force_login(user)
    page = client.get(reverse(f"admin:gallery_{model._meta.model_name}_change", args=[parent.pk]))
    return [
        json.loads(unescape(text))
        for text in re.findall(r'data-groupme-inline="([^"]*)"', page.text)
    ]


@pytest.mark.django_db
def test_admin_inline_contains_configuration_in_first_row_and_template():
    user = User.objects.create_superuser("ann")
    configs = _inline_configs(Shelf, 3, user)
    assert [config["order"] for config in configs] == ["position"] * 2
    assert configs[0]["texts"]["choose"] == "Choose images or drop them here"
    assert [config["order"] for config in _inline_configs(Album, 0, user)] == ["", ""]


@pytest.mark.django_db
def test_admin_form_without_inline_contains_no_configuration():
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    page = client.get(reverse("admin:gallery_member_add"))
    assert "groupme_images/image_inlines.js" in page.text
    assert "data-groupme-inline" not in page.text
