"""Code of a typed project that uses the app. mypy and pyright check it; it is never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, assert_type

from django import forms
from django.contrib import admin
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import models
from django.dispatch import receiver
from django.test import TestCase

from django_groupme_images.admin import thumbnail
from django_groupme_images.client import Download, GroupMeClient
from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.exceptions import InvalidPicture, RateLimited, ServiceError
from django_groupme_images.fields import GroupMeImageField, GroupMeImageFieldFile
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.pictures import Picture
from django_groupme_images.rendering import image, url
from django_groupme_images.signals import picture_uploaded, upload_postponed
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import InProcessService, InProcessServiceMixin, image_file


def make_storage() -> Storage:
    return GroupMeStorage(access_token="abc", timeout=(1, 2))


class Person(models.Model):
    photo = GroupMeImageField(blank=True, null=True)
    banner = GroupMeImageField(storage=make_storage)
    badge = GroupMeImageField(storage=GroupMeStorage(), alt_field="motto")

    class Meta:
        app_label = "typed"

    @property
    def motto(self) -> str:
        return "Per aspera ad astra"


def use_field_value(person: Person) -> None:
    assert_type(person.photo, GroupMeImageFieldFile)
    assert_type(person.photo.picture, Picture | None)
    assert_type(person.photo.preview_url, str)
    assert_type(person.photo.width, int | None)
    assert_type(person.photo.format, str | None)
    assert_type(person.badge.alt, str)
    assert_type(person.photo.attachment(), dict[str, str])
    person.photo.save_from_url("https://example.com/cat.jpg", save=False)
    person.photo = "https://i.groupme.com/123456789"
    person.photo = Picture.parse("https://i.groupme.com/123456789")


def use_storage(storage: GroupMeStorage) -> None:
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


def use_client(client: GroupMeClient, file: IO[bytes]) -> None:
    assert_type(client.upload(file), Picture)
    assert_type(client.upload(b"a photo"), Picture)
    assert_type(client.upload_from_url("https://example.com/cat.jpg"), Picture)
    assert_type(client.download("https://i.groupme.com/123456789"), Download)
    assert_type(client.head("https://i.groupme.com/123456789"), Mapping[str, str])


def use_picture(text: str) -> tuple[int, int] | tuple[None, None]:
    try:
        picture = Picture.parse(text)
    except InvalidPicture as error:
        assert_type(error, InvalidPicture)
        raise
    assert_type((picture.id, picture.url, picture.avatar_url), tuple[str, str, str])
    assert_type((picture.width, picture.format), tuple[int | None, str | None])
    return picture.variant_size("large")


def render(person: Person) -> str:
    page: str = image(value=person.photo, variant="avatar", attributes={"alt": "A face"})
    return page + url(value=person.photo, variant="large", default="/static/nobody.png")


@receiver(picture_uploaded)
def receive_picture_uploaded(
    sender: type[Storage], picture: Picture, name: str, **kwargs: Any
) -> None:
    assert_type(picture.url, str)


@receiver(upload_postponed)
def receive_upload_postponed(
    sender: type[Storage], error: ServiceError, name: str, **kwargs: Any
) -> None:
    assert_type(error.retryable, bool)


def use_emulator(storage: GroupMeStorage) -> None:
    with EmulatorServer(token="right", assumptions=Assumptions(missing_status=404)) as server:
        assert_type((server.upload_url, server.cdn_url), tuple[str, str])
        assert_type(storage.save("cat.jpg", ContentFile(b"a photo")), str)
        assert_type(storage.open("https://i.groupme.com/123456789").read(), Any)


class PersonTests(InProcessServiceMixin, TestCase):
    groupme_files_in_memory = False

    def test_page_contains_url_of_upload(self) -> None:
        assert_type(self.groupme_service.uploads[0].content, bytes)
        self.assertContains(self.client.get("/"), self.groupme_service.uploads[0].picture.url)


def use_files_on_disk() -> None:
    with InProcessService(files_in_memory=False) as service:
        assert_type(service.uploads[0].picture, Picture)


def use_pytest_fixture(groupme_service: InProcessService, person: Person) -> None:
    groupme_service.fail("delay", seconds=60)
    assert_type(groupme_service.uploads[0].url, str | None)
    assert_type(groupme_service.add(b""), Picture)
    groupme_service.lose(person.photo)
    person.photo = image_file("a.png", width=1)
