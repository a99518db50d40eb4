"""A transport for tests: the requests of a client, answered by an emulator in this process."""

from __future__ import annotations

import io
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit
from wsgiref.types import WSGIEnvironment
from wsgiref.util import setup_testing_defaults

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from .deadlines import seconds_left
from .emulator import EmulatorApp
from .emulator.messages import ConnectionDropped

__all__ = ["Delays", "InProcessAdapter"]


class Delays(threading.Event):
    """What an emulator waits on where no time passes: it notes the seconds it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._noted = threading.local()

    def wait(self, timeout: float | None = None) -> bool:
        self._noted.seconds = timeout
        return False

    def taken(self) -> float:
        """The seconds that this thread was asked to wait for since it last asked this."""
        seconds: float = vars(self._noted).pop("seconds", 0)
        return seconds


class InProcessAdapter(HTTPAdapter):
    """
    Carries requests to an emulator's application, whatever host they are for.

    Pictures have their URLs on ``cdn_url``, and a delay is over at once: longer than the
    client waits, it is a timeout.
    """

    def __init__(self, app: EmulatorApp, cdn_url: str, delays: Delays) -> None:
        super().__init__()
        self._app = app
        self._cdn_url = cdn_url.rstrip("/") + "/"
        self._delays = delays

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        try:
            status, headers, body = _ask(self._app, self._environ(request))
        except ConnectionDropped as error:
            raise requests.ConnectionError("it closed the connection", request=request) from error
        patience = min(timeout[-1] if isinstance(timeout, tuple) else timeout, seconds_left())
        if self._delays.taken() > patience:
            raise requests.ReadTimeout(f"nothing for {patience} seconds", request=request)
        raw = HTTPResponse(
            io.BytesIO(body),
            dict(headers),
            status,
            preload_content=False,
            request_method=request.method,
        )
        return self.build_response(request, raw)

    def _environ(self, request: requests.PreparedRequest) -> WSGIEnvironment:
        url, cdn = urlsplit(str(request.url)), urlsplit(self._cdn_url)
        mount = cdn.path.rstrip("/")
        path = "/pictures" if request.method == "POST" else url.path.removeprefix(mount)
        body = b"".join(request.body or ())  # type: ignore[arg-type]  # a Body is bytes in pieces
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": unquote(mount),
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": url.query,
            "HTTP_HOST": cdn.netloc,
            "wsgi.url_scheme": cdn.scheme,
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        setup_testing_defaults(environ)
        return environ


def _ask(app: EmulatorApp, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]], bytes]:
    """The status, the headers and the body of the answer, or as much of it as comes."""
    head: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        head[:] = int(status.partition(" ")[0]), headers

    body = io.BytesIO()
    blocks = app(environ, start)
    try:
        with suppress(ConnectionDropped):  # the fault "half"
            body.writelines(blocks)
    finally:
        if close := getattr(blocks, "close", None):
            close()
    status, headers = head
    return status, headers, body.getvalue()
