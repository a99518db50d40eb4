"""
Concurrent uploads: send several files at the same time, while they are saved one after another.

Only the requests are made in other threads. Everything else happens in the calling thread, in the
order of the files: images are prepared, the access token is determined, signals are sent, and files
are saved to the fallback storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, NamedTuple

from django.core.files import File

from django_groupme_images.exceptions import ServiceError, UploadRejected
from django_groupme_images.images.streams import CHUNK_SIZE
from django_groupme_images.measurement import Measurement, measured
from django_groupme_images.pictures import Picture

if TYPE_CHECKING:
    from django.core.files.storage import Storage

    from django_groupme_images.client.client import GroupMeClient
    from django_groupme_images.images.preparation import PreparedImage

    Prepare = Callable[[IO[bytes]], AbstractContextManager[PreparedImage]]

__all__ = [
    "ConcurrentUploads",
    "UploadedContent",
    "content_digest",
    "current_uploads",
    "digest_before_upload",
]

Upload = Callable[[], tuple[Picture, Measurement]]

_current: ContextVar[ConcurrentUploads | None] = ContextVar("concurrent_uploads", default=None)


class UploadedContent(File):  # type: ignore[type-arg]  # File is generic only in the stubs.
    """Content whose upload may have begun. ``upload()`` returns its result."""

    def __init__(self, content: IO[bytes], upload: Upload) -> None:
        super().__init__(content)
        self.upload = upload


class _StartedUpload(NamedTuple):
    """
    An upload in another thread. Only that thread may use the content until the future is done.

    ``digest`` is a hash of the content. ``cleanup`` discards the prepared image.
    """

    content: IO[bytes]
    digest: bytes | None
    image: PreparedImage
    future: Future[Picture]
    measurement: Measurement
    cleanup: ExitStack

    def result(self) -> tuple[Picture, Measurement]:
        """Wait for the upload, and return its result. Raise its exception if it failed."""
        return _result(self.future), self.measurement


class ConcurrentUploads:
    """
    Uploads of ``contents`` within a ``with`` block, in which a storage saves them in this order.

    At most ``limit`` images are prepared and uploaded at the same time. If ``limit`` is 1, the
    calling thread makes the uploads itself, and only when the content is saved.

    After an error that affects all uploads, such as an outage, no more uploads are started, and the
    remaining ones fail with the same error. If ``can_postpone`` is true, images are still prepared,
    because the storage saves them to its fallback.

    If the block raises an exception, the uploads that have begun are finished first. ``report`` is
    called with the name of each file that was uploaded but not saved, and the result of its upload.
    """

    def __init__(
        self,
        storage: Storage,
        contents: Iterable[IO[bytes]],
        *,
        limit: int,
        prepare: Prepare,
        client: GroupMeClient,
        can_postpone: bool,
        report: Callable[[str, Picture, Measurement], None],
    ) -> None:
        self.storage = storage
        self._contents = {id(content): content for content in contents}
        self._waiting = dict(self._contents)
        self._limit = limit
        self._prepare = prepare
        self._client = client
        self._can_postpone = can_postpone
        self._report = report
        self._started: dict[int, _StartedUpload] = {}
        self._rejected: dict[int, ServiceError] = {}
        self._error: ServiceError | None = None

    def __contains__(self, content: IO[bytes]) -> bool:
        return id(content) in self._contents

    @contextmanager
    def run(self) -> Iterator[None]:
        """Make :func:`current_uploads` find these uploads during the block."""
        token = _current.set(self)
        try:
            with ThreadPoolExecutor(self._limit) as self._executor:
                yield
        finally:
            _current.reset(token)
            while self._started:
                self._discard(self._started.pop(next(iter(self._started))))

    def digest(self, content: IO[bytes]) -> bytes | None:
        """Return a hash of the content, from before its upload, which may begin here."""
        self._start_next(content)
        started = self._started.get(id(content))
        return started.digest if started else content_digest(content)

    @contextmanager
    def prepared(self, content: IO[bytes]) -> Iterator[PreparedImage]:
        """Yield the image to upload. Its ``file`` is an :class:`UploadedContent`."""
        self._start_next(content)
        if error := self._rejected.pop(id(content), None):
            raise error
        if upload := self._started.pop(id(content), None):
            with upload.cleanup:
                try:
                    yield self._with_upload(upload.image, upload.result)
                finally:
                    wait([upload.future])
        elif self._error and not (self._can_postpone and self._error.retryable):
            raise copy(self._error)
        else:
            with self._prepare(content) as image:
                yield self._with_upload(image, partial(self._upload_here, image.file))

    def _start_next(self, content: IO[bytes]) -> None:
        """Start the upload of this content, if it has not begun, and those of the next ones."""
        if self._limit == 1 or self._error:
            return
        if id(content) not in self._started and id(content) not in self._rejected:
            self._start(content)
        while self._waiting and len(self._started) < self._limit:
            self._start(next(iter(self._waiting.values())))

    def _start(self, content: IO[bytes]) -> None:
        """Start an upload, or remember why the content is rejected until it is saved."""
        self._waiting.pop(id(content), None)
        with ExitStack() as stack:
            try:
                image = stack.enter_context(self._prepare(content))
            except ServiceError as error:
                # The copy has no traceback, which would keep files open.
                self._rejected[id(content)] = copy(error)
                return
            digest = content_digest(content)
            future, measurement = measured(self._client.start_upload, image.file, self._executor)
            self._started[id(content)] = _StartedUpload(
                content, digest, image, future, measurement, cleanup=stack.pop_all()
            )

    def _with_upload(self, image: PreparedImage, upload: Upload) -> PreparedImage:
        return replace(image, file=UploadedContent(image.file, partial(self._upload, upload)))

    def _upload(self, upload: Upload) -> tuple[Picture, Measurement]:
        """Call ``upload``. Remember an error that affects all uploads."""
        try:
            return upload()
        except UploadRejected:
            raise
        except ServiceError as error:
            self._error = copy(error)  # The copy has no traceback, which would keep files open.
            raise

    def _upload_here(self, content: IO[bytes]) -> tuple[Picture, Measurement]:
        if self._error:
            raise copy(self._error)
        return measured(self._client.upload, content)

    def _discard(self, upload: _StartedUpload) -> None:
        # Nothing waits for this upload, so its failure is not an error.
        with suppress(Exception), upload.cleanup:
            self._report(str(getattr(upload.content, "name", "")), *upload.result())


def _result(future: Future[Picture]) -> Picture:
    error = future.exception()
    if isinstance(error, ServiceError):
        # The tracebacks in the thread refer to its connection, and would keep it open.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        # The future refers to the error, whose new traceback would refer to the future.
        raise copy(error)
    return future.result()


def current_uploads(content: IO[bytes]) -> ConcurrentUploads | None:
    """Return the concurrent uploads that the content is part of, or ``None``."""
    uploads = _current.get()
    return uploads if uploads and content in uploads else None


def digest_before_upload(content: IO[bytes]) -> bytes | None:
    """Return :func:`content_digest` of content that is then saved, which may start its upload."""
    uploads = current_uploads(content)
    return uploads.digest(content) if uploads else content_digest(content)


def content_digest(content: IO[bytes]) -> bytes | None:
    """Return a hash of the content, or ``None`` if it is closed. Its position does not change."""
    digest = hashlib.sha256()
    try:
        position = content.tell()
        content.seek(0)
        while chunk := content.read(CHUNK_SIZE):
            digest.update(chunk)
        content.seek(position)
    except ValueError:
        return None
    return digest.digest()
