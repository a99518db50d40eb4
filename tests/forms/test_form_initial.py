"""Initial values of forms, and formset rows that contain only initial values."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.db import models
from django.test.utils import isolate_apps

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.pictures import Picture
from tests.support.field_data import uploaded_file
from tests.support.html_forms import submitted
from tests.support.urls_of_pictures import JPEG, PNG
from tests.testapp.models import Album


class Image:
    """An initial value whose attribute ``url`` has a value or raises."""

    def __init__(self, url: Any, *, is_true: bool = True, **attributes: Any) -> None:
        self._url, self._is_true = url, is_true
        vars(self).update(attributes)

    def __bool__(self) -> bool:
        return self._is_true

    @property
    def url(self) -> Any:
        if isinstance(self._url, Exception):
            raise self._url
        return self._url


def rendered(initial: Any, **kwargs: Any) -> str:
    class Form(forms.Form):
        photo = GroupMeImageFormField(**kwargs)

    return str(Form(initial={"photo": initial})["photo"])


def stored_file(storage: Any) -> Any:
    return models.FileField(storage=storage).attr_class(
        None, models.FileField(storage=storage), "a/cat.png"
    )


@pytest.mark.parametrize(
    ("initial", "url", "text"),
    [
        (Image("/files/1", name="cat.png"), "/files/1", "cat.png"),
        (Image("/files/1", name=None), "/files/1", "/files/1"),
        (Image(lambda: "/files/1"), *["/files/1"] * 2),
        (Image("/files/<1>"), "/files/&lt;1&gt;", "/files/&lt;1&gt;"),
        (SimpleNamespace(url="https://example.com/a.png"), *["https://example.com/a.png"] * 2),
        ("https://example.com/a.png", *["https://example.com/a.png"] * 2),
        (JPEG, JPEG, "Original, "),
        (Picture.parse(PNG), PNG, "Original, "),
        (Image(JPEG), JPEG, "Original, "),
        (stored_file(FileSystemStorage(base_url="/media/")), "/media/a/cat.png", "a/cat.png"),
    ],
)
@pytest.mark.parametrize("storage", [None, InMemoryStorage()])
def test_initial_value_with_url_is_displayed(initial, url, text, storage):
    html = rendered(initial, storage=storage, required=False)
    assert f'<a href="{url}">{text}' in html
    assert 'name="photo-clear"' in html


def test_initial_value_of_uploaded_file_displays_preview(emulator):
    file = GroupMeImageFormField().clean(uploaded_file())
    assert f'<img src="{file.picture.preview_url}"' in rendered(file)


@pytest.mark.parametrize(
    "initial",
    [
        None,
        "",
        "a/cat.png",
        "javascript:alert(1)",
        5,
        Image(None),
        Image(""),
        Image("/files/1", is_true=False),
        Image(lambda: None),
        Image(ValueError("This file is not accessible via a URL.")),
        Image(NotImplementedError()),
        Image(AttributeError()),
        uploaded_file(),
    ],
)
def test_initial_value_without_url_is_not_displayed(initial):
    html = rendered(initial, required=False)
    assert "Current image" not in html
    assert "photo-clear" not in html


def test_stored_file_without_url_is_displayed_by_name():
    html = rendered(stored_file(Storage()))
    assert re.search(r"<strong>Current image</strong>\s+a/cat\.png", html)
    assert "<a" not in html


# Rows of formsets


def default_url() -> str:
    return JPEG


def default_pending_name() -> str:
    return "groupme-forms/cat.png"


def resubmitted(formset_class: Any, **kwargs: Any) -> Any:
    """Return the formset bound to the values that it renders."""
    return formset_class(submitted(str(formset_class(**kwargs))), **kwargs)


@pytest.mark.parametrize(
    "value", [default_url, JPEG, default_pending_name, "groupme-forms/cat.png"]
)
@isolate_apps("tests.testapp")
def test_empty_inline_rows_with_field_default_stay_unchanged(
    emulator, list_requests, settings, value
):
    settings.GROUPME_FALLBACK = "default"

    class Row(models.Model):
        album = models.ForeignKey(Album, models.CASCADE)
        caption = models.CharField(max_length=10)
        photo = GroupMeImageField(default=value)

        class Meta:
            app_label = "gallery"

    formset_class = forms.inlineformset_factory(
        Album, Row, fields=["caption", "photo"], extra=2, can_delete=False
    )
    formset = resubmitted(formset_class, instance=Album())
    assert formset.is_valid(), formset.errors
    assert [form.has_changed() for form in formset] == [False, False]
    data = submitted(str(formset_class(instance=Album())), **{"row_set-1-caption": "A cat"})
    formset = formset_class(data, instance=Album())
    assert formset.is_valid(), formset.errors
    assert [form.has_changed() for form in formset] == [False, True]
    assert str(formset[1].instance.photo) == (value() if callable(value) else value)
    formset = formset_class(
        submitted(str(formset_class(instance=Album()))),
        {"row_set-0-photo": uploaded_file()},
        instance=Album(),
    )
    assert formset[0].changed_data == ["photo"]
    assert list_requests() == []


@pytest.mark.parametrize("in_init", [False, True])
@pytest.mark.parametrize("initial", [default_url, JPEG, None, Picture.parse(JPEG)])
def test_empty_rows_with_show_hidden_initial_stay_unchanged(initial, in_init):
    class Row(forms.Form):
        caption = forms.CharField()
        photo = GroupMeImageFormField(initial=initial, show_hidden_initial=not in_init)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["photo"].show_hidden_initial = True

    formset = resubmitted(forms.formset_factory(Row, extra=2))
    assert formset.is_valid(), formset.errors
    assert not formset.has_changed()
    assert "initial-" not in str(formset)
