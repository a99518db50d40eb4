"""Find the stored file to which a URL from an API response refers, without making a request."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest

from django_groupme_images.forms.uploads import pending_file
from django_groupme_images.storage.names import (
    file_url,
    is_committed,
    picture_from_file,
    picture_from_name,
)

from .nested_serializers import find_instance, iter_values

if TYPE_CHECKING:
    from django.core.files.storage import Storage

__all__ = ["find_stored_file", "is_fallback_url"]

# An attribute of a serializer field: an instance, and the files that the field has in it.
_CACHE_ATTRIBUTE = "_groupme_stored_files"


def find_stored_file(field: Any, url: str) -> FieldFile | None:
    """
    Return the stored file that a serializer field represents by this URL or name, or ``None``.

    The file is a value of the field in the serializer's instance, or in an instance that a nested
    or list serializer reads from it. No other file is found, because a client that guesses a URL
    must not get the file of another object.

    A file that belongs to another instance than the serializer's own can be assigned to any
    instance. Saving that instance keeps the file if no other row has it, and otherwise saves a
    copy.
    """
    file = _stored_files(field).find(url, field.storage)
    if file is None or file.instance is getattr(field.parent, "instance", None):
        return file
    return _as_submitted(file)


def is_fallback_url(url: str, storage: Storage, request: Any = None) -> bool:
    """
    Return whether this is the URL of a file in the storage's fallback. The file need not exist.

    If the URLs of the fallback have no host, the host is that of ``request``, or an allowed one.
    """
    # The URL of a file that is named "x" is the base URL of the fallback, followed by "x".
    url_parts, base_parts = _split(url), _split(file_url(pending_file("x", storage)))
    if not url_parts or not base_parts or not base_parts.path.endswith("x"):
        return False
    host = base_parts.netloc or (request.get_host() if request else "")
    # If all hosts are allowed, the URL may be that of another site.
    is_allowed_host = (
        not base_parts.netloc
        and "*" not in settings.ALLOWED_HOSTS
        and _is_allowed(url_parts.netloc)
    )
    is_in_folder = unquote(url_parts.path).startswith(unquote(base_parts.path[:-1]))
    return is_in_folder and (url_parts.netloc in ("", host) or is_allowed_host)


class _StoredFiles:
    """
    The stored files among the values of a field, found by their name or URL.

    A URL matches if it has the path and the host of the file's URL. If the storage's URLs have no
    host, every allowed host matches, because an API adds the host of each request. The query is
    compared only if the path does not contain the name of the file, because a storage that signs
    its URLs changes the query each time.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        self._by_name: dict[str, FieldFile] = {}
        self._by_path: dict[str, list[tuple[SplitResult, FieldFile]]] = {}
        for value in values:
            if isinstance(value, FieldFile) and value and is_committed(value):
                self._add(value)

    def _add(self, file: FieldFile) -> None:
        picture = picture_from_file(file)
        self._by_name[picture.url if picture else str(file.name)] = file
        if not picture and (parts := _split(file_url(file))):
            self._by_path.setdefault(unquote(parts.path), []).append((parts, file))

    def find(self, url: str, storage: Storage) -> FieldFile | None:
        """Return the file that has this name, or to which this URL refers, or ``None``."""
        picture = picture_from_name(url, storage)
        if file := self._by_name.get(picture.url if picture else url):
            return file
        url_parts = _split(url)
        if url_parts is None:
            return None
        files = self._by_path.get(unquote(url_parts.path), [])
        return next((file for parts, file in files if _refers_to(url_parts, parts, file)), None)


def _stored_files(field: Any) -> _StoredFiles:
    """Return the files that the field has in the instance, read once for all items of a list."""
    instance = find_instance(field)
    cached = vars(field).get(_CACHE_ATTRIBUTE)
    if cached is None or cached[0] is not instance:
        cached = instance, _StoredFiles(iter_values(field))
        setattr(field, _CACHE_ATTRIBUTE, cached)
    files: _StoredFiles = cached[1]
    return files


def _as_submitted(file: FieldFile) -> FieldFile:
    """
    Return a copy of the value that can be assigned to any instance.

    It has a ``submitted_name``, so it is treated like the pending file of a form.
    """
    value: Any = copy(file)
    name = getattr(file, "submitted_name", None)
    value.submitted_name = posixpath.basename(str(file.name)) if name is None else name
    return cast("FieldFile", value)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url else None
    except ValueError:
        return None


def _refers_to(url: SplitResult, stored_url: SplitResult, file: FieldFile) -> bool:
    """Return whether a URL, which has the path of the file's own URL, refers to the file."""
    is_same_host = url.netloc == stored_url.netloc or (
        not stored_url.netloc and _is_allowed(url.netloc)
    )
    is_name_in_path = unquote(stored_url.path).endswith(str(file.name))
    return is_same_host and (is_name_in_path or url.query == stored_url.query)


def _is_allowed(host: str) -> bool:
    """Return whether Django accepts requests to the host."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    with suppress(DisallowedHost):
        return bool(request.get_host())
    return False
