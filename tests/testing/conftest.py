"""Fixtures of the tests of ``django_groupme_images.testing``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage

from django_groupme_images.testing import InProcessService, image_file


@pytest.fixture
def media(fallback: FileSystemStorage) -> FileSystemStorage:
    """The fallback storage, a folder with one real file."""
    fallback.save("photos/real.png", image_file("real.png", 11, 22))
    return fallback


@pytest.fixture
def unchanged(media: FileSystemStorage) -> Iterator[FileSystemStorage]:
    """The fallback storage. The test fails if its folder has changed at the end."""
    before = files_in(media)
    yield media
    assert files_in(media) == before


@pytest.fixture
def outage(groupme_service: InProcessService) -> InProcessService:
    """A service that fails all uploads, so that files go to the fallback storage."""
    groupme_service.fail(status=503, times=999)
    return groupme_service


def files_in(storage: FileSystemStorage) -> list[tuple[str, bytes | None]]:
    """Return each file and folder with its content."""
    return sorted(
        (str(path), path.read_bytes() if path.is_file() else None)
        for path in Path(storage.location).rglob("*")
    )
