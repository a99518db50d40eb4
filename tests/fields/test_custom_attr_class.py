"""Fields whose ``attr_class`` is not a subclass of ``GroupMeImageFieldFile``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models.fields.files import ImageFieldFile
from django.forms import modelform_factory
from django.test.utils import CaptureQueriesContext, isolate_apps

from django_groupme_images.checks import check_field
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.pictures import Picture
from tests.support.field_data import PHOTO, content_file, stored_dimensions
from tests.support.unmanaged import measured_model
from tests.support.urls_of_pictures import JPEG, LARGE
from tests.testapp.models import Measured

pytestmark = pytest.mark.django_db


class CustomFile(ImageFieldFile):
    """An ``attr_class`` that a project used with Django's ``ImageField``."""

    def shout(self) -> str:
        return str(self.name).upper()


@pytest.fixture
def custom() -> Iterator[Any]:
    """A model whose field has ``CustomFile`` as its ``attr_class``."""
    with isolate_apps("tests.testapp"):

        class CustomField(GroupMeImageField):
            attr_class = CustomFile

        yield measured_model(CustomField(width_field="width", height_field="height", blank=True))


def test_check_reports_custom_attr_class(custom: Any) -> None:
    fields = custom._meta.get_field("photo"), Measured._meta.get_field("photo")
    messages = [message.id for field in fields for message in check_field(field)]
    assert messages == ["groupme_images.W008"]


def test_custom_attr_class_saves_in_every_state(state: str, custom: Any) -> None:
    row = custom.objects.create(photo=content_file())
    assert stored_dimensions(row) == (48, 32)
    row = custom.objects.get()
    assert row.photo.shout() == row.photo.name.upper()
    assert row.photo.url
    form_class = modelform_factory(custom, fields=["photo"])
    form = form_class({}, {"photo": SimpleUploadedFile("dog.jpg", PHOTO)}, instance=row)
    assert form.is_valid(), form.errors
    assert stored_dimensions(form.save()) == (48, 32)
    row.refresh_from_db()
    row.photo = row.photo
    row.full_clean()
    row.save()
    assert form_class({}, instance=row).is_valid()
    row.photo.delete()
    assert stored_dimensions(row) == (None, None)


def test_custom_attr_class_with_deferred_columns_saves_a_url(custom: Any) -> None:
    custom.objects.create(photo=JPEG)
    with CaptureQueriesContext(connection) as queries:
        row = custom.objects.only("photo").get()
    assert len(queries) == 1
    row.photo = Picture.parse(LARGE)
    row.save()
    assert stored_dimensions(row) == (4032, 3024)


def test_custom_attr_class_with_closed_file_raises(custom: Any) -> None:
    content = SimpleUploadedFile("cat.jpg", PHOTO)
    row = custom(photo=content)
    content.close()
    with pytest.raises(ValueError, match=r"The content of 'cat\.jpg' is not available"):
        row.save()
