"""The image service as a WSGI application."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from django_groupme_images.pictures import VARIANTS

from .control import CONTROL_PREFIX, Control
from .faults import Fault, FaultQueue
from .http import ConnectionDropped, HTTPError, Request, Response, dispatch
from .origins import Origins, cors_headers
from .request_log import Entry, RequestLog
from .sources import fetch_url, write_upload
from .store import PictureStore, image_format
from .thumbnails import NotAnImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from .assumptions import Assumptions

__all__ = ["EmulatorApp"]

logger = logging.getLogger(__name__)

# The name of an image, and any suffixes.
_IMAGE_PATH = re.compile(r"/((?:[0-9]+x[0-9]+\.[a-z][a-z0-9+-]*\.)?[0-9A-Za-z_-]+)((?:\.[^./]*)*)")


class EmulatorApp:
    """
    WSGI application with the upload endpoint ``POST /pictures`` and the CDN on one host.

    If ``token`` is set, only this token is accepted; otherwise, any token is. Setting the event
    ``stopping`` ends all delays and fetches. ``log`` is called with one line of ASCII for each
    request. The line does not contain a token, and an ``OSError`` or ``ValueError`` of ``log`` is
    ignored. ``fetch`` takes a URL, and yields its content in blocks of bytes or raises
    ``HTTPError``. By default, URLs are fetched from this machine and the internet, or with
    ``allow_private_urls`` from any network. ``taken`` is called with the request and the image's
    URL after each successful upload.

    The ``Host`` of a request must be a loopback name, an IP address, or one of ``allowed_hosts``.
    Its ``Origin``, if any, must be a loopback host on any port, or one of ``allowed_hosts``.
    ``"*"`` accepts every ``Host``.

    Two faults close the connection. They raise ``ConnectionDropped``, a subclass of
    ``ConnectionError``, which the WSGI server must handle.
    """

    def __init__(
        self,
        store: PictureStore,
        *,
        token: str | None = None,
        allowed_hosts: Iterable[str] = (),
        allow_private_urls: bool = False,
        stopping: Event | None = None,
        log: Callable[[str], object] = logger.debug,
        fetch: Callable[[str], Iterator[bytes]] | None = None,
        taken: Callable[[Request, str], object] | None = None,
    ) -> None:
        self.store = store
        self.record = RequestLog()
        self.faults = FaultQueue()
        self._token = token
        self._origins = Origins(allowed_hosts)
        self._stopping = stopping or Event()
        self._log = log
        self._fetch = fetch or partial(
            fetch_url, stopping=self._stopping, allow_private_urls=allow_private_urls
        )
        self._taken = taken

    @property
    def assumptions(self) -> Assumptions:
        """The choices for undocumented behavior of the service."""
        return self.store.assumptions

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            self._origins.check(request)
        except HTTPError as error:
            response = Response.error(error.status, str(error))
            self._write_log(Entry.from_request(request, response.status))
        else:
            response = self._dispatch(request)
            response.headers = cors_headers(request, response) | response.headers
        return response.send(start_response, with_body=request.method != "HEAD")

    def _dispatch(self, request: Request) -> Response:
        if request.path.startswith(CONTROL_PREFIX):
            return self._catch_errors(request, Control(self.record, self.faults, self._reset))
        return self._handle_and_log(request)

    def _handle_and_log(self, request: Request) -> Response:
        entry = self.record.add(request)
        try:
            response = self._catch_errors(request, self._apply_faults)
            entry.status = response.status
        finally:
            entry.body_bytes = request.bytes_read
            self._write_log(entry)
        return response

    def _write_log(self, entry: Entry) -> None:
        # The reader of the log may have closed the pipe, as ``head`` does.
        with suppress(OSError, ValueError):
            self._log(str(entry))

    def _catch_errors(self, request: Request, respond: Callable[[Request], Response]) -> Response:
        """
        Return the response, or an error response if an exception is raised.

        A ``ConnectionError`` propagates, because it closes the connection.
        """
        try:
            return respond(request)
        except HTTPError as error:
            return Response.error(error.status, str(error), error.code)
        except NotAnImage as error:
            return Response.error(400, str(error))
        except ConnectionError:
            raise
        except Exception:
            logger.exception("Internal error of the emulator")
            return Response.error(500, "internal error of the emulator")

    def _apply_faults(self, request: Request) -> Response:
        """Respond as the service does, or according to a fault."""
        fault = self.faults.consume(request)
        if fault is None:
            return self._route(request)
        if fault.kind == "delay":
            self._stopping.wait(fault.seconds)
            return self._route(request)
        if fault.kind == "half":
            response = self._route(request)
            response.is_truncated = True
            return response
        return self._fault_response(request, fault)

    def _fault_response(self, request: Request, fault: Fault) -> Response:
        if not fault.before_body:
            for _ in request.iter_body():
                pass
        if fault.kind == "drop":
            raise ConnectionDropped("injected fault")
        return fault.response()

    def _route(self, request: Request) -> Response:
        if request.path == "/pictures":
            return dispatch(request, {"POST": self._upload})
        return dispatch(request, {"GET": self._image, "HEAD": self._image})

    def _upload(self, request: Request) -> Response:
        # The token of a form can be in its body, which must be read first.
        if request.token or "url" in request.query or not request.is_form:
            self._authenticate(request)
        accept_chunks = self.assumptions.accepts_chunked_bodies
        with self.store.incoming() as path:
            write_upload(request, path, fetch=self._fetch, accept_chunks=accept_chunks)
            self._authenticate(request)
            url = request.base_url + self.store.add(path)
        if self._taken:
            self._taken(request, url)
        payload = {"url": url}
        if self.assumptions.answer_with_picture_url:
            payload["picture_url"] = url
        return Response.json({"payload": payload}, self.assumptions.upload_status)

    def _authenticate(self, request: Request) -> None:
        if not request.token or request.token != (self._token or request.token):
            raise HTTPError(401, "unauthorized", self.assumptions.unauthorized_code)

    def _image(self, request: Request) -> Response:
        match = _IMAGE_PATH.fullmatch(request.path)
        original = self.store.find(match[1]) if match else None
        if match is None or original is None:
            return _missing_image(self.assumptions.missing_status)
        suffixes = match[2].split(".")[1:]
        if len(suffixes) > 1 and self.assumptions.suffix_on_suffix_is_missing:
            return _missing_image(404)
        try:
            if len(suffixes) == 1 and suffixes[0] in VARIANTS:
                if not self.store.has_thumbnails(original):
                    return _missing_image(self.assumptions.missing_status)
                return _file_response(self.store.thumbnail(original, suffixes[0]), original)
            return _file_response(original, original)
        except FileNotFoundError:
            if original.exists():
                raise
            return _missing_image(self.assumptions.missing_status)

    def _reset(self) -> None:
        self.faults.clear()
        self.store.clear()
        self.record.clear()


def _file_response(path: Path, original: Path) -> Response:
    """Return a file, with the modification time of the ``original`` image."""
    file = path.open("rb")
    return Response(
        200,
        file,
        {
            "Content-Type": f"image/{image_format(path)}",
            "Last-Modified": formatdate(original.stat().st_mtime, usegmt=True),
        },
        length=path.stat().st_size,
    )


def _missing_image(status: int) -> Response:
    """Return S3's response for a missing or private file (observed)."""
    code = "AccessDenied" if status == 403 else "NoSuchKey"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Response(status, body.encode(), {"Content-Type": "application/xml"})
