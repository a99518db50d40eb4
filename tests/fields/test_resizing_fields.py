"""Fields whose ``attr_class`` resizes a file when it saves it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage
from django.db.models.fields.files import ImageFieldFile
from django.test.utils import isolate_apps
from PIL import Image
from rest_framework import serializers

from django_groupme_images.fields import GroupMeImageField, GroupMeImageFieldFile
from django_groupme_images.rest_framework import GroupMeImageSerializerField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import InProcessService, image_file
from tests.support.unmanaged import measured_model
from tests.testapp.models import Measured

pytestmark = pytest.mark.django_db

URL = "https://www.example.com/cat.png"


class ResizingMixin:
    def save(self, name: str, content: File[bytes], save: bool = True) -> None:
        small = io.BytesIO()
        with Image.open(content) as image:
            image.resize((30, 20)).save(small, "PNG")
        super().save(name, ContentFile(small.getvalue(), name), save)  # type: ignore[misc]


class ResizedFile(ResizingMixin, ImageFieldFile):
    """The ``attr_class`` of a third-party field."""


class ResizedGroupMeFile(ResizingMixin, GroupMeImageFieldFile):
    """The ``attr_class`` of a third-party field, adapted to ``GroupMeImageField``."""


class CountingValidator:
    """A validator that counts the files that it validates."""

    def __init__(self) -> None:
        self.files: list[Any] = []

    def __call__(self, value: Any) -> None:
        self.files.append(value)


validator = CountingValidator()


@pytest.fixture(params=[ResizedFile, ResizedGroupMeFile])
def model(request: Any) -> Iterator[Any]:
    validator.files.clear()
    with isolate_apps("tests.testapp"):

        class ResizedField(GroupMeImageField):
            attr_class = request.param

        yield measured_model(
            ResizedField(
                width_field="width", height_field="height", blank=True, validators=[validator]
            )
        )


@pytest.fixture(params=[True, False])
def early(request: Any, settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = request.param


def form_class(model: Any) -> Any:
    return forms.modelform_factory(model, fields=["photo"])


def serializer_class(model_: Any) -> Any:
    class Thumbnails(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField()

        class Meta:
            model = model_
            fields = ["photo"]

    return Thumbnails


@pytest.mark.usefixtures("early")
def test_form_with_resizing_field_uploads_when_the_row_is_saved(
    model: Any, groupme_service: InProcessService
) -> None:
    form = form_class(model)({}, {"photo": image_file("cat.png")})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photo"].picture is None
    assert groupme_service.requests == []
    row = form.save()
    assert (row.width, row.height) == (30, 20)
    [upload] = groupme_service.uploads
    assert model.objects.get().photo.url == upload.picture.url
    assert upload.picture.width == 30
    assert len(validator.files) == 1


@pytest.mark.usefixtures("early")
def test_form_with_resizing_field_and_url_uploads_remote_image(
    model: Any, groupme_service: InProcessService
) -> None:
    groupme_service.web[URL] = image_file("cat.png").read()
    form = form_class(model)({"photo-url": URL}, {})
    assert form.is_valid(), form.errors
    assert form.save().photo.url == groupme_service.uploads[0].picture.url


def test_form_with_resizing_field_on_other_storage_saves_resized_file(model: Any) -> None:
    model._meta.get_field("photo").storage = InMemoryStorage()
    form = form_class(model)({}, {"photo": image_file("cat.png")})
    assert form.is_valid(), form.errors
    assert (form.save().width, len(validator.files)) == (30, 1)


def test_widget_script_of_resizing_field_has_no_upload_url(model: Any) -> None:
    def upload_url(form: Any) -> Any:
        widget = form["photo"].field.widget
        return json.loads(widget.get_context("photo", None, {})["widget"]["script"])["ahead"]

    assert upload_url(form_class(model)()) == ""
    assert upload_url(form_class(Measured)()) != ""


def test_form_with_resizing_field_during_outage_stores_resized_file(
    model: Any, groupme_service: InProcessService
) -> None:
    groupme_service.fail(times=9)
    model._meta.get_field("photo").storage = GroupMeStorage(fallback="default")
    form = form_class(model)({}, {"photo": image_file("cat.png")})
    assert form.is_valid(), form.errors
    row = form.save()
    assert row.photo.name == "cat.png"
    assert (row.width, row.height) == (30, 20)
    with row.photo.open() as file, Image.open(file) as image:
        assert image.size == (30, 20)


@pytest.mark.usefixtures("early")
def test_serializer_with_resizing_field_uploads_when_the_row_is_saved(
    model: Any, groupme_service: InProcessService
) -> None:
    serializer = serializer_class(model)(data={"photo": image_file("cat.png")})
    serializer.is_valid(raise_exception=True)
    assert groupme_service.requests == []
    row = serializer.save()
    assert (row.width, row.height) == (30, 20)
    assert len(groupme_service.uploads) == 1


@pytest.mark.usefixtures("early")
def test_serializer_with_resizing_field_and_url_uploads_remote_image(
    model: Any, groupme_service: InProcessService
) -> None:
    groupme_service.web[URL] = image_file("cat.png").read()
    serializer = serializer_class(model)(data={"photo": URL})
    serializer.is_valid(raise_exception=True)
    assert serializer.save().photo.url == groupme_service.uploads[0].picture.url
