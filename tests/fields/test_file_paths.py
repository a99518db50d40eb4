"""The ``path`` of values, and stored names without a fallback storage."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from django_groupme_images.exceptions import FallbackNotConfigured
from django_groupme_images.fields import GroupMeImageField
from tests.support.field_data import content_file
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

pytestmark = pytest.mark.django_db


def test_path_of_missing_pending_file_is_returned(outage: FileSystemStorage) -> None:
    row = Member.objects.create(photo=content_file())
    path = outage.path(row.photo.name)
    assert row.photo.path == path
    outage.delete(row.photo.name)
    assert row.photo.path == path
    with pytest.raises(NotImplementedError):
        row.photo.storage.path(row.photo.name)


def test_path_of_other_values_raises(fallback: FileSystemStorage, settings: Any) -> None:
    for value in (JPEG, content_file()):
        with pytest.raises(NotImplementedError, match="no local path"):
            _ = Member(photo=value).photo.path
    settings.GROUPME_FALLBACK = None
    with pytest.raises(NotImplementedError, match="no local path"):
        _ = Member(photo="photos/cat.jpg").photo.path


def test_path_on_another_storage_is_that_of_the_storage(settings: Any, tmp_path: Any) -> None:
    field = GroupMeImageField(storage=FileSystemStorage(tmp_path))
    assert field.attr_class(Member(), field, "cat.jpg").path == str(tmp_path / "cat.jpg")


@pytest.mark.parametrize("use", ["open", "size", "url", "read"])
def test_file_name_without_fallback_raises_file_not_found(use: str, settings: Any) -> None:
    settings.GROUPME_FALLBACK = None
    value = Member(photo="photos/cat.jpg").photo
    with pytest.raises(FallbackNotConfigured, match=r"'photos/cat\.jpg' is not the URL") as caught:
        attribute = getattr(value, use)
        attribute() if callable(attribute) else None
    assert isinstance(caught.value, FileNotFoundError)
    assert not value.storage.exists("photos/cat.jpg")
