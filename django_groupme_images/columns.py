"""The columns of the project's models that hold pictures, and what can be asked of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import Error, connections, router, transaction
from django.db.models import CharField, F, FileField, Func, Model, Q, QuerySet, Value
from django.db.models.functions import Left, Lower
from django.db.models.lookups import Exact

from .names import is_file_name
from .pictures import Picture
from .project import file_fields, is_on_groupme, models_in

__all__ = [
    "MOST_ROWS",
    "PAGE",
    "Column",
    "columns",
    "own_columns",
    "unusable",
]

#: So many names make a page.
PAGE = 500
#: So many rows of a name are known at a time; a default picture may be in every row there is.
MOST_ROWS = 500

# A column without its collation, so that an UPDATE compares names exactly. In MySQL, "_bin"
# collations may ignore trailing spaces, and a column may have another character set.
_EXACTLY = {
    "sqlite": "(%(expressions)s COLLATE BINARY)",
    "postgresql": '(%(expressions)s COLLATE "C")',
    "mysql": "CAST(CONVERT(%(expressions)s USING utf8mb4) AS BINARY)",
}


@dataclass(frozen=True)
class Column:
    """A file field of a model in a database. The model may have inherited it."""

    model: type[Model]
    field: FileField
    database: str

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def storage(self) -> Any:
        return self.field.storage

    def rows(self) -> QuerySet[Model]:
        """The rows of the table that has the column: of this model, or all."""
        if self.model is self.field.model:
            return self._table()
        heirs: QuerySet[Model] = QuerySet(self.model, using=self.database)
        return self._table().filter(pk__in=heirs.values(self.field.model._meta.pk.name))

    def having(self, *, addresses: bool, after: str = "") -> QuerySet[Model]:
        """The rows that hold the address of a picture, or else the name of a file."""
        name = self.field.attname
        rows = self.rows().filter(self._is("gt", _raw(after)))  # and so neither NULL nor ""
        # As in names.is_file_name(). PostgreSQL cannot use LIKE with every collation.
        http = Q(Exact(Lower(Left(name, 6)), "http:/"))
        https = Q(Exact(Lower(Left(name, 7)), "https:/"))
        return rows.filter(http | https) if addresses else rows.exclude(http | https)

    def names(self, *, addresses: bool) -> Iterator[list[str]]:
        """The names in it, each once, in pages, in the database's own order."""
        name, after = self.field.attname, ""
        while page := self._page(addresses, after):
            after = page[-1]
            # DISTINCT omits names that the collation takes for one of these.
            found = self._similar(page).values_list(name, flat=True).iterator()
            yield [each for each in set(found) if is_file_name(each) != addresses]

    def _page(self, addresses: bool, after: str) -> list[str]:
        name = self.field.attname
        rows = self.having(addresses=addresses, after=after).order_by(name)
        return list(rows.values_list(name, flat=True).distinct()[:PAGE])

    def count(self, *, addresses: bool) -> int:
        """How many names there are in it, each once."""
        name = self.field.attname
        return self.having(addresses=addresses).values(name).distinct().count()

    def holders(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """By name, the primary keys of the rows that hold it; the first ``MOST_ROWS``."""
        wanted, found = frozenset(names), defaultdict[str, list[Any]](list)
        for pk, name in self._similar(names).values_list("pk", self.field.attname).iterator():
            if name in wanted and len(found[name]) < MOST_ROWS:
                found[name].append(pk)
        return found

    def holding(self, name: str) -> int:
        """How many rows hold the name."""
        found = self._similar([name]).values_list(self.field.attname, flat=True)
        return sum(each == name for each in found.iterator())

    def batches(self, name: str) -> Iterator[list[Any]]:
        """The primary keys of the rows that hold the name, at most ``MOST_ROWS`` at a time."""
        rows = page = self._similar([name]).order_by("pk")
        while found := list(page.values_list("pk", self.field.attname)[:MOST_ROWS]):
            yield [pk for pk, each in found if each == name]
            page = rows.filter(pk__gt=found[-1][0])

    def still(self, name: str, pks: Sequence[Any]) -> list[Any]:
        """Which of these rows hold the name now."""
        rows = self._table().filter(pk__in=pks).values_list("pk", self.field.attname)
        return [pk for pk, each in rows if each == name]

    def swap(self, name: str, picture: Picture, pks: Sequence[Any]) -> list[Any]:
        """Put a picture in the place of a name where it still is: the rows that were changed."""
        pks = self.still(name, pks)
        template = _EXACTLY.get(connections[self.database].vendor, "%(expressions)s")
        found = Func(F(self.field.attname), template=template, output_field=CharField())
        held = self._table().filter(Exact(found, Value(name)), pk__in=pks)
        with transaction.atomic(using=self.database):  # so that a refusal spoils no other row
            changed = held.update(**self._values(picture))
        return pks if changed == len(pks) else self.still(picture.url, pks)

    def _values(self, picture: Picture) -> dict[str, Any]:
        values: dict[str, Any] = {self.field.attname: picture.url}
        own = {field.name for field in self.field.model._meta.local_concrete_fields}
        for side in ("width", "height"):
            column = getattr(self.field, f"{side}_field", None)
            if column in own and (pixels := getattr(picture, side)):
                values[column] = pixels
        return values

    def _table(self) -> QuerySet[Model]:
        return QuerySet(self.field.model, using=self.database)  # A manager may hide rows.

    def _similar(self, names: Sequence[str]) -> QuerySet[Model]:
        """
        The rows that hold one of the names, or another that the collation takes for it.

        A collation may ignore case, accents, and trailing spaces, so callers compare the names.
        """
        return self.rows().filter(self._is("in", [_raw(name) for name in names]))

    def _is(self, lookup: str, value: object) -> Q:
        return Q((f"{self.field.attname}__{lookup}", value))


def columns(labels: Sequence[str] = (), database: str | None = None) -> list[Column]:
    """
    The columns whose storage is a ``GroupMeStorage``: of the models or fields that the
    labels name (``app``, ``app.Model``, ``app.Model.field``), or of every model.

    A column is in the database that its model is written to; or in the one given, if that
    has the table. Raises ``LookupError`` that says what is not there.
    """
    there = None if database is None else set(models_in(database, views=True))
    found: dict[tuple[FileField, type[Model]], Column] = {}
    for model, field in _chosen(labels):
        if there is None or field.model in there:
            place = database or router.db_for_write(field.model)
            found[field, model] = Column(model, field, place)
    # The rows of a child are rows of its parent, too.
    return [
        column
        for (field, model), column in found.items()
        if model is field.model or (field, field.model) not in found
    ]


def own_columns(label: str, database: str) -> list[Column]:
    """The columns on GroupMe that the model of this label declares, in this database."""
    model = apps.get_model(label)
    return [Column(model, field, database) for field in file_fields(model) if is_on_groupme(field)]


def unusable(column: Column) -> str:
    """
    Return why the rows of an unmanaged model cannot be processed, or an empty string.

    Django does not create its table, which may be missing, different, or a view.
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


def _chosen(labels: Sequence[str]) -> Iterator[tuple[type[Model], FileField]]:
    if not labels:
        for model in apps.get_models():
            yield from ((model, field) for field in file_fields(model) if is_on_groupme(field))
    for label in labels:
        fields = list(_labelled(label))
        if not fields:
            raise LookupError(f"{label} has no field whose files go to GroupMe.")
        yield from fields


def _labelled(label: str) -> Iterator[tuple[type[Model], FileField]]:
    app, *rest = label.split(".")
    if len(rest) > 2:
        raise LookupError(f"{label} is neither an app.Model nor an app.Model.field.")
    models = [apps.get_model(app, rest[0])] if rest else apps.get_app_config(app).get_models()
    for model in models:
        concrete = model._meta.concrete_model or model
        fields = concrete._meta.concrete_fields if len(rest) < 2 else [_field(concrete, rest[1])]
        for field in fields:
            if isinstance(field, FileField) and is_on_groupme(field):
                yield concrete, field


def _field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist as error:
        raise LookupError(f"{error}.") from None


def _raw(name: str) -> Value:
    """The name as it is stored; a field would make the URL of a picture what it should be."""
    return Value(name, output_field=CharField())
