"""Fixtures of the tests of the model field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.emulator.faults import Fault
from tests.support import emulator_pictures as pictures
from tests.support.field_data import content_file
from tests.testapp.models import Member


@pytest.fixture
def emulator_without_dimensions(settings: Any) -> Iterator[EmulatorServer]:
    with EmulatorServer(assumptions=Assumptions(url_with_dimensions=False)) as server:
        settings.GROUPME_UPLOAD_URL = server.upload_url
        settings.GROUPME_CDN_URL = server.cdn_url
        yield server


@pytest.fixture
def outage(emulator: Any, fallback: FileSystemStorage) -> FileSystemStorage:
    emulator.app.faults.add(Fault("status", status=503, times=100))
    return fallback


@pytest.fixture
def pending_file_of_other_row(emulator, fallback):
    """The pending file of another row, with the name that the tests upload."""
    name = fallback.save("cat.jpg", content_file(data=pictures.plain(size=(11, 11))))
    Member.objects.create(name="Ada", photo=name)
    return name
