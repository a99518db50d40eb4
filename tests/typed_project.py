"""What a typed project writes with the app: ``make lint`` checks it, and nothing runs it."""

from __future__ import annotations

from typing import assert_type

from django import forms
from django.contrib import admin
from django.core.files.storage import Storage
from django.db import models

from django_groupme_images.admin import thumbnail
from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import RateLimited, ServiceError
from django_groupme_images.fields import GroupMeImageField, GroupMeImageFieldFile
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage


def make_storage() -> Storage:
    return GroupMeStorage(access_token="abc", timeout=(1, 2))


class Person(models.Model):
    photo = GroupMeImageField(blank=True, null=True)
    banner = GroupMeImageField(storage=make_storage)
    badge = GroupMeImageField(storage=GroupMeStorage())

    class Meta:
        app_label = "typed_project"


def use_a_value(person: Person) -> None:
    assert_type(person.photo, GroupMeImageFieldFile)
    assert_type(person.photo.picture, Picture | None)
    assert_type(person.photo.preview_url, str)
    assert_type(person.photo.width, int | None)
    assert_type(person.photo.format, str | None)
    assert_type(person.photo.attachment(), dict[str, str])
    person.photo.save_from_url("https://example.com/cat.jpg", save=False)
    person.photo = "https://i.groupme.com/123456789"
    person.photo = Picture.parse("https://i.groupme.com/123456789")


def use_a_storage(storage: GroupMeStorage) -> None:
    assert_type(storage.access_token is None, bool)
    assert_type(storage.max_retries, int)
    assert_type(storage.client, GroupMeClient)
    assert_type(storage.save_from_url("https://example.com/cat.jpg"), str)
    assert_type(storage.picture("https://i.groupme.com/123456789").variant_url("large"), str)


def use_errors(error: ServiceError) -> float | None:
    assert_type(error.status, int | None)
    assert_type(error.retryable, bool)
    return error.retry_after if isinstance(error, RateLimited) else None


class CardForm(forms.Form):
    picture = GroupMeImageFormField(required=False, help_text="A face")
    logo = GroupMeImageFormField(storage=make_storage(), widget=GroupMeImageInput)


class PersonAdmin(admin.ModelAdmin[Person]):
    list_display = ("pk", thumbnail("photo", variant="preview", alt=str))
