"""Fixtures of the tests of the storage."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures


@pytest.fixture
def storage(emulator: EmulatorServer) -> GroupMeStorage:
    """A storage that uploads to the emulator."""
    return GroupMeStorage()


@pytest.fixture
def name(storage: GroupMeStorage) -> str:
    """The name of an uploaded image."""
    return storage.save("cat.jpg", ContentFile(pictures.plain()))


@pytest.fixture
def missing(emulator: EmulatorServer) -> str:
    """The name of an image that the CDN does not have."""
    return f"{emulator.cdn_url}1x1.png.123456789"
