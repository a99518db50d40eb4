"""Helpers of the tests of ``groupme_check``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage

from django_groupme_images.bulk.check import OUTCOMES
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.storage import GroupMeStorage
from tests.support.bulk import PHOTO
from tests.testapp.models import Member


class Mirror(InMemoryStorage):
    """A storage that saves only the first bytes of a file while ``is_full`` is true."""

    is_full = False

    def _save(self, name: str, content: Any) -> str:
        if not Mirror.is_full:
            return super()._save(name, content)
        super()._save(name, ContentFile(content.read(10)))
        raise OSError("no space left on device")


def upload_image(content: bytes = PHOTO) -> str:
    """Upload an image, and return its URL."""
    return GroupMeStorage().save("cat.jpg", ContentFile(content))


def create_member(photo: str) -> Member:
    """Create a row with this stored name."""
    return Member.objects.create(photo=photo)


def rename_photo(row: Any, name: str) -> None:
    """Change the stored name of the row without an upload."""
    type(row).objects.filter(pk=row.pk).update(photo=name)
    row.refresh_from_db()


def delete_from_cdn(emulator: EmulatorServer, *urls: str) -> None:
    """Delete images of the emulator, as if the CDN had lost them."""
    for url in urls:
        emulator.app.store.find(url.rpartition("/")[2]).unlink()


def copy_name(row: Any) -> str:
    """Return the name of the copy of the row's image in the mirror."""
    return f"groupme-pictures/{row.photo.name.rpartition('/')[2]}"


def summary(**counts: int) -> str:
    """Return the last line of the output for these counts of outcomes."""
    return ", ".join(f"{counts.get(outcome, 0)} {outcome}" for outcome in OUTCOMES) + "\n"


def count_methods(requests: list[str]) -> Counter[str]:
    """Count "METHOD /path" strings by method."""
    return Counter(line.split()[0] for line in requests)
