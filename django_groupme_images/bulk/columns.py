"""Columns of fields that use ``GroupMeStorage``: find and replace the names stored in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import Error, connections, router, transaction
from django.db.models import CharField, F, FileField, Func, Model, Q, QuerySet
from django.db.models.lookups import Exact

from django_groupme_images.discovery import groupme_fields, models_in, uses_groupme_storage
from django_groupme_images.pictures import Picture
from django_groupme_images.storage.names import is_file_name

from .conditions import is_on_cdn, is_url, raw_value

__all__ = [
    "ROWS_PER_PAGE",
    "Column",
    "Rows",
    "find_columns",
    "find_columns_of_model",
    "skip_reason",
]

#: The number of rows that a query reads at a time.
ROWS_PER_PAGE = 5_000

#: Primary keys, each with the name that its row contains.
Rows: TypeAlias = list[tuple[Any, str]]

# SQL for a name without its collation, so that an UPDATE compares names exactly. In MySQL, "_bin"
# collations may ignore trailing spaces, and columns and connections may have other character sets.
_EXACT_SQL = {
    "sqlite": "(%(expressions)s COLLATE BINARY)",
    "postgresql": '(%(expressions)s COLLATE "C")',
    "mysql": "CAST(CONVERT(%(expressions)s USING utf8mb4) AS BINARY)",
}


@dataclass(frozen=True)
class Column:
    """
    A file field of a model in a database.

    ``model`` is the model that declares the field, or a child of it in multi-table inheritance. In
    the second case, only the rows of the child are included. ``database`` is an alias in
    ``DATABASES``.
    """

    model: type[Model]
    field: FileField
    database: str

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def storage(self) -> Any:
        """The storage of the field."""
        return self.field.storage

    def rows(self) -> QuerySet[Model]:
        """Return all rows of ``model``, as instances of the model that declares the field."""
        if not self._is_inherited:
            return self._table()
        return self._table().filter(pk__in=self._children().values(self._pk_name))

    def rows_with_names(self, *, urls: bool) -> QuerySet[Model]:
        """Return the rows that contain URLs, or else file names."""
        return self._with_names(self.rows(), urls)

    def name_pages(self, *, urls: bool, size: int | None = None) -> Iterator[Rows]:
        """Yield the rows that contain URLs, or else file names, as primary keys and names."""
        rows = self._table()
        # PostgreSQL would expect few URLs, and therefore sort the whole table for each page.
        rows = self._nonempty(rows) if urls else self._with_names(rows, urls=False)
        for page in self._pages(rows, size):
            yield [(pk, name) for pk, name in page if is_file_name(name) != urls]

    def pages_with(self, names: Collection[str]) -> Iterator[Rows]:
        """Yield the rows that contain one of the names, as primary keys and names."""
        # A collation may ignore case, accents, and trailing spaces.
        similar = self._condition("in", [raw_value(name) for name in names])
        wanted = frozenset(names)
        for page in self._pages(self._table().filter(similar)):
            yield [(pk, name) for pk, name in page if name in wanted]

    def count_urls_off_cdn(self) -> int:
        """Return the number of rows that contain a URL which is not on the CDN of the storage."""
        on_cdn = is_on_cdn(self.field.attname, self.storage.cdn_url)
        return self.rows_with_names(urls=True).exclude(on_cdn).count()

    def current_names(self, pks: Sequence[Any]) -> dict[Any, str]:
        """Return the names that the rows with these primary keys contain now."""
        return dict(self._table().filter(pk__in=pks).values_list("pk", self.field.attname))

    def filter_current(self, name: str, pks: Sequence[Any]) -> list[Any]:
        """Return the primary keys of the rows that still contain the name."""
        return [pk for pk, each in self.current_names(pks).items() if each == name]

    def update_rows(self, name: str, picture: Picture, pks: Sequence[Any]) -> list[Any]:
        """
        Replace the name with the URL of a ``Picture`` in the rows that still contain the name.

        Also set the dimension fields of the model. Return the primary keys of the changed rows.
        """
        pks = self.filter_current(name, pks)
        template = _EXACT_SQL.get(connections[self.database].vendor, "%(expressions)s")
        exact = partial(Func, template=template, output_field=CharField())
        rows = self._table().filter(
            Exact(exact(F(self.field.attname)), exact(raw_value(name))), pk__in=pks
        )
        with transaction.atomic(using=self.database):  # A failure rolls back only this UPDATE.
            changed = rows.update(**self._new_values(picture))
        return pks if changed == len(pks) else self.filter_current(picture.url, pks)

    def _new_values(self, picture: Picture) -> dict[str, Any]:
        values: dict[str, Any] = {self.field.attname: picture.url}
        local_fields = {field.name for field in self.field.model._meta.local_concrete_fields}
        for side in ("width", "height"):
            dimension_field = getattr(self.field, f"{side}_field", None)
            if dimension_field in local_fields and (pixels := getattr(picture, side)):
                values[dimension_field] = pixels
        return values

    def _table(self) -> QuerySet[Model]:
        return QuerySet(self.field.model, using=self.database)  # A manager may hide rows.

    def _children(self) -> QuerySet[Model]:
        return QuerySet(self.model, using=self.database)

    @property
    def _is_inherited(self) -> bool:
        return self.model is not self.field.model

    @property
    def _pk_name(self) -> str:
        return self.field.model._meta.pk.name

    def _with_names(self, rows: QuerySet[Model], urls: bool) -> QuerySet[Model]:
        rows, condition = self._nonempty(rows), is_url(self.field.attname)
        return rows.filter(condition) if urls else rows.exclude(condition)

    def _nonempty(self, rows: QuerySet[Model]) -> QuerySet[Model]:
        return rows.filter(self._condition("gt", raw_value("")))  # This excludes NULL.

    def _pages(self, rows: QuerySet[Model], size: int | None = None) -> Iterator[Rows]:
        """
        Yield the primary keys and the names of the rows, in the order of the primary keys.

        This is keyset pagination: the pages together read the table once, and only one page is in
        memory. A server-side cursor would need a transaction, or a connection that stays open while
        requests are made. Pages grow from ``size`` to ``ROWS_PER_PAGE`` rows.
        """
        size = size or ROWS_PER_PAGE
        pages = page = rows.order_by("pk").values_list("pk", self.field.attname)
        while found := list(page[:size]):
            yield self._own_rows(found)
            if len(found) < size:  # Another query would read the rest of the table.
                return
            page = pages.filter(pk__gt=found[-1][0])
            size = min(4 * size, ROWS_PER_PAGE)

    def _own_rows(self, page: Rows) -> Rows:
        """Return the rows of a page that are also rows of ``model``."""
        if not self._is_inherited:
            return page
        # A subquery in each page would read the child's table from its beginning.
        name = self._pk_name
        # The primary key may be a relation, which does not support the lookup "range".
        limits = {f"{name}__gte": page[0][0], f"{name}__lte": page[-1][0]}
        own = frozenset(self._children().filter(**limits).values_list(name, flat=True))
        return [row for row in page if row[0] in own]

    def _condition(self, lookup: str, value: object) -> Q:
        return Q((f"{self.field.attname}__{lookup}", value))


def find_columns(labels: Sequence[str] = (), database: str | None = None) -> list[Column]:
    """
    Return the columns that use a ``GroupMeStorage``: of all models, or of those in ``labels``.

    A label names an app, a model, or a field (``app``, ``app.Model``, ``app.Model.field``). Each
    column is in the database that its model is written to. With ``database``, only columns of
    tables in that database are returned. Raise ``LookupError`` if a label is invalid, or selects no
    such field.
    """
    tables = None if database is None else set(models_in(database, views=True))
    found: dict[tuple[FileField, type[Model]], Column] = {}
    for model, field in _select_fields(labels):
        if tables is None or field.model in tables:
            alias = database or router.db_for_write(field.model)
            found[field, model] = Column(model, field, alias)
    # The rows of a child model are also rows of its parent, so they must not be processed twice.
    return [
        column
        for (field, model), column in found.items()
        if model is field.model or (field, field.model) not in found
    ]


def find_columns_of_model(label: str, database: str) -> list[Column]:
    """Return the columns that use a ``GroupMeStorage`` and that the model itself declares."""
    model = apps.get_model(label)
    return [Column(model, field, database) for field in groupme_fields([model], evaluate=True)]


def skip_reason(column: Column) -> str:
    """
    Return why the rows of an unmanaged model cannot be processed, or an empty string.

    Django does not create the table of such a model, which may be missing, different, or a view.
    """
    if column.model._meta.managed and column.field.model._meta.managed:
        return ""
    try:
        with transaction.atomic(using=column.database):
            list(column.rows().values_list("pk", column.field.attname)[:1])
            is_table = column.field.model in models_in(column.database)
    except Error as error:
        return str(error)
    return "" if is_table else "it is a database view"


def _select_fields(labels: Sequence[str]) -> Iterator[tuple[type[Model], FileField]]:
    if not labels:
        for field in groupme_fields(evaluate=True):
            yield field.model, field
    for label in labels:
        fields = list(_fields_for_label(label))
        if not fields:
            verb = "does not use" if label.count(".") == 2 else "has no field that uses"
            raise LookupError(f"{label} {verb} GroupMeStorage.")
        yield from fields


def _fields_for_label(label: str) -> Iterator[tuple[type[Model], FileField]]:
    app, *rest = label.split(".")
    if len(rest) > 2:
        raise LookupError(
            f"{label!r} is not a valid label. Use app, app.Model, or app.Model.field."
        )
    models = [apps.get_model(app, rest[0])] if rest else apps.get_app_config(app).get_models()
    for model in models:
        concrete = model._meta.concrete_model or model
        fields = (
            concrete._meta.concrete_fields if len(rest) < 2 else [_get_field(concrete, rest[1])]
        )
        for field in fields:
            if isinstance(field, FileField) and uses_groupme_storage(field, evaluate=True):
                yield concrete, field


def _get_field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist as error:
        raise LookupError(f"{error}.") from None
