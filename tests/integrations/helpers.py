"""Create images to upload, and read the pages that display them."""

from __future__ import annotations

import re
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests.support import emulator_pictures as pictures


def half_red_jpeg() -> bytes:
    """Return a JPEG of 480×320 pixels whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (480, 320), "blue")
    image.paste("red", (0, 0, 240, 320))
    return pictures.encoded(image, "JPEG")


def uploaded_jpeg(name: str = "cat.jpg") -> SimpleUploadedFile:
    """Return the file of ``half_red_jpeg()``, as a form receives it."""
    return SimpleUploadedFile(name, half_red_jpeg(), "image/jpeg")


def upload_count(list_requests: Any) -> int:
    return list_requests().count("POST /pictures")


def displayed_urls(html: str) -> set[str]:
    """Return the URLs of the images that a page links to."""
    return set(re.findall(r'href="([^"]+\.jpeg\.[0-9a-f]{32})"', html))
