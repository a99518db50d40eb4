"""For pytest, which finds it by itself: the fixture ``groupme_service``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import InProcessService


@pytest.fixture
def groupme_service() -> Iterator[InProcessService]:
    """GroupMe's image service in this process, in place of the network."""
    from .testing import InProcessService  # once the settings are there

    with InProcessService() as service:
        yield service
