"""pytest plugin with the fixture ``groupme_service``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing.service import InProcessService


@pytest.fixture
def groupme_service() -> Iterator[InProcessService]:
    """Replace the network with an in-process image service for one test."""
    # pytest loads plugins before the settings are configured.
    from .testing.service import InProcessService

    with InProcessService() as service:
        yield service
