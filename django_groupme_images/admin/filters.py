"""List filter of the admin by where images are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count, Field, QuerySet
from django.utils.translation import gettext_lazy as _

from django_groupme_images.bulk.conditions import conditions_by_kind
from django_groupme_images.discovery import uses_groupme_storage
from django_groupme_images.fields import GroupMeImageField

__all__ = ["LABELS", "GroupMeImageFilter"]

#: The choices of the filter, by the kind of a stored name.
LABELS = {
    "groupme": _("On GroupMe"),
    "pending": _("Pending"),
    "empty": _("Empty"),
    "other": _("Other URL"),
}


class GroupMeImageFilter(admin.FieldListFilter):
    """
    List filter by the state of an image. It has these choices:

    ==============  ==============================================================================
    *On GroupMe*    The stored name starts with the URL of GroupMe's CDN or with ``cdn_url``.
    *Pending*       The stored name is the name of a file that is not uploaded yet.
    *Empty*         There is no stored name, or no related object.
    *Other URL*     The stored name is another URL, which most methods of the storage reject.
    ==============  ==============================================================================

    Each row is in exactly one of them. If the filter follows a relation to several objects, a row
    can be in more than one.

    The admin uses this filter for each ``GroupMeImageField`` whose name is in ``list_filter``. For
    another field that uses ``GroupMeStorage``, name both::

        list_filter = [("photo", GroupMeImageFilter)]

    The filter makes no queries of its own, except one if the admin displays facets. It is hidden if
    the field does not use ``GroupMeStorage``, for example in tests.
    """

    def __init__(
        self,
        field: Any,
        request: Any,
        params: Any,
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        self._parameter = f"{field_path}__kind"
        self._conditions = conditions_by_kind(field_path, field.storage)
        super().__init__(field, request, params, model, model_admin, field_path)
        values: Any = self.used_parameters.get(self._parameter)
        self._kind = values and values[-1]

    def has_output(self) -> bool:
        return bool(uses_groupme_storage(self.field, evaluate=True))  # type: ignore[arg-type]

    def expected_parameters(self) -> list[str | None]:
        return [self._parameter]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self._kind is None:
            return queryset
        if self._kind not in self._conditions:
            raise IncorrectLookupParameters
        return queryset.filter(self._conditions[self._kind])

    def get_facet_counts(self, pk_attname: str, filtered_qs: QuerySet[Any]) -> dict[str, Any]:
        return {
            self._alias(kind): Count(pk_attname, filter=condition)
            for kind, condition in self._conditions.items()
        }

    def _alias(self, kind: str) -> str:
        # A field may be named like a kind.
        return f"{self._parameter}_{kind}"

    def choices(self, changelist: Any) -> Iterator[Any]:
        counts = self.get_facet_queryset(changelist) if changelist.add_facets else {}
        yield {
            "selected": self._kind is None,
            "query_string": changelist.get_query_string(remove=[self._parameter]),
            "display": _("All"),
        }
        for kind, label in LABELS.items():
            yield {
                "selected": self._kind == kind,
                "query_string": changelist.get_query_string({self._parameter: kind}),
                "display": f"{label} ({counts[self._alias(kind)]})" if counts else label,
            }


def _uses_filter(field: Field[Any, Any]) -> bool:
    return isinstance(field, GroupMeImageField) and bool(uses_groupme_storage(field, evaluate=True))


# Django's own filter would list the URL of each image.
admin.FieldListFilter.register(_uses_filter, GroupMeImageFilter, take_priority=True)
