"""What the service answers to an upload, as bytes on the wire."""

from __future__ import annotations

import io
import traceback
from typing import Any

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from django_groupme_images.client import GroupMeClient
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.pictures import Picture

from . import TOKEN, check_words
from .picture import check_picture


class Wire:
    """A connection that takes everything, and on which the answer has come already."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *args: Any) -> io.BytesIO:
        return io.BytesIO(self._answer)

    def sendall(self, data: bytes) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def client_of(answer: bytes) -> GroupMeClient:
    """A client of a service that answers so to whatever it is asked."""

    class Connection(HTTPConnection):
        def _new_conn(self) -> Any:
            return Wire(answer)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    url = "http://image.example/pictures"
    client = GroupMeClient(TOKEN, upload_url=url, max_retries=0)
    manager = client._session.get_adapter(url).poolmanager  # type: ignore[attr-defined]
    manager.pool_classes_by_scheme = {"http": Pool}
    return client


def check_answer(answer: bytes) -> Picture | ServiceError:
    """A picture on the CDN comes of it, or the error that its status means, in harmless words."""
    try:
        picture = client_of(answer).upload(b"a picture")
    except ServiceError as error:
        _check_error(error)
        return error
    check_picture(picture)
    return picture


def _check_error(error: ServiceError) -> None:
    assert type(error) in kinds_of(error.status)
    check_words(str(error))
    assert TOKEN not in "".join(traceback.format_exception(error))
    assert (getattr(error, "retry_after", None) or 0) >= 0


def kinds_of(status: int | None) -> set[type[ServiceError]]:
    """What an answer of this status, or none that could be read, may mean."""
    if status is None:
        return {ServiceUnavailable, UnexpectedResponse}
    if status in (401, 403):
        return {AuthenticationFailed}
    if status in (420, 429):
        return {RateLimited}
    if 400 <= status < 500:
        return {UploadRejected}
    return {ServiceUnavailable if 500 <= status < 600 else UnexpectedResponse}
