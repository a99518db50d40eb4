"""Fixtures of the contract tests, and the report on the real service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from django_groupme_images.emulator import EmulatorServer

from .service import Service


@pytest.fixture(scope="session")
def emulated() -> Iterator[Service]:
    with EmulatorServer(token="right") as server:
        yield Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)


@pytest.fixture(scope="session")
def live() -> Service:
    if not (token := os.environ.get("GM_TOKEN")):
        pytest.skip("needs a GroupMe user's access token in GM_TOKEN")
    service = Service(token)
    if service.upload_response.status_code != 200:
        pytest.exit(
            f"the status of an upload is {service.upload_response.status_code}", returncode=1
        )
    return service


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = [
        line
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, line in report.user_properties
        if name == "result of the real service" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("Results of the real service")
        terminalreporter.write_line("\n".join(sorted(lines)))
