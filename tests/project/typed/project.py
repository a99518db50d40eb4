"""Code of a typed project that uses the app. mypy and pyright check it; it is never run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, Literal, Unpack, assert_type

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
from django_groupme_images.signals import picture_uploaded, upload_failed, upload_postponed
from django_groupme_images.storage import GroupMeStorage, GroupMeStorageOptions
from django_groupme_images.testing import InProcessService, InProcessServiceMixin, image_file


def make_storage() -> Storage:
    return GroupMeStorage(access_token="abc", timeout=(1, 2))


# The comments fail the type check if the line has no error.
def misconfigure_storage() -> list[Storage]:
    return [
        GroupMeStorage(acess_token="abc"),  # type: ignore[call-arg]
        GroupMeStorage(access_token=123),  # type: ignore[arg-type]
        GroupMeStorage(timeout="1"),  # type: ignore[arg-type]
        GroupMeStorage(timeout=(1, 2, 3)),  # type: ignore[arg-type]
        GroupMeStorage(on_delete="delete"),  # type: ignore[arg-type]
        GroupMeStorage(max_pixels=None),  # type: ignore[arg-type]
        GroupMeStorage("abc"),  # type: ignore[call-arg]
    ]


def configure_storage(get_token: Callable[[], str | None]) -> list[Storage]:
    formats = {"jpeg", "png"}
    return [
        GroupMeStorage(access_token=get_token, timeout=0.5, allowed_formats=formats),
        GroupMeStorage(access_token="club.tokens.get_token", convert_formats=()),
        GroupMeStorage(access_token=None, on_delete="raise", fallback="files", deferred=True),
        GroupMeStorage(max_upload_time=None, max_upload_size=10_000_000, max_dimension=2000),
    ]


OPTIONS: GroupMeStorageOptions = {"fallback": "files", "strip_metadata": True}
WRONG: GroupMeStorageOptions = {"strip_metadata": "yes"}  # type: ignore[typeddict-item]
UNKNOWN: GroupMeStorageOptions = {"strip_metdata": True}  # type: ignore[typeddict-unknown-key]
STORAGES: dict[str, dict[str, Any]] = {
    "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage", "OPTIONS": OPTIONS}
}


class LabeledStorage(GroupMeStorage):
    """A storage with an argument of its own, and with another default of an option."""

    def __init__(self, *, label: str = "", **options: Unpack[GroupMeStorageOptions]) -> None:
        options.setdefault("strip_metadata", True)
        super().__init__(**options)
        self.label = label


class FixedStorage(GroupMeStorage):
    """A storage that redefines an option."""

    max_retries = 0


def use_subclasses(values: dict[str, Any]) -> None:
    assert_type(LabeledStorage(label="a", **OPTIONS).label, str)
    assert_type(FixedStorage(timeout=1).max_retries, int)
    assert_type(GroupMeStorage(**values).on_delete, Literal["ignore", "raise"])
    LabeledStorage(lable="a")  # type: ignore[call-arg]


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
    sender: type[Storage],
    picture: Picture,
    name: str,
    duration: float,
    size: int | None,
    **kwargs: Any,
) -> None:
    assert_type(picture.url, str)


@receiver(upload_postponed)
def receive_upload_postponed(
    sender: type[Storage], error: ServiceError, name: str, **kwargs: Any
) -> None:
    assert_type(error.retryable, bool)


@receiver(upload_failed)
def receive_upload_failed(
    sender: type[Storage], error: ServiceError, name: str, **kwargs: Any
) -> None:
    assert_type(error.status, int | None)


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
