"""Tests of the health check for django-health-check."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from health_check.views import HealthCheckView

from django_groupme_images.client.session import ACCESS_HEADER
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.health_check import GroupMeImageCheck
from django_groupme_images.storage import groupme_storage
from django_groupme_images.testing import image_file
from tests.client.faults.servers import respond_with, server
from tests.support.descriptors import no_more_descriptors
from tests.support.urls_of_pictures import JPEG

CHECK = "django_groupme_images.health_check.GroupMeImageCheck"


def request_health(**options: Any) -> tuple[int, list[str]]:
    """Return the status and the result of each check of a view with this check."""
    view = HealthCheckView.as_view(checks=[(CHECK, options)])
    response = asyncio.run(view(RequestFactory().get("/health/?format=json")))
    return response.status_code, list(json.loads(response.content).values())


@pytest.fixture
def url(emulator: Any) -> str:
    """The URL of an uploaded image."""
    return groupme_storage.save("cat.png", image_file("cat.png"))


def test_health_check_sends_one_head_request_without_token(url, emulator):
    emulator.app.record.clear()
    assert request_health(url=url) == (200, ["OK"])
    (request,) = emulator.app.record.as_list()
    assert (request["method"], request["path"]) == ("HEAD", f"/{url.rpartition('/')[2]}")
    assert ACCESS_HEADER.lower() not in {name.lower() for name in request["headers"]}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "was not found on the CDN"),
        (403, "was not found on the CDN"),
        (500, "Unavailable: "),
        (429, "Unavailable: "),
        (302, "Unexpected Result: "),
    ],
)
def test_health_check_with_error_status_fails_after_one_request(
    url, emulator, list_requests, caplog, status, message
):
    caplog.set_level(logging.CRITICAL)
    emulator.app.record.clear()
    emulator.app.faults.add(Fault("status", status=status))
    code, (result,) = request_health(url=url)
    assert code == 500
    assert message in result
    assert len(list_requests()) == 1


def test_health_check_of_page_instead_of_image_fails(settings):
    page = respond_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n")
    with server(page) as (host, _):
        settings.GROUPME_CDN_URL = host
        code, (result,) = request_health(url=f"{host}1x1.png.123456789")
    assert code == 500
    assert result.startswith("Unexpected Result: ")
    assert "is not an image, but text/html" in result


def test_health_check_of_url_on_other_host_fails_without_request(url, list_requests):
    count = len(list_requests())
    code, (result,) = request_health(url=JPEG)
    assert (code, result.partition(":")[0]) == (500, "Unexpected Result")
    assert len(list_requests()) == count


def test_health_check_after_timeout_fails(settings):
    with server(lambda connection: connection.recv(1) and connection.recv(100_000)) as (host, _):
        settings.GROUPME_CDN_URL = host
        check = {"url": f"{host}1x1.png.123456789", "timeout": timedelta(seconds=0.1)}
        code, (result,) = request_health(**check)
    assert (code, result.partition(":")[0]) == (500, "Unavailable")


@pytest.mark.parametrize("status", [200, 503])
def test_health_check_leaves_no_socket(url, emulator, status):
    def check() -> None:
        if status != 200:
            emulator.app.faults.add(Fault("status", status=status))
        request_health(url=url)

    check()
    with no_more_descriptors(allowed=1):
        for _ in range(5):
            check()


def test_health_check_with_other_storage_uses_cdn_of_settings(url, settings):
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    assert request_health(url=url) == (200, ["OK"])


def test_health_check_report_contains_url_of_image():
    assert repr(GroupMeImageCheck(JPEG)) == f"GroupMeImageCheck(url={JPEG!r})"
