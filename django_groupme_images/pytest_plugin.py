"""The pytest plugin, which provides the fixture ``groupme_service``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import InProcessService


@pytest.fixture
def groupme_service() -> Iterator[InProcessService]:
    """GroupMe's image service in this process, in place of the network."""
    from .testing import InProcessService  # here, because pytest loads plugins before the settings

    with InProcessService() as service:
        yield service
