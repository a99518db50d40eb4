"""Fixtures for tests of the form field and its widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import FileSystemStorage
from django.test import Client

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded
from tests.testapp.models import Member


@pytest.fixture
def upload_early_off(settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = False


@pytest.fixture
def outage(emulator: EmulatorServer, fallback: FileSystemStorage) -> FileSystemStorage:
    """Make the image service fail, and return the fallback storage that receives the files."""
    emulator.app.faults.add(Fault("status", status=503, times=100))
    return fallback


@pytest.fixture
def editor(db: None) -> Client:
    """A client that has logged in to the admin."""
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    return client


@pytest.fixture
def reject_second_upload(emulator: EmulatorServer) -> Iterator[None]:
    def reject(**kwargs: Any) -> None:
        picture_uploaded.disconnect(reject)
        emulator.app.faults.add(Fault("status", status=400))

    picture_uploaded.connect(reject)
    yield
    picture_uploaded.disconnect(reject)


@pytest.fixture
def set_model_validators(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that sets the validators of the model field ``Member.photo``."""
    field = Member._meta.get_field("photo")

    def set_validators(*validators: Callable[[Any], None]) -> None:
        monkeypatch.setattr(field, "_validators", list(validators))
        monkeypatch.delitem(vars(field), "validators", raising=False)

    yield set_validators
    # The property is cached, and would keep the validators of the test.
    vars(field).pop("validators", None)
