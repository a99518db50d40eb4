"""Fixtures for the tests of integrations: stored names, rendering, and the media folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.template import Context, Template
from django.test import RequestFactory
from django.views.static import serve
from PIL import Image

from django_groupme_images.emulator import EmulatorServer
from tests.support import emulator_pictures as pictures

from .helpers import half_red_jpeg


def pytest_configure(config: pytest.Config) -> None:
    # Wagtail leaves the temporary file of a rendition to the garbage collector. This app uses files
    # of the same classes; the tests of the storage check that they are closed.
    ignored = r"ignore:unclosed file <(_io.BufferedRandom|tempfile.Spooled):ResourceWarning"
    config.addinivalue_line("filterwarnings", ignored)


@pytest.fixture(autouse=True)
def media_root(settings: Any, tmp_path: Path) -> Path:
    """Use an empty folder for the files that are not on GroupMe, and clear the cache."""
    settings.MEDIA_ROOT = tmp_path / "media"
    cache.clear()
    return settings.MEDIA_ROOT


@pytest.fixture
def add_photo(emulator: EmulatorServer) -> Callable[[], str]:
    """Store an image in the emulator without a request. Return its URL."""

    def add() -> str:
        with emulator.app.store.incoming() as path:
            path.write_bytes(half_red_jpeg())
            return emulator.cdn_url + emulator.app.store.add(path)

    return add


@pytest.fixture
def photo_url(add_photo: Callable[[], str]) -> str:
    """The URL of an uploaded image."""
    return add_photo()


@pytest.fixture
def missing_url(emulator: EmulatorServer) -> str:
    """A URL on the CDN that returns 404."""
    return f"{emulator.cdn_url}480x320.jpeg.{'0' * 32}"


@pytest.fixture
def pending_name(settings: Any) -> str:
    """The stored name of a pending file in the fallback storage."""
    settings.GROUPME_FALLBACK = "files"
    return storages["files"].save("photos/cat.jpg", ContentFile(half_red_jpeg()))


@pytest.fixture(params=["url", "file"])
def missing_name(request: Any, missing_url: str, pending_name: str) -> str:
    """A stored name without an image: on the CDN, or in the fallback storage."""
    return {"url": missing_url, "file": "missing.jpg"}[request.param]


@pytest.fixture
def list_media(media_root: Path) -> Callable[[], list[str]]:
    """Return the sorted paths of the files in ``MEDIA_ROOT``."""

    def list_files() -> list[str]:
        files = [path for path in media_root.rglob("*") if path.is_file()]
        return sorted(str(path.relative_to(media_root)) for path in files)

    return list_files


@pytest.fixture
def open_media(media_root: Path) -> Callable[[str], Image.Image]:
    """Open the image at a URL below ``MEDIA_URL``. Fail if it is not served as a JPEG."""

    def open_url(url: str) -> Image.Image:
        path = unquote(url.removeprefix("/media/"))
        request = RequestFactory().get(url)
        with closing(serve(request, path, document_root=media_root)) as response:
            assert response["Content-Type"] == "image/jpeg"
            return pictures.opened(b"".join(response))

    return open_url


@pytest.fixture
def arrived_methods(list_requests: Any) -> Callable[[], list[str]]:
    """Return the HTTP method of each request to the emulator, in order."""
    return lambda: [request.split()[0] for request in list_requests()]


@pytest.fixture
def render() -> Callable[..., str]:
    """Render a template string with the keyword arguments as its context."""

    def render_string(template: str, **context: Any) -> str:
        return Template(template).render(Context(context)).strip()

    return render_string
