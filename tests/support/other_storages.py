"""Storages and fields that other apps of a project define."""

from __future__ import annotations

from typing import Any

from django.core.files.storage import InMemoryStorage, Storage
from django.db import models
from django.utils.functional import LazyObject

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage

BACKEND = "django_groupme_images.storage.GroupMeStorage"


class Lazy(LazyObject):
    """A lazy storage that Django does not evaluate when a field is defined."""

    def __init__(self, storage: Storage | None = None) -> None:
        super().__init__()
        self.__dict__["_storage"] = storage

    def __bool__(self) -> bool:
        return True

    def _setup(self) -> None:
        if self.__dict__["_storage"] is None:
            raise OSError("the bucket does not exist")
        self._wrapped = self.__dict__["_storage"]


def lazily_groupme() -> Lazy:
    return Lazy(GroupMeStorage())


def lazily_in_memory() -> Lazy:
    return Lazy(InMemoryStorage())


class RaisingStorage(InMemoryStorage):
    """A storage of another app whose attributes have the names of options, and raise."""

    @property
    def deferred(self) -> bool:
        raise OSError("the bucket does not exist")

    fallback = cdn_url = deferred


class TenantField(models.ImageField):
    """A field that looks up its storage each time."""

    tenant: Storage | None = InMemoryStorage()

    @property
    def storage(self) -> Storage:
        if self.tenant is None:
            raise OSError("no tenant is active")
        return self.tenant

    @storage.setter
    def storage(self, value: Storage) -> None:
        pass


class GroupMeTenantField(TenantField, GroupMeImageField):
    """A ``GroupMeImageField`` that looks up its storage each time."""


class TenantStorage(GroupMeStorage):
    """A subclass of ``GroupMeStorage`` with an option that raises an error."""

    raising = ""

    def __getattribute__(self, name: str) -> Any:
        if name != "raising" and name == self.raising:
            raise OSError("the tenant with the marked-t0ken is not active")
        return super().__getattribute__(name)


class Subclass(GroupMeStorage):
    """A subclass of ``GroupMeStorage`` without changes."""


class RaisingDefaultStorage(InMemoryStorage):
    def __init__(self) -> None:
        raise OSError("the bucket does not exist")


class RaisingGroupMeStorage(GroupMeStorage):
    def __init__(self) -> None:
        raise OSError("the bucket does not exist")


def forbidden_backend() -> Storage:
    raise AssertionError("recognizing a storage must not create it")
