"""The image service as a WSGI application."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from ..pictures import VARIANTS
from .control import CONTROL, Control
from .faults import Fault, Faults
from .fetching import fetched
from .messages import Answer, ConnectionDropped, Refused, Request, dispatch
from .origins import Origins, cors_headers
from .record import Entry, Record
from .store import NotAnImage, PictureStore, image_format
from .uploads import receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from .assumptions import Assumptions

__all__ = ["EmulatorApp"]

logger = logging.getLogger(__name__)

# A picture's name, and whatever suffixes follow it.
_PICTURE_PATH = re.compile(
    r"/((?:[0-9]+x[0-9]+\.[a-z][a-z0-9+-]*\.)?[0-9A-Za-z_-]+)((?:\.[^./]*)*)"
)


class EmulatorApp:
    """
    ``POST /pictures`` and the CDN, on one host.

    With a ``token``, no other token is accepted. ``stopping`` ends every wait once it is set.
    ``log`` is called with one line of ASCII for each request; the line never contains a token,
    and an error of ``log`` changes no response. ``fetch`` yields the bytes at a URL, a block at
    a time, or raises ``Refused``; without it, URLs are fetched from this machine and the
    internet, and with ``allow_private_urls`` from any network. ``taken`` is called with each
    upload that became a picture, and the picture's URL.

    The ``Host`` of a request is a loopback name, an IP address, or one of ``allowed_hosts``, and
    its ``Origin``, if there is one, a loopback host on any port, or one of ``allowed_hosts``;
    ``"*"`` accepts every ``Host``.

    Two faults close the connection. They raise ``ConnectionDropped``, a
    ``ConnectionError``, to the WSGI server.
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
        self.record = Record()
        self.faults = Faults()
        self._token = token
        self._origins = Origins(allowed_hosts)
        self._stopping = stopping or Event()
        self._log = log
        self._fetch = fetch or partial(
            fetched, stopping=self._stopping, allow_private_urls=allow_private_urls
        )
        self._taken = taken

    @property
    def assumptions(self) -> Assumptions:
        """What was chosen where the real service is unknown."""
        return self.store.assumptions

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            self._origins.check(request)
        except Refused as error:
            answer = Answer.error(error.status, str(error))
            self._write_log(Entry.of(request, answer.status))
        else:
            answer = self._answer(request)
            answer.headers = cors_headers(request, answer) | answer.headers
        return answer.send(start_response, with_body=request.method != "HEAD")

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(CONTROL):
            return self._guarded(request, Control(self.record, self.faults, self._reset))
        return self._recorded(request)

    def _recorded(self, request: Request) -> Answer:
        entry = self.record.add(request)
        try:
            answer = self._guarded(request, self._faulted)
            entry.status = answer.status
        finally:
            entry.body_bytes = request.received
            self._write_log(entry)
        return answer

    def _write_log(self, entry: Entry) -> None:
        # The reader of the log may be gone, as with "| head".
        with suppress(OSError, ValueError):
            self._log(str(entry))

    def _guarded(self, request: Request, respond: Callable[[Request], Answer]) -> Answer:
        """The answer, or what an error is to the client; a lost connection stays an error."""
        try:
            return respond(request)
        except Refused as error:
            return Answer.error(error.status, str(error), error.code)
        except NotAnImage as error:
            return Answer.error(400, str(error))
        except ConnectionError:
            raise
        except Exception:
            logger.exception("The emulator failed")
            return Answer.error(500, "the emulator failed")

    def _faulted(self, request: Request) -> Answer:
        fault = self.faults.take(request)
        if fault is None:
            return self._service(request)
        if fault.kind == "delay":
            self._stopping.wait(fault.seconds)
            return self._service(request)
        if fault.kind == "half":
            answer = self._service(request)
            answer.is_half = True
            return answer
        return self._failed(request, fault)

    def _failed(self, request: Request, fault: Fault) -> Answer:
        if not fault.before_body:
            for _ in request.blocks():
                pass
        if fault.kind == "drop":
            raise ConnectionDropped("a fault that was asked for")
        return fault.answer()

    def _service(self, request: Request) -> Answer:
        if request.path == "/pictures":
            return dispatch(request, {"POST": self._upload})
        return dispatch(request, {"GET": self._picture, "HEAD": self._picture})

    def _upload(self, request: Request) -> Answer:
        # A form is read first, because it can contain the token.
        if request.token or "url" in request.query or not request.is_form:
            self._authenticate(request)
        accept_chunks = self.assumptions.accepts_chunked_bodies
        with self.store.incoming() as path:
            receive(request, path, fetch=self._fetch, accept_chunks=accept_chunks)
            self._authenticate(request)
            url = request.base_url + self.store.add(path)
        if self._taken:
            self._taken(request, url)
        payload = {"url": url}
        if self.assumptions.answer_with_picture_url:
            payload["picture_url"] = url
        return Answer.json({"payload": payload}, self.assumptions.upload_status)

    def _authenticate(self, request: Request) -> None:
        if not request.token or request.token != (self._token or request.token):
            raise Refused(401, "unauthorized", self.assumptions.unauthorized_code)

    def _picture(self, request: Request) -> Answer:
        match = _PICTURE_PATH.fullmatch(request.path)
        picture = self.store.find(match[1]) if match else None
        if match is None or picture is None:
            return _missing(self.assumptions.missing_status)
        suffixes = match[2].split(".")[1:]
        if len(suffixes) > 1 and self.assumptions.suffix_on_suffix_is_missing:
            return _missing(404)
        try:
            if len(suffixes) == 1 and suffixes[0] in VARIANTS:
                return _image(self.store.thumbnail(picture, suffixes[0]), picture)
            return _image(picture, picture)
        except FileNotFoundError:
            if picture.exists():
                raise
            return _missing(self.assumptions.missing_status)

    def _reset(self) -> None:
        self.faults.clear()
        self.store.clear()
        self.record.clear()


def _image(path: Path, picture: Path) -> Answer:
    """A file as an answer; a thumbnail is as old as its picture."""
    file = path.open("rb")
    return Answer(
        200,
        file,
        {
            "Content-Type": f"image/{image_format(path)}",
            "Last-Modified": formatdate(picture.stat().st_mtime, usegmt=True),
        },
        length=path.stat().st_size,
    )


def _missing(status: int) -> Answer:
    """What S3 says of a file that is not there, or not for everybody (seen)."""
    code = "AccessDenied" if status == 403 else "NoSuchKey"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})
