"""Images in a storage that are recognized by their width."""

from __future__ import annotations

from django.core.files.storage import Storage
from PIL import Image

from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import image_file


def save_image(name: str = "ada.png", width: int = 33, storage: Storage | None = None) -> str:
    """Save an image of this width, and return its name."""
    return (storage or GroupMeStorage()).save(name, image_file(name, width))


def stored_width(name: str, storage: Storage | None = None) -> int:
    """Return the width of a stored image."""
    with (storage or GroupMeStorage()).open(name) as file:
        return Image.open(file).width
