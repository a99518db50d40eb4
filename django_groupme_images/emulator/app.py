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
from .faults import Fault, Faults
from .fetching import fetched
from .messages import Answer, ConnectionDropped, Refused, Request
from .record import Record
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

_CONTROL = "/_emulator/"


class EmulatorApp:
    """
    ``POST /pictures`` and the CDN, on one host.

    With a ``token``, no other is accepted. ``stopping`` ends every wait once it is set.
    ``log`` takes one line of ASCII for each request that was answered; no token is ever
    in it, and a log that cannot be written changes no answer. ``fetch`` gives the bytes behind
    a URL, a block at a time, or raises ``Refused``. ``taken`` is called with each upload that
    became a picture, and the picture's URL.

    Two faults close the connection. They raise ``ConnectionDropped``, a
    ``ConnectionError``, to the WSGI server.
    """

    def __init__(
        self,
        store: PictureStore,
        *,
        token: str | None = None,
        stopping: Event | None = None,
        log: Callable[[str], object] = logger.debug,
        fetch: Callable[[str], Iterator[bytes]] | None = None,
        taken: Callable[[Request, str], object] | None = None,
    ) -> None:
        self.store = store
        self.record = Record()
        self.faults = Faults()
        self._token = token
        self._stopping = stopping or Event()
        self._log = log
        self._fetch = fetch or partial(fetched, stopping=self._stopping)
        self._taken = taken

    @property
    def assumptions(self) -> Assumptions:
        """What was chosen where the real service is unknown."""
        return self.store.assumptions

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith(_CONTROL):
            answer = self._guarded(request, self._control)
        else:
            answer = self._recorded(request)
        return answer.send(start_response, with_body=request.method != "HEAD")

    def _recorded(self, request: Request) -> Answer:
        entry = self.record.add(request)
        try:
            answer = self._guarded(request, self._faulted)
            entry.status = answer.status
        finally:
            entry.body_bytes = request.received
            # Who read the log may be gone, as "| head" is.
            with suppress(OSError, ValueError):
                self._log(str(entry))
        return answer

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
            _allow(request, "POST")
            return self._upload(request)
        _allow(request, "GET", "HEAD")
        return self._picture(request.path)

    def _upload(self, request: Request) -> Answer:
        if not request.token or request.token != (self._token or request.token):
            raise Refused(401, "unauthorized", self.assumptions.unauthorized_code)
        with self.store.incoming() as path:
            receive(request, path, self._fetch)
            url = request.base_url + self.store.add(path)
        if self._taken:
            self._taken(request, url)
        payload = {"url": url}
        if self.assumptions.answer_with_picture_url:
            payload["picture_url"] = url
        return Answer.json({"payload": payload})

    def _picture(self, path: str) -> Answer:
        match = _PICTURE_PATH.fullmatch(path)
        picture = self.store.find(match[1]) if match else None
        if match is None or picture is None:
            return _missing(self.assumptions.missing_status)
        suffixes = match[2].split(".")[1:]
        if len(suffixes) > 1 and self.assumptions.suffix_on_suffix_is_missing:
            return _missing(404)
        if len(suffixes) == 1 and suffixes[0] in VARIANTS:
            return _image(self.store.thumbnail(picture, suffixes[0]), picture)
        return _image(picture, picture)

    def _control(self, request: Request) -> Answer:
        if request.is_of_another_site:
            raise Refused(403, "not for the pages of other sites")
        name = request.path.removeprefix(_CONTROL)
        if name == "requests":
            _allow(request, "GET")
            return Answer.json(self.record.as_list())
        _allow(request, "POST")
        if name == "reset":
            self._reset()
        elif name == "faults":
            self.faults.add(Fault.from_json(b"".join(request.blocks())))
        else:
            raise Refused(404, "there are requests, reset and faults")
        return Answer.json({})

    def _reset(self) -> None:
        self.faults.clear()
        self.store.clear()
        self.record.clear()


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Refused(405, f"only {', '.join(methods)}")


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
