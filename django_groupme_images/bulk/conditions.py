"""Conditions for queries by the kind of a stored name: a URL, the name of a file, or nothing."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Q, Value
from django.db.models.functions import Left, Lower
from django.db.models.lookups import Exact

from django_groupme_images.pictures import CDN_URL

__all__ = ["conditions_by_kind", "is_on_cdn", "is_url", "raw_value"]


def conditions_by_kind(path: str, storage: Any) -> dict[str, Q]:
    """
    Return a condition for each kind of stored name. A row matches exactly one of them.

    ``path`` is the name of a field, or a path of relations to it, and ``storage`` the storage of
    the field. The kinds are ``"groupme"``, ``"pending"``, ``"empty"``, and ``"other"``, which is a
    URL on another host.
    """
    # picture_from_name() accepts the same CDNs, but also compares the rest of the URL.
    on_cdn = is_on_cdn(path, CDN_URL, getattr(storage, "cdn_url", CDN_URL))
    return {
        "groupme": on_cdn,
        # A negated lookup would exclude each object that has one such row behind a relation.
        "pending": Q((f"{path}__gt", raw_value(""))) & ~is_url(path),
        "empty": Q((f"{path}__isnull", True)) | Q((path, raw_value(""))),
        "other": is_url(path) & ~on_cdn,
    }


def is_url(path: str) -> Q:
    """Return the condition that a stored name is a URL, on any host."""
    # These are the URLs of is_file_name(). PostgreSQL cannot use LIKE with every collation.
    http = Q(Exact(Lower(Left(path, 6)), "http:/"))
    https = Q(Exact(Lower(Left(path, 7)), "https:/"))
    return http | https


def is_on_cdn(path: str, *cdn_urls: str) -> Q:
    """Return the condition that a stored name starts with the URL of one of the CDNs."""
    condition = Q()
    for cdn_url in cdn_urls:
        prefix = f"{cdn_url.rstrip('/')}/"
        # Old data contains both schemes.
        for each in (prefix, prefix.replace("https:", "http:", 1)):
            condition |= Q(Exact(Left(path, len(each)), raw_value(each)))
    return condition


def raw_value(name: str) -> Value:
    """Return a query value that the field's ``get_prep_value()`` does not normalize."""
    return Value(name, output_field=CharField())
