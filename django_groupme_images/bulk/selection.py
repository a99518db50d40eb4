"""Pending files in the rows that a user has selected, and their upload within a request."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, FileField, Model, Q, QuerySet

from django_groupme_images.discovery import uses_groupme_storage
from django_groupme_images.storage.names import is_file_name

from .batches import PAGE_SIZE, StoredName
from .columns import Column
from .conditions import conditions_by_kind
from .request_runner import RequestRunner
from .results import Result
from .upload import BulkUpload

__all__ = ["SelectedRows"]


class SelectedRows:
    """
    The rows of a queryset, with all their fields that use ``GroupMeStorage``.

    This includes fields that the model inherits from a parent with its own table.
    """

    def __init__(self, queryset: QuerySet[Any]) -> None:
        # Without a lock, "db" may be a replica, which rows cannot be written to.
        database = queryset.select_for_update().db
        self._rows = queryset.using(database)
        self._columns = [Column(field.model, field, database) for field in _fields(queryset.model)]
        self._conditions = [
            conditions_by_kind(column.field.attname, column.storage) for column in self._columns
        ]

    def count(self) -> Counter[str]:
        """Return the number of stored names of each kind, with one query."""
        total: Counter[str] = Counter()
        # The aliases must differ from the names of fields and annotations.
        kinds: dict[str, str] = {}
        aggregates: dict[str, Count] = {}
        for number, conditions in enumerate(self._conditions):
            for kind, condition in conditions.items():
                alias = f"groupme_images_{number}_{kind}"
                kinds[alias] = kind
                aggregates[alias] = Count("pk", filter=condition, distinct=True)
        for alias, count in self._rows.order_by().aggregate(**aggregates).items():
            total[kinds[alias]] += count
        return total

    def with_pending_files(self) -> list[Any]:
        """Return the first instances with pending files, at most ``PAGE_SIZE``."""
        is_pending = (conditions["pending"] for conditions in self._conditions)
        return list(self._rows.filter(reduce(or_, is_pending, Q(pk__in=[])))[:PAGE_SIZE])

    def upload(self, instances: Iterable[Model]) -> Generator[tuple[Any, Result], None, None]:
        """Upload the pending files of the instances, and yield each instance with the results."""
        owners: dict[tuple[Column, Any], Model] = {}
        rows_by_name: dict[tuple[Any, str], dict[Column, list[Any]]] = defaultdict(dict)
        for instance, column, name in self._pending_files(instances):
            pk = getattr(instance, column.model._meta.pk.attname)
            if (column, pk) in owners:  # A join of the queryset returns the row several times.
                continue
            owners[column, pk] = instance
            rows_by_name[column.storage, name].setdefault(column, []).append(pk)
        files = [StoredName(name, rows) for (_, name), rows in rows_by_name.items()]
        for results in BulkUpload(RequestRunner(self._max_time())).run(files):
            for result in results:
                yield owners[result.column, result.pk], result

    def _pending_files(self, instances: Iterable[Model]) -> Iterator[tuple[Model, Column, str]]:
        for instance in instances:
            for column in self._columns:
                name = getattr(instance, column.field.attname).name
                if is_file_name(name):
                    yield instance, column, name

    def _max_time(self) -> float | None:
        """Return the shortest ``max_upload_time`` of the storages, in seconds."""
        storages = {column.storage for column in self._columns}
        limits = (storage.options()["max_upload_time"].validated(storage) for storage in storages)
        return min((limit for limit in limits if limit is not None), default=None)


def _fields(model: type[Model]) -> Iterator[FileField]:
    for field in model._meta.concrete_fields:
        if isinstance(field, FileField) and uses_groupme_storage(field, evaluate=True):
            yield field
