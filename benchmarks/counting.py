"""What some work asks of the database, the cache and the storage."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True)
class Asked:
    """
    How often. Of the cache and the storage, by the names of their methods.

    A storage's ``url()``, which is no I/O, stands alone.
    """

    queries: int = 0
    cache: Counter[str] = field(default_factory=Counter)
    storage: Counter[str] = field(default_factory=Counter)
    urls: int = 0

    def numbers(self) -> dict[str, int]:
        cache, storage = self.cache.total(), self.storage.total()
        return {"queries": self.queries, "cache": cache, "storage": storage, "urls": self.urls}


def asked_by(work: Callable[[], object]) -> Asked:
    from django.core.cache.backends.dummy import DummyCache
    from django.core.cache.backends.locmem import LocMemCache
    from django.core.files.storage import FileSystemStorage
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from django_groupme_images.client import GroupMeClient
    from django_groupme_images.storage import GroupMeStorage

    with (
        CaptureQueriesContext(connection) as queries,
        _calls(LocMemCache, DummyCache) as cache,
        _calls(FileSystemStorage, GroupMeStorage, GroupMeClient) as storage,
    ):
        work()
    urls = storage.pop("url", 0)
    return Asked(len(queries), cache, storage, urls)


@contextmanager
def _calls(*classes: type) -> Iterator[Counter[str]]:
    """Count the calls of their public methods, but for those that they make themselves."""
    found: Counter[str] = Counter()
    inside = False

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return method(*args, **kwargs)
            found[name] += 1
            inside = True
            try:
                return method(*args, **kwargs)
            finally:
                inside = False

        return call

    with ExitStack() as stack:
        for cls in classes:
            for name, method in inspect.getmembers_static(cls, inspect.isfunction):
                if not name.startswith("_"):
                    stack.enter_context(patch.object(cls, name, counting(name, method)))
        yield found
