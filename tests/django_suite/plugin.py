"""A pytest plugin that runs the image service, and marks the expected failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_groupme_images.testing import InProcessService

from .differences import expected
from .field import STATE, VALUE


@pytest.fixture(scope="session", autouse=True)
def service() -> Iterator[InProcessService]:
    with InProcessService(files_in_memory=False) as service:
        if STATE == "down":
            service.fail(status=503, times=10_000)
        yield service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    differences = expected(STATE, VALUE)
    for item in items:
        test = item.nodeid.partition("::")[2]
        if difference := differences.pop(test, None):
            item.add_marker(
                pytest.mark.xfail(raises=difference.error, reason=difference.reason, strict=True)
            )
    if differences:
        raise pytest.UsageError(f"These tests of Django do not exist: {', '.join(differences)}")
