"""The field and the base class of its values that replace those of Django in its tests."""

from __future__ import annotations

import os
from typing import Any

from django.core.files.storage import Storage
from django.db.models.fields import files

from django_groupme_images import fields
from django_groupme_images.storage import GroupMeStorage

STATES = {
    "up": "the service is up",
    "down": "the service is down, with a fallback",
    "deferred": "deferred",
    "other": "another storage",
}
VALUES = {"django": files.ImageFieldFile, "groupme": fields.GroupMeImageFieldFile}

STATE = os.environ.get("DJANGO_SUITE_STATE", "up")
VALUE = os.environ.get("DJANGO_SUITE_VALUE", "groupme")

ImageFieldFile = VALUES[VALUE]

#: The storages of the models in Django's tests, by class name.
_storages: dict[str, Storage] = {}


def named_storage(alias: str) -> Storage:
    """Return the storage of a model. This is the backend of each alias in ``STORAGES``."""
    return _storages[alias]


class GroupMeImageField(fields.GroupMeImageField):
    """The field in the state under test. Its fallback is the storage of the field in the model."""

    def __init__(self, *args: Any, storage: Storage, **kwargs: Any) -> None:
        alias = type(storage).__name__
        _storages.setdefault(alias, storage)
        options = {
            "up": {},
            "down": {"fallback": alias},
            "deferred": {"fallback": alias, "deferred": True},
        }
        if STATE in options:
            storage = GroupMeStorage(**options[STATE])
        super().__init__(*args, storage=storage, **kwargs)
