"""What the service answers to an upload, or the CDN, as bytes on the wire."""

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

from . import TOKEN, check_words
from .picture import check_picture

HOST = "http://image.example/"


class Wire:
    """A connection that takes everything, and on which the answer has come already."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *args: Any, **kwargs: Any) -> io.BytesIO:
        return io.BytesIO(self._answer)

    def sendall(self, data: bytes) -> None: ...

    def gettimeout(self) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def client_of(answer: bytes, cdn_url: str = CDN_URL) -> GroupMeClient:
    """A client of a service that answers so to whatever it is asked."""

    client = GroupMeClient(
        TOKEN,
        upload_url=f"{HOST}pictures",
        cdn_url=cdn_url,
        max_retries=1,
        wait=lambda seconds, for_all: None,
    )
    client._session.trust_env = False  # no proxy of this machine's
    manager = client._session.get_adapter(HOST).poolmanager

    class Connection(manager.pool_classes_by_scheme["http"].ConnectionCls):
        is_connected = False  # any more: each request has a connection of its own

        def _new_conn(self) -> Any:
            return Wire(answer)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

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
    if 500 <= status < 600 or status in (408, 425):
        return {ServiceUnavailable}
    return {UploadRejected if 400 <= status < 500 else UnexpectedResponse}


class Storage(GroupMeStorage):
    """A storage whose CDN answers so."""

    client: GroupMeClient = None  # a property there

    def __init__(self, answer: bytes) -> None:
        super().__init__(cdn_url=HOST)
        self.client = client_of(answer, HOST)


def check_cdn(answer: bytes) -> dict[str, Any]:
    """What the storage's methods make of it: a value, or an error that they are known to raise."""
    storage, name = Storage(answer), f"{HOST}48x32.png.123456789"
    return {
        "exists": known(lambda: storage.exists(name)),
        "size": known(lambda: storage.size(name)),
        "content": known(lambda: storage.open(name).read()),
        "time": known(lambda: storage.get_modified_time(name), NotImplementedError),
    }


def known(call: Callable[[], Any], *more: type[Exception]) -> Any:
    try:
        return call()
    except (PictureNotFound, ServiceError, *more) as error:
        check_words(str(error))
        return error
