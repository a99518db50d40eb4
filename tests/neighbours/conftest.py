"""A picture on GroupMe, one that waits, one that is gone; and what is made of them, on a disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.views.static import serve
from PIL import Image

from django_groupme_images.emulator import EmulatorServer
from tests import emulator_pictures as pictures


def pytest_configure(config: pytest.Config) -> None:
    # Wagtail leaves the temporary file of a rendition to the garbage collector. (Ours are
    # of the same kind: that they are closed is asked in tests/test_storage.py.)
    ignored = r"ignore:unclosed file <(_io.BufferedRandom|tempfile.Spooled):ResourceWarning"
    config.addinivalue_line("filterwarnings", ignored)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    """The folder of the files that are not on GroupMe. No cache knows one of another test."""
    settings.MEDIA_ROOT = tmp_path / "media"
    cache.clear()
    return settings.MEDIA_ROOT


def half_red() -> bytes:
    image = Image.new("RGB", (480, 320), "blue")
    image.paste("red", (0, 0, 240, 320))
    return pictures.encoded(image, "JPEG")


@pytest.fixture
def new_photo(emulator: EmulatorServer) -> Callable[..., str]:
    """Put a picture of 480x320 on the service; no request is recorded for it."""

    def put(data: bytes | None = None) -> str:
        with emulator.app.store.incoming() as path:
            path.write_bytes(data or half_red())
            return emulator.cdn_url + emulator.app.store.add(path)

    return put


@pytest.fixture
def photo(new_photo: Callable[..., str]) -> str:
    return new_photo()


@pytest.fixture
def gone(emulator: EmulatorServer) -> str:
    return f"{emulator.cdn_url}480x320.jpeg.{'0' * 32}"


@pytest.fixture
def waiting(settings: Any) -> str:
    """A file that waits in the fallback."""
    settings.GROUPME_FALLBACK = "files"
    return storages["files"].save("photos/cat.jpg", ContentFile(half_red()))


@pytest.fixture
def files(media: Path) -> Callable[[], list[str]]:
    """What is in the folder."""

    def found() -> list[str]:
        return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())

    return found


@pytest.fixture
def served(media: Path) -> Callable[[str], Image.Image]:
    """The image that a URL of the project leads to, if it is served as one."""

    def opened(url: str) -> Image.Image:
        path = unquote(url.removeprefix("/media/"))
        with closing(serve(RequestFactory().get(url), path, document_root=media)) as answer:
            assert answer["Content-Type"] == "image/jpeg"
            return pictures.opened(b"".join(answer))

    return opened


@pytest.fixture
def render() -> Callable[..., str]:
    def rendered(template: str, **context: Any) -> str:
        return Template(template).render(Context(context)).strip()

    return rendered


@pytest.fixture
def editor(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    return client
