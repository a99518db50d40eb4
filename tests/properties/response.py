"""Responses of the image service to uploads, and of the CDN, as bytes."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from typing import Any

from urllib3 import HTTPConnectionPool

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.pictures import CDN_URL, Picture
from django_groupme_images.storage import GroupMeStorage

from . import TOKEN, check_message
from .picture import check_picture

HOST = "http://image.example/"


class ResponseConnection:
    """A connection that discards what is sent, and has already received the response."""

    def __init__(self, response: bytes) -> None:
        self._response = response

    def makefile(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO(self._response)

    def sendall(self, data: bytes) -> None: ...

    def gettimeout(self) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def client_of(response: bytes, cdn_url: str = CDN_URL) -> GroupMeClient:
    """Return a client that receives this response to each request."""

    client = GroupMeClient(
        TOKEN,
        upload_url=f"{HOST}pictures",
        cdn_url=cdn_url,
        max_retries=1,
        wait=lambda seconds, rate_limited: None,
    )
    client._session.trust_env = False  # The environment may contain a proxy.
    manager = client._session.get_adapter(HOST).poolmanager

    class Connection(manager.pool_classes_by_scheme["http"].ConnectionCls):
        is_connected = False  # Each request opens a connection.

        def _new_conn(self) -> Any:
            return ResponseConnection(response)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    manager.pool_classes_by_scheme = {"http": Pool}
    return client


def check_response(response: bytes) -> Picture | ServiceError:
    """Check that an upload returns a ``Picture`` or raises the error of the status."""
    try:
        picture = client_of(response).upload(b"a picture")
    except ServiceError as error:
        _check_error(error)
        return error
    check_picture(picture)
    return picture


def _check_error(error: ServiceError) -> None:
    assert type(error) in kinds_of(error.status)
    check_message(str(error))
    assert TOKEN not in "".join(traceback.format_exception(error))
    assert (getattr(error, "retry_after", None) or 0) >= 0


def kinds_of(status: int | None) -> set[type[ServiceError]]:
    """Return the errors that a status may raise, or that an unreadable response may raise."""
    if status is None:
        return {ServiceUnavailable, UnexpectedResponse}
    if status in (401, 403):
        return {AuthenticationFailed}
    if status in (420, 429):
        return {RateLimited}
    if 500 <= status < 600 or status in (408, 425):
        return {ServiceUnavailable}
    return {UploadRejected if 400 <= status < 500 else UnexpectedResponse}


class Storage(GroupMeStorage):
    """A storage whose CDN sends this response."""

    client: GroupMeClient = None  # In the base class, this is a property.

    def __init__(self, response: bytes) -> None:
        super().__init__(cdn_url=HOST)
        self.client = client_of(response, HOST)


def check_cdn(response: bytes) -> dict[str, Any]:
    """Return the result of each method of the storage, or the expected error that it raises."""
    storage, name = Storage(response), f"{HOST}48x32.png.123456789"
    return {
        "exists": value_or_error(lambda: storage.exists(name)),
        "size": value_or_error(lambda: storage.size(name)),
        "content": value_or_error(lambda: storage.open(name).read()),
        "time": value_or_error(lambda: storage.get_modified_time(name), NotImplementedError),
    }


def value_or_error(call: Callable[[], Any], *expected: type[Exception]) -> Any:
    try:
        return call()
    except (PictureNotFound, ServiceError, *expected) as error:
        check_message(str(error))
        return error
