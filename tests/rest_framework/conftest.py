"""Fixtures of the tests of the serializer field."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils.crypto import get_random_string
from rest_framework.test import APIClient

from tests.support.serializers import HOST, OTHER_HOST, save_pending
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Member, Photo


@pytest.fixture
def api() -> APIClient:
    return APIClient()


@pytest.fixture
def member(db: None) -> Member:
    return Member.objects.create(name="Ada", photo=JPEG)


@pytest.fixture
def in_memory_storage(settings: Any) -> None:
    """Replace GroupMeStorage by InMemoryStorage, as the tests of a project may do."""
    settings.STORAGES = settings.STORAGES | {
        "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }


@pytest.fixture
def late_upload(settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = False


@pytest.fixture
def allowed_hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = [HOST, OTHER_HOST]


@pytest.fixture
def album(db: None, fallback: FileSystemStorage) -> Album:
    """An album with two pending files and an uploaded image."""
    album = Album.objects.create(title="x")
    odd_name = save_pending(fallback, f"photos/Käfig 100%? {get_random_string(7)}.png")
    for name in (save_pending(fallback), JPEG, odd_name):
        Photo.objects.create(album=album, picture=name, caption="a")
    return album
