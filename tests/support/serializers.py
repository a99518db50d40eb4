"""Helpers of the tests of the serializer field."""

from __future__ import annotations

import json
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.test import RequestFactory
from django.utils.crypto import get_random_string
from rest_framework.test import APIClient

from tests.testapp.models import Album

from .field_data import PHOTO
from .urls_of_pictures import LARGE

#: Hosts of the project; the fixture "allowed_hosts" allows them.
HOST, OTHER_HOST = "club.example.com", "api.example.com"

#: The representation of the URL ``LARGE`` by a field with ``variants=True``.
VARIANTS = {
    "url": LARGE,
    "width": 4032,
    "height": 3024,
    "format": "jpeg",
    "preview": f"{LARGE}.preview",
    "large": f"{LARGE}.large",
    "avatar": f"{LARGE}.avatar",
}


def get_json(api: APIClient, url: str) -> Any:
    response = api.get(url)
    assert response.status_code == 200
    return response.json()


def context(host: str | None) -> dict[str, Any]:
    """Return a serializer context with a request to this host, or without a request."""
    return {"request": RequestFactory().get("/", headers={"host": host})} if host else {}


def as_json(data: Any) -> Any:
    """Return the data as a client receives it."""
    return json.loads(json.dumps(data))


def validated(serializer: Any) -> Any:
    assert serializer.is_valid(), serializer.errors
    return serializer.validated_data


def error_codes(serializer: Any) -> list[str]:
    assert not serializer.is_valid()
    return [error.code for error in serializer.errors["photo"]]


def save_pending(storage: Storage, name: str = "") -> str:
    """Save an image in the fallback storage, and return its name."""
    # The name is random, because rows of other tests that are still in memory may have a
    # fixed one.
    return storage.save(name or f"photos/{get_random_string(7)}.png", ContentFile(PHOTO))


def stored_names(album: Album) -> list[str]:
    return [photo.picture.name for photo in album.photo_set.order_by("pk")]
