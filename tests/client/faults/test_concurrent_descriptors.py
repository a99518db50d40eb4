"""Open sockets after fields for several images have uploaded them in several threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from django.core.exceptions import ValidationError
from rest_framework import serializers
from rest_framework.exceptions import APIException

from django_groupme_images.forms import GroupMeMultipleImageFormField
from django_groupme_images.rest_framework import GroupMeImageListField
from tests import ROOT
from tests.support.deadlines import DEADLINE
from tests.support.descriptors import CAN_COUNT, no_more_descriptors
from tests.support.multiple_images import AlbumForm, images, submit

pytestmark = pytest.mark.skipif(not CAN_COUNT, reason="the system does not list open descriptors")

_STATUSES = [200, 400, 401, 503]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Yield the URL of an emulator in another process, whose sockets do not count."""
    command = [sys.executable, "-m", "django_groupme_images.emulator", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture(params=_STATUSES)
def status(request: Any, service: str, settings: Any) -> Iterator[int]:
    """Make the service respond with a status to each upload except the first one."""
    settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{service}pictures", service
    settings.GROUPME_MAX_RETRIES = 0
    GroupMeMultipleImageFormField().clean(images("a.jpg"))  # This imports modules.
    faults = f"{service}_emulator/faults"
    if request.param != 200:
        fault = {"kind": "status", "status": request.param, "method": "POST", "times": 1000}
        requests.post(faults, json=fault, timeout=DEADLINE).raise_for_status()
    yield request.param
    requests.delete(faults, timeout=DEADLINE)


@pytest.mark.parametrize("is_early", [True, False])
def test_form_with_several_images_leaves_no_socket_and_no_thread(status, settings, is_early):
    settings.GROUPME_UPLOAD_EARLY = is_early
    threads = set(threading.enumerate())
    with no_more_descriptors(allowed=1):
        forms = []
        for _ in range(4):
            form = submit(AlbumForm, images("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
            assert form.is_valid() is (status == 200)
            forms.append(form)
    assert not set(threading.enumerate()) - threads


def test_form_with_several_images_and_fallback_leaves_no_socket(status, fallback):
    with no_more_descriptors(allowed=1):
        for _ in range(4):
            with suppress(ValidationError):
                GroupMeMultipleImageFormField().clean(images("a.jpg", "b.jpg", "c.jpg"))


@pytest.mark.parametrize("is_early", [True, False])
def test_serializer_with_several_images_leaves_no_socket(status, settings, is_early):
    class Serializer(serializers.Serializer):
        photos = GroupMeImageListField()

    settings.GROUPME_UPLOAD_EARLY = is_early
    with no_more_descriptors(allowed=1):
        for _ in range(4):
            with suppress(APIException):
                Serializer(data={"photos": images("a.jpg", "b.jpg", "c.jpg")}).is_valid()
